"""From what a run gave to the rows of the store. Pure: no clock, no files."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wattlas.campaign.messages import Compiled, Hello
from wattlas.campaign.metering import WindowEnergies
from wattlas.campaign.plan import PlannedRun
from wattlas.campaign.spec import SweepSpec
from wattlas.core.clock import UtcAnchor
from wattlas.engines.base import TrainingResult
from wattlas.hardware.machine import Machine
from wattlas.meters.base import Channel, MeterStatus
from wattlas.networks.tasks import Task
from wattlas.power.uncertainty import Energy


@dataclass(frozen=True)
class Place:
    """Where runs take place and what meters them."""

    machine: Machine
    node: str
    channels: Sequence[Channel]
    channel: str
    domain: str
    source: str
    idle_power_w: float | None
    threads: int


@dataclass(frozen=True)
class Outcome:
    """A training that came to its end, with the energies of its windows."""

    hello: Hello
    compiled: Compiled
    result: TrainingResult
    window: WindowEnergies
    energy: Energy
    compile_energy_j: float | None
    epoch_energy_j: NDArray[np.float64]
    epoch_u_energy_j: NDArray[np.float64]


def configuration(spec: SweepSpec, planned: PlannedRun, task: Task) -> dict[str, Any]:
    """The columns of the runs table that name the configuration."""
    network, training = planned.experiment.network, spec.training
    return {
        "dataset": planned.experiment.dataset,
        "shape": network.shape,
        "depth": network.depth,
        "size": planned.experiment.size,
        "n_parameters": network.n_parameters,
        "widths": list(network.widths),
        "n_inputs": network.n_inputs,
        "n_outputs": network.n_outputs,
        "n_observations": task.n_observations,
        "n_train_batches": task.n_train_batches(training.batch_size, training.test_fraction),
        "n_test_batches": task.n_test_batches(training.batch_size, training.test_fraction),
        "loss": task.loss,
        "batch_size": training.batch_size,
        "epochs": training.epochs,
        "learning_rate": training.learning_rate,
        "epsilon": training.epsilon,
        "epsilon_convention": training.epsilon_convention,
        "engine": spec.engine.name,
    }


def failed_run(
    spec: SweepSpec, planned: PlannedRun, task: Task, place: Place, attempt: int, error: str
) -> dict[str, Any]:
    """The row of an attempt that gave no energy: every quantity is null."""
    return {
        "run_id": planned.run_id,
        "experiment_id": planned.experiment.experiment_id,
        "campaign": spec.campaign.name,
        "status": "failed",
        **configuration(spec, planned, task),
        "machine": place.machine.name,
        "source": place.source,
        "node": place.node,
        "repetition": planned.repetition,
        "seed": planned.seed,
        "channel": place.channel,
        "domain": place.domain,
        "flags": [],
        "threads": place.threads,
        "attempt": attempt,
        "error": error,
    }


def settled_run(
    spec: SweepSpec, planned: PlannedRun, place: Place, outcome: Outcome, anchor: UtcAnchor, attempt: int
) -> dict[str, Any]:
    """The row of a run that came to its end."""
    result, compiled, energy = outcome.result, outcome.compiled, outcome.energy
    duration_s = result.end_s - result.start_s
    losses = np.asarray(result.test_loss)[np.isfinite(result.test_loss)]
    versions = dict(outcome.hello.versions) | {
        "epochs_per_call": result.epochs_per_call,
        "padded_rows_per_epoch": result.padded_rows_per_epoch,
        "compile_cached": result.compile_cached,
    }
    row = failed_run(spec, planned, compiled.task, place, attempt, "")
    batch_size = spec.training.batch_size
    return row | {
        "status": "diverged" if result.diverged else "done",
        "n_train_batches": math.ceil(compiled.n_train / batch_size),
        "n_test_batches": math.ceil(compiled.n_test / batch_size),
        "start_utc": anchor.to_datetime(result.start_s),
        "end_utc": anchor.to_datetime(result.end_s),
        "start_s": result.start_s,
        "end_s": result.end_s,
        "duration_s": duration_s,
        "energy_j": energy.energy_j,
        "u_energy_j": energy.u_energy_j,
        "idle_energy_j": None if place.idle_power_w is None else place.idle_power_w * duration_s,
        "compile_energy_j": outcome.compile_energy_j,
        "compile_s": compiled.end_s - compiled.start_s,
        "flags": [*energy.flags, *outcome.window.missing],
        "engine_versions": json.dumps(versions, sort_keys=True),
        "affinity": list(outcome.hello.affinity),
        "data_fingerprint": compiled.fingerprint,
        "final_test_loss": _finite(result.test_loss[-1]),
        "best_test_loss": float(losses.min()) if losses.size else None,
        "error": None,
    }


def epoch_columns(run_id: str, place: Place, outcome: Outcome) -> dict[str, Any]:
    """The epochs of a run, entry 0 before the first step; those that a diverged run did not reach are left
    out."""
    result = outcome.result
    reached = np.flatnonzero(np.isfinite(result.epoch_end_s))
    return {
        "run_id": [run_id] * len(reached),
        "epoch": reached,
        "train_loss": result.train_loss[reached],
        "test_loss": result.test_loss[reached],
        "test_accuracy": [_finite(value) for value in result.test_accuracy[reached]],
        "end_s": result.epoch_end_s[reached],
        "energy_j": outcome.epoch_energy_j[reached],
        "u_energy_j": outcome.epoch_u_energy_j[reached],
        "source": [place.source] * len(reached),
    }


def channel_columns(run_id: str, place: Place, window: WindowEnergies) -> dict[str, Any]:
    """Every channel's energy of the run's window."""
    channels = [c for c in place.channels if c.id in window.by_channel]
    energies = [window.by_channel[c.id] for c in channels]
    return {
        "run_id": [run_id] * len(channels),
        "channel": [c.id for c in channels],
        "domain": [c.domain for c in channels],
        "kind": [c.instrument.kind for c in channels],
        "contained_in": [c.contained_in for c in channels],
        "energy_j": [e.energy_j for e in energies],
        "u_energy_j": [e.u_energy_j for e in energies],
        "terms": [json.dumps(dict(e.terms), sort_keys=True) for e in energies],
        "flags": [list(e.flags) for e in energies],
        "source": [c.source for c in channels],
    }


def power_columns(run_id: str, place: Place, window: WindowEnergies) -> dict[str, Any]:
    """The samples of the run's window and the neighbours on both sides."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("channel", "kind", "source", "before_s", "after_s", "value")
    }
    for channel in place.channels:
        samples = window.samples.get(channel.id)
        if samples is None:
            continue
        n = len(samples)
        columns["channel"] += [channel.id] * n
        columns["kind"] += [channel.instrument.kind] * n
        columns["source"] += [channel.source] * n
        columns["before_s"] += samples.before_s.tolist()
        columns["after_s"] += samples.after_s.tolist()
        columns["value"] += samples.value.tolist()
    n = len(columns["channel"])
    return {"run_id": [run_id] * n, "node": [place.node] * n, "device_s": [None] * n, **columns}


def node_row(place: Place, idle: Energy | None, found: Sequence[MeterStatus], day: date) -> dict[str, Any]:
    """What is known of a node on a day."""
    return {
        "node": place.node,
        "date": day,
        "machine": place.machine.name,
        "machine_json": json.dumps(asdict(place.machine), sort_keys=True, default=_plain),
        "idle_power_w": None if idle is None else idle.mean_power_w,
        "u_idle_power_w": None if idle is None else idle.u_energy_j / idle.duration_s,
        "meters_json": json.dumps(
            {"found": [asdict(s) for s in found], "channels": [asdict(c) for c in place.channels]},
            sort_keys=True,
            default=_plain,
        ),
        "source": place.source,
    }


def utc_day(anchor: UtcAnchor) -> date:
    """The UTC day of an anchor."""
    return datetime.fromtimestamp(anchor.utc_s, UTC).date()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
