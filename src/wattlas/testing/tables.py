"""Consistent dataset tables with a known energy law and known loss curves, for tests of what reads tables."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wattlas.core.ids import content_id
from wattlas.dataset.experiments import experiments_table
from wattlas.dataset.machines import machine_from_json
from wattlas.dataset.schema import TABLES
from wattlas.networks.network import Network
from wattlas.networks.size import build_network
from wattlas.networks.work import work

MACHINE_JSON = json.dumps(
    {
        "name": "bench",
        "processors": [{"model": "Fake CPU", "sockets": 1, "cores": 4, "tdp_w": 65.0}],
        "caches": [
            {"name": "L1d", "level": 1, "kind": "data", "capacity_bytes": 32768, "units": 4},
            {"name": "L1i", "level": 1, "kind": "instruction", "capacity_bytes": 32768, "units": 4},
            {"name": "L2", "level": 2, "kind": "unified", "capacity_bytes": 1048576, "units": 4},
            {"name": "L3", "level": 3, "kind": "unified", "capacity_bytes": 16777216, "units": 1},
        ],
        "memory_bytes": 8589934592,
        "gpus": [],
        "virtual": False,
        "device": "cpu",
        "idle_power_w": 20.0,
        "peak_power_w": 80.0,
        "u_power_relative": None,
        "provenance": {"caches": "made up for tests"},
    }
)
METERS_JSON = json.dumps(
    {
        "found": [
            {"name": "fake", "state": "available", "reason": "", "fix": "", "channels": []},
            {
                "name": "rapl",
                "state": "unavailable",
                "reason": "no powercap in sysfs",
                "fix": "load intel_rapl",
                "channels": [],
            },
        ],
        "channels": [],
    }
)
DATASETS = {"digits": (1797, 64, 10), "wine": (178, 13, 3)}
BATCH_SIZE = 256
POWER_W = 50.0
# (channel, its part of the energy, the channel that contains it); the first is the runs' own.
CHANNELS = (("fake:package-0", 1.0, None), ("fake:core-0", 0.7, "fake:package-0"))

Row = dict[str, Any]


@dataclass(frozen=True)
class Law:
    """The truth behind the tables.

    Energy per step is `step_j` + `layer_j` · depth + `flop_j` · FLOPs of a batch; the loss after e epochs is
    floor + (1 − floor) / (1 + e / tau), with floor = `floor` · (2^18 / n_parameters)^(1/8) and a time
    constant tau in epochs that grows with the depth. `u_relative` is the instrument's accuracy, `scatter` the
    standard deviation of log energy between repetitions.
    """

    step_j: float = 2e-3
    layer_j: float = 4e-4
    flop_j: float = 2e-10
    floor: float = 0.05
    u_relative: float = 0.02
    scatter: float = 0.01

    def step_energy_j(self, network: Network, batch_size: int) -> float:
        """Energy of one training step."""
        per_datum = work(network, batch_size)
        flops = (per_datum.forward_flops + per_datum.backward_flops) * batch_size
        return self.step_j + self.layer_j * network.depth + self.flop_j * flops

    def loss(self, network: Network, epoch: NDArray[np.float64]) -> NDArray[np.float64]:
        """Test loss after each epoch; 1 before the first."""
        floor = min(0.9, self.floor * (2**18 / network.n_parameters) ** 0.125)
        tau = 1.0 + 0.5 * network.depth
        return np.asarray(floor + (1.0 - floor) / (1.0 + epoch / tau))


@dataclass
class _Bench:
    """A made-up machine that runs one training after another and keeps the rows."""

    law: Law
    machine: str
    source: str
    with_epochs: bool
    rng: np.random.Generator
    clock: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    runs: list[Row] = field(default_factory=list)
    epochs: list[Row] = field(default_factory=list)
    channels: list[Row] = field(default_factory=list)

    def run(self, network: Network, configuration: Row, repetition: int) -> None:
        law, epochs = self.law, configuration["epochs"]
        steps = configuration["n_train_batches"] * epochs
        energy_j = law.step_energy_j(network, BATCH_SIZE) * steps
        energy_j *= math.exp(self.rng.normal(0, law.scatter))
        duration_s = energy_j / POWER_W
        experiment_id = content_id(configuration)
        run_id = content_id({"e": experiment_id, "m": self.machine, "r": repetition, "s": self.source})
        start, end = self.clock, self.clock + timedelta(seconds=duration_s)
        start_s = start.timestamp() - 1.7e9
        loss = law.loss(network, np.arange(epochs + 1.0))
        self.clock = end + timedelta(seconds=1)
        self.runs.append(
            {
                "run_id": run_id,
                "experiment_id": experiment_id,
                "campaign": "test",
                "status": "done",
                **configuration,
                "machine": self.machine,
                "source": self.source,
                "node": "node-0",
                "repetition": repetition,
                "seed": repetition,
                "start_utc": start,
                "end_utc": end,
                "start_s": start_s,
                "end_s": start_s + duration_s,
                "duration_s": duration_s,
                "energy_j": energy_j,
                "u_energy_j": energy_j * law.u_relative,
                "idle_energy_j": 20.0 * duration_s,
                "compile_energy_j": 5.0,
                "compile_s": 0.1,
                "channel": CHANNELS[0][0],
                "domain": CHANNELS[0][0].split(":")[1],
                "flags": [],
                "engine_versions": "{}",
                "threads": 4,
                "affinity": [0, 1, 2, 3],
                "data_fingerprint": "0",
                "final_test_loss": float(loss[-1]),
                "best_test_loss": float(loss.min()),
                "attempt": 1,
                "error": None,
            }
        )
        for channel, part, contained_in in CHANNELS:
            self.channels.append(self._channel(run_id, channel, part * energy_j, contained_in))
        for epoch in range(epochs + 1) if self.with_epochs else ():
            share = epoch / epochs
            self.epochs.append(
                {
                    "run_id": run_id,
                    "epoch": epoch,
                    "train_loss": float(loss[epoch]),
                    "test_loss": float(loss[epoch]),
                    "test_accuracy": float(1.0 - 0.9 * loss[epoch]),
                    "end_s": start_s + share * duration_s,
                    "energy_j": share * energy_j,
                    "u_energy_j": share * energy_j * law.u_relative,
                    "source": self.source,
                }
            )

    def _channel(self, run_id: str, channel: str, energy_j: float, contained_in: str | None) -> Row:
        u_j = energy_j * self.law.u_relative
        return {
            "run_id": run_id,
            "channel": channel,
            "domain": channel.split(":")[1],
            "kind": "counter",
            "contained_in": contained_in,
            "energy_j": energy_j,
            "u_energy_j": u_j,
            "terms": json.dumps({"accuracy": 0.9 * u_j, "quantisation": math.sqrt(1 - 0.81) * u_j}),
            "flags": [],
            "source": self.source,
        }

    def node(self) -> Row:
        return {
            "node": "node-0",
            "date": datetime(2026, 1, 1, tzinfo=UTC).date(),
            "machine": self.machine,
            "machine_json": MACHINE_JSON.replace('"bench"', json.dumps(self.machine)),
            "idle_power_w": 20.0,
            "u_idle_power_w": 0.2,
            "meters_json": METERS_JSON,
            "source": self.source,
        }


def make_tables(
    *,
    datasets: Mapping[str, tuple[int, int, int]] | None = None,
    shapes: Sequence[str] = ("rectangle", "trapezoid", "exponential"),
    depths: Sequence[int] = (2, 3, 4),
    log2_sizes: Sequence[int] = (8, 10, 12, 14, 16, 18),
    repetitions: int = 2,
    epochs: int = 12,
    machine: str = "bench",
    source: str = "measured",
    law: Law | None = None,
    seed: int = 0,
    with_epochs: bool = True,
) -> dict[str, pl.DataFrame]:
    """Every table of `wattlas.dataset.schema` but samples of power, by name, for a full grid.

    `datasets` maps a name to (n_observations, n_inputs, n_outputs).
    """
    bench = _Bench(law or Law(), machine, source, with_epochs, np.random.default_rng(seed))
    for name, facts in (datasets or DATASETS).items():
        for network, configuration in _networks(name, facts, product(shapes, depths, log2_sizes), epochs):
            for repetition in range(repetitions):
                bench.run(network, configuration, repetition)
    rows = {"runs": bench.runs, "epochs": bench.epochs, "channels": bench.channels, "nodes": [bench.node()]}
    tables = {name: _frame(name, rows.get(name, [])) for name in TABLES}
    known = {machine: machine_from_json(bench.node()["machine_json"])}
    return tables | {"experiments": experiments_table(tables["runs"], known)}


def _networks(
    dataset: str, facts: tuple[int, int, int], grid: Iterable[tuple[str, int, int]], epochs: int
) -> Iterator[tuple[Network, Row]]:
    n_observations, n_inputs, n_outputs = facts
    for shape, depth, log2_size in grid:
        network = build_network(shape, depth, 2**log2_size, n_inputs, n_outputs)
        yield (
            network,
            {
                "dataset": dataset,
                "shape": shape,
                "depth": depth,
                "size": 2**log2_size,
                "n_parameters": network.n_parameters,
                "widths": list(network.widths),
                "n_inputs": n_inputs,
                "n_outputs": n_outputs,
                "n_observations": n_observations,
                "n_train_batches": math.ceil(0.8 * n_observations / BATCH_SIZE),
                "n_test_batches": math.ceil(0.2 * n_observations / BATCH_SIZE),
                "loss": "categorical_crossentropy",
                "batch_size": BATCH_SIZE,
                "epochs": epochs,
                "learning_rate": 1e-4,
                "epsilon": 1e-7,
                "epsilon_convention": "keras",
                "engine": "numpy",
            },
        )


def _frame(name: str, rows: Sequence[Row]) -> pl.DataFrame:
    empty = pl.DataFrame(TABLES[name].empty_table())
    return pl.DataFrame(rows, schema=empty.schema) if rows else empty


def write_tables(tables: Mapping[str, pl.DataFrame], directory: Path) -> Path:
    """Write tables as a dataset directory, `<table>.parquet` each, with the schemas' metadata."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        pq.write_table(frame.to_arrow().cast(TABLES[name]), directory / f"{name}.parquet")
    return directory
