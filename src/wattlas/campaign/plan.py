"""From a spec to the runs it asks for: full factorial, one experiment per distinct network, shuffled."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from wattlas.campaign.spec import DatasetTable, SweepSpec
from wattlas.core.errors import SpecError
from wattlas.core.ids import content_id
from wattlas.networks.network import Network
from wattlas.networks.size import build_networks, relative_size_error
from wattlas.networks.tasks import Task


@dataclass(frozen=True, slots=True)
class Experiment:
    """One configuration: a dataset, a network as built, and the spec's training choices."""

    experiment_id: str
    dataset: str
    size: int
    network: Network


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One repetition of an experiment on the plan's machine, with its own seed."""

    run_id: str
    experiment: Experiment
    repetition: int

    @property
    def seed(self) -> int:
        """Seed of weights and shuffling: 31 bits of the experiment's id and the repetition.

        It does not depend on the campaign, so that a run is the same run in whichever spec it is asked for.
        """
        return (
            int(content_id({"experiment": self.experiment.experiment_id, "seed_of": self.repetition})[:8], 16)
            >> 1
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A combination that is not run, and why."""

    dataset: str
    shape: str
    depth: int
    size: int
    reason: str


@dataclass(frozen=True)
class Plan:
    """The runs of a spec on one machine, in the order in which to take them.

    `merged` counts combinations whose network is another's: shapes of depth 2 coincide, and neighbouring
    sizes may have the same closest network.
    """

    machine: str
    runs: tuple[PlannedRun, ...]
    experiments: tuple[Experiment, ...]
    left_out: tuple[LeftOut, ...]
    merged: int


def make_plan(spec: SweepSpec, facts: Mapping[str, Task], machine: str) -> Plan:
    """Plan a spec for a machine.

    Order: one block per repetition, shuffled within by the campaign's seed, so that neither drift over time
    nor a campaign that stops early is confounded with a configuration.

    Raises:
        SpecError: no network meets any of the sizes.
    """
    experiments: dict[tuple[str, tuple[int, ...], bool], tuple[float, Experiment]] = {}
    left_out: list[LeftOut] = []
    merged = 0
    combinations = [
        (shape, depth, size)
        for shape in dict.fromkeys(spec.networks.shapes)
        for depth in dict.fromkeys(spec.networks.depths)
        for size in spec.networks.target_sizes
    ]
    training = spec.training.model_dump() | {"engine": spec.engine.name, "threads": spec.engine.threads}
    built = iter(_build_all(spec, facts, combinations))
    for table in spec.datasets:
        task = facts[table.name]
        common = training | _identity(table, task)
        for (shape, depth, size), network in zip(combinations, built, strict=False):
            error = relative_size_error(network, size)
            if error > spec.networks.size_tolerance:
                left_out.append(LeftOut(table.name, shape, depth, size, _why(network, error, spec)))
                continue
            key = (table.name, network.widths, network.residual)
            if known := experiments.get(key):
                merged += 1
                if known[0] <= error:
                    continue
            identity = {"widths": network.widths, "residual": network.residual, **common}
            experiment = Experiment(content_id(identity), table.name, size, network)
            experiments[key] = (error, experiment)
    if not experiments:
        first = left_out[0]
        raise SpecError(
            f"networks: no network meets any of the sizes ({first.shape}, depth {first.depth}, "
            f"{first.dataset}: "
            f"{first.reason}); give other sizes, depths or a larger size_tolerance"
        )
    chosen = tuple(experiment for _, experiment in experiments.values())
    return Plan(machine, _order(spec, chosen, machine), chosen, tuple(left_out), merged)


def _build_all(
    spec: SweepSpec, facts: Mapping[str, Task], combinations: Sequence[tuple[str, int, int]]
) -> list[Network]:
    """The networks of every dataset, dataset by dataset, in one search: far faster than one search each."""
    rows = [
        (*combination, facts[table.name].n_inputs, facts[table.name].n_outputs)
        for table in spec.datasets
        for combination in combinations
    ]
    return build_networks(*zip(*rows, strict=True))


def _identity(table: DatasetTable, task: Task) -> dict[str, Any]:
    """What of the dataset is part of the configuration; a file is known by its content, not by its path."""
    return {
        "file": None if table.path is None else sha256(Path(table.path).read_bytes()).hexdigest(),
        "dataset": table.name,
        "target": table.target,
        "loss": task.loss,
        "n_inputs": task.n_inputs,
        "n_outputs": task.n_outputs,
        "n_observations": task.n_observations,
    }


def _why(network: Network, error: float, spec: SweepSpec) -> str:
    return (
        f"the closest network has {network.n_parameters} parameters, {error:.0%} off "
        f"(size_tolerance {spec.networks.size_tolerance:.0%})"
    )


def _order(spec: SweepSpec, experiments: tuple[Experiment, ...], machine: str) -> tuple[PlannedRun, ...]:
    shuffle = random.Random(spec.campaign.seed)
    runs: list[PlannedRun] = []
    for repetition in range(spec.runs.repetitions):
        block = [
            PlannedRun(_run_id(experiment.experiment_id, machine, repetition), experiment, repetition)
            for experiment in experiments
        ]
        if spec.runs.order == "random":
            shuffle.shuffle(block)
        runs += block
    return tuple(runs)


def _run_id(experiment_id: str, machine: str, repetition: int) -> str:
    return content_id({"experiment": experiment_id, "machine": machine, "repetition": repetition})
