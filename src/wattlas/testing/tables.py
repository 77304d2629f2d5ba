"""Consistent dataset tables with a known energy law and known loss curves, for tests of what reads tables."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wattlas.core.ids import content_id
from wattlas.dataset.schema import TABLES
from wattlas.networks.network import Network
from wattlas.networks.size import build_network
from wattlas.networks.work import work
from wattlas.networks.working_sets import working_sets

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
    law = law or Law()
    datasets = datasets or {"digits": (1797, 64, 10), "wine": (178, 13, 3)}
    rng = np.random.default_rng(seed)
    batch = 256
    clock = datetime(2026, 1, 1, tzinfo=UTC)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in TABLES}
    for dataset, (n_observations, n_inputs, n_outputs) in datasets.items():
        steps = math.ceil(0.8 * n_observations / batch)
        test_steps = math.ceil(0.2 * n_observations / batch)
        for shape in shapes:
            for depth in depths:
                for log2_size in log2_sizes:
                    network = build_network(shape, depth, 2**log2_size, n_inputs, n_outputs)
                    configuration: dict[str, object] = {
                        "dataset": dataset,
                        "shape": shape,
                        "depth": depth,
                        "size": 2**log2_size,
                        "n_parameters": network.n_parameters,
                        "widths": list(network.widths),
                        "n_inputs": n_inputs,
                        "n_outputs": n_outputs,
                        "n_observations": n_observations,
                        "n_train_batches": steps,
                        "n_test_batches": test_steps,
                        "loss": "categorical_crossentropy",
                        "batch_size": batch,
                        "epochs": epochs,
                        "learning_rate": 1e-4,
                        "epsilon": 1e-7,
                        "epsilon_convention": "keras",
                        "engine": "numpy",
                    }
                    experiment_id = content_id(configuration)
                    true_j = law.step_energy_j(network, batch) * steps * epochs
                    done: list[dict[str, object]] = []
                    for repetition in range(repetitions):
                        energy_j = true_j * math.exp(rng.normal(0, law.scatter))
                        duration_s = energy_j / 50.0
                        run_id = content_id({"e": experiment_id, "m": machine, "r": repetition, "s": source})
                        end = clock + timedelta(seconds=duration_s)
                        loss = law.loss(network, np.arange(epochs + 1.0))
                        run: dict[str, object] = {
                            "run_id": run_id,
                            "experiment_id": experiment_id,
                            "campaign": "test",
                            "status": "done",
                            **configuration,
                            "machine": machine,
                            "source": source,
                            "node": "node-0",
                            "repetition": repetition,
                            "seed": repetition,
                            "start_utc": clock,
                            "end_utc": end,
                            "start_s": clock.timestamp() - 1.7e9,
                            "end_s": end.timestamp() - 1.7e9,
                            "duration_s": duration_s,
                            "energy_j": energy_j,
                            "u_energy_j": energy_j * law.u_relative,
                            "idle_energy_j": 20.0 * duration_s,
                            "compile_energy_j": 5.0,
                            "compile_s": 0.1,
                            "channel": "fake:package-0",
                            "domain": "package-0",
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
                        done.append(run)
                        start_s = clock.timestamp() - 1.7e9
                        clock = end + timedelta(seconds=1)
                        if with_epochs:
                            for epoch in range(epochs + 1):
                                share = epoch / epochs
                                rows["epochs"].append(
                                    {
                                        "run_id": run_id,
                                        "epoch": epoch,
                                        "train_loss": float(loss[epoch]),
                                        "test_loss": float(loss[epoch]),
                                        "test_accuracy": float(1.0 - 0.9 * loss[epoch]),
                                        "end_s": start_s + share * duration_s,
                                        "energy_j": share * energy_j,
                                        "u_energy_j": share * energy_j * law.u_relative,
                                        "source": source,
                                    }
                                )
                        terms = {
                            "accuracy": 0.9 * law.u_relative * energy_j,
                            "quantisation": math.sqrt(1 - 0.81) * law.u_relative * energy_j,
                        }
                        for channel, part in (("fake:package-0", 1.0), ("fake:core-0", 0.7)):
                            rows["channels"].append(
                                {
                                    "run_id": run_id,
                                    "channel": channel,
                                    "domain": channel.split(":")[1],
                                    "kind": "counter",
                                    "contained_in": None if part == 1.0 else "fake:package-0",
                                    "energy_j": part * energy_j,
                                    "u_energy_j": part * energy_j * law.u_relative,
                                    "terms": json.dumps({k: v * part for k, v in terms.items()}),
                                    "flags": [],
                                    "source": source,
                                }
                            )
                    rows["runs"] += done
                    rows["experiments"].append(_experiment(experiment_id, configuration, done, network))
    rows["nodes"].append(
        {
            "node": "node-0",
            "date": datetime(2026, 1, 1, tzinfo=UTC).date(),
            "machine": machine,
            "machine_json": MACHINE_JSON.replace('"bench"', json.dumps(machine)),
            "idle_power_w": 20.0,
            "u_idle_power_w": 0.2,
            "meters_json": json.dumps(
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
            ),
            "source": source,
        }
    )
    empty = {name: pl.DataFrame(schema.empty_table()) for name, schema in TABLES.items()}
    return {
        name: pl.DataFrame(rows[name], schema=empty[name].schema) if rows[name] else empty[name]
        for name in TABLES
    }


def _experiment(
    experiment_id: str,
    configuration: Mapping[str, object],
    runs: Sequence[Mapping[str, object]],
    network: Network,
) -> dict[str, object]:
    energies = np.array([run["energy_j"] for run in runs], dtype=float)
    durations = np.array([run["duration_s"] for run in runs], dtype=float)
    energy_j = float(np.median(energies))
    steps, test_steps = int(str(configuration["n_train_batches"])), int(str(configuration["n_test_batches"]))
    data = int(str(configuration["epochs"])) * steps * 256
    per_datum = work(network, 256)
    sets = working_sets(network, 256, int(str(configuration["n_observations"])))
    u_energy_j = energy_j * float(str(runs[0]["u_energy_j"])) / float(str(runs[0]["energy_j"]))
    return {
        "experiment_id": experiment_id,
        **configuration,
        "machine": runs[0]["machine"],
        "source": runs[0]["source"],
        "n_runs": len(runs),
        "n_diverged": 0,
        "energy_j": energy_j,
        "energy_q25_j": float(np.quantile(energies, 0.25)),
        "energy_q75_j": float(np.quantile(energies, 0.75)),
        "u_energy_j": u_energy_j,
        "duration_s": float(np.median(durations)),
        "mean_power_w": energy_j / float(np.median(durations)),
        "energy_per_datum_j": energy_j / data,
        "u_energy_per_datum_j": u_energy_j / data,
        "flops_per_datum": float(per_datum.flops_per_datum(steps, test_steps)),
        "forward_flops": float(per_datum.forward_flops),
        "backward_flops": float(per_datum.backward_flops),
        **{f"ws_{s.name}_bytes": float(s.total_bytes) for s in sets},
        **{f"ws_{s.name}_level": "L2" for s in sets},
        "final_test_loss": runs[0]["final_test_loss"],
        "best_test_loss": runs[0]["best_test_loss"],
    }


def write_tables(tables: Mapping[str, pl.DataFrame], directory: Path) -> Path:
    """Write tables as a dataset directory, `<table>.parquet` each, with the schemas' metadata."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        pq.write_table(frame.to_arrow().cast(TABLES[name]), directory / f"{name}.parquet")
    return directory
