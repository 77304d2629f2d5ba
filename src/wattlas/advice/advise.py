"""Designs that reach a target, ranked by the energy to get there, beside what one would take without it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from typing import Any, Protocol

import polars as pl

from wattlas.advice.curves import Experiment, read_curves
from wattlas.advice.pareto import Front, pareto_front
from wattlas.advice.scatter import Scatter, pooled_scatter
from wattlas.advice.target import Limits, Target
from wattlas.core.errors import DataError, UnknownNameError, UsageError
from wattlas.core.units import format_duration, format_energy

# scikit-learn's MLPClassifier and MLPRegressor take one hidden layer of so many units unless told otherwise.
DEFAULT_HIDDEN_UNITS = 100
HEADLINE = "fewest_parameters"


class DatasetTables(Protocol):
    """The tables that advice reads; `wattlas.dataset.tables.Tables` is one."""

    @property
    def runs(self) -> pl.DataFrame: ...  # noqa: D102
    @property
    def epochs(self) -> pl.DataFrame: ...  # noqa: D102
    @property
    def channels(self) -> pl.DataFrame: ...  # noqa: D102
    @property
    def experiments(self) -> pl.DataFrame: ...  # noqa: D102


@dataclass(frozen=True)
class Design:
    """A configuration, trained until it first reaches `loss` (an error rate for a target accuracy).

    `energy_j` is to the interpolated crossing, [`lower_j`, `upper_j`] its 95 % interval: instrument and
    the scatter between repetitions; None where no scatter is known. `epochs` is the whole number to stop
    after, `epoch_reached` where the crossing lies. `u_log` is the standard uncertainty of log energy in comparisons.
    `evidence` is `measured` between two recorded epochs with their own energies, `interpolated` where the
    run's energy was taken in proportion to epochs.
    """

    configuration: dict[str, Any]
    epochs: int
    epoch_reached: float
    energy_j: float
    lower_j: float | None
    upper_j: float | None
    duration_s: float
    loss: float
    best_loss: float
    n_runs: int
    n_reached: int
    n_diverged: int
    evidence: str
    u_log: float

    def document(self) -> dict[str, Any]:
        """The design as JSON has it."""
        fields = {k: v for k, v in vars(self).items() if k not in ("configuration", "u_log")}
        return {**self.configuration, **fields}


@dataclass(frozen=True)
class Baseline:
    """A design one might have taken without advice, trained to the same target; and what the advice saves.

    `saving` is 1 − E(advice) / E(baseline), with its 95 % interval where scatter is known. What is common to
    both energies, the instrument's accuracy, cancels and is left out of the interval.
    """

    name: str
    rule: str
    design: Design
    saving: float
    saving_lower: float | None
    saving_upper: float | None

    def document(self) -> dict[str, Any]:
        """The baseline as JSON has it."""
        rest = {k: v for k, v in vars(self).items() if k != "design"}
        return rest | self.design.document()


@dataclass(frozen=True)
class Advice:
    """The answer. `designs` best first, `pareto` by falling loss, `bests` every design at its lowest loss."""

    dataset: str
    machine: str
    source: str
    quantity: str
    target: float
    designs: tuple[Design, ...]
    pareto: tuple[tuple[Design, float], ...]
    bests: tuple[Design, ...]
    front: Front
    baselines: tuple[Baseline, ...]
    scatter: Scatter
    n_experiments: int

    @property
    def baseline(self) -> Baseline:
        """The headline: the smallest network by parameters that reaches the target."""
        return next(b for b in self.baselines if b.name == HEADLINE)

    def document(self) -> dict[str, Any]:
        """The JSON document of `wattlas advise --json`."""
        headline = self.baseline
        return {
            "dataset": self.dataset,
            "machine": self.machine,
            "source": self.source,
            "quantity": self.quantity,
            "target": self.target,
            "n_experiments": self.n_experiments,
            "scatter": {"log_sd": _finite(self.scatter.log_sd), "origin": self.scatter.origin},
            "designs": [self._labelled(d.document()) for d in self.designs],
            "pareto": [self._labelled(d.document() | {"p_dominated": p}) for d, p in self.pareto],
            "baseline": self._labelled(headline.document()),
            "baselines": [self._labelled(b.document()) for b in self.baselines],
            "saving": headline.saving,
            "saving_lower": headline.saving_lower,
            "saving_upper": headline.saving_upper,
        }

    def _labelled(self, document: dict[str, Any]) -> dict[str, Any]:
        return document | {"source": self.source}


def advise(
    tables: DatasetTables,
    dataset: str,
    target: Target,
    machine: str | None = None,
    source: str | None = None,
    limits: Limits | None = None,
) -> Advice:
    """Rank what was run on `dataset` by the energy to reach `target`.

    Raises:
        UnknownNameError: a dataset, machine or source that the tables do not have.
        UsageError: several machines or sources and none chosen; a target that is no target.
        DataError: no epochs or energies to tell from; a target that no run reached, or none within limits.
    """
    limits = limits or Limits()
    rows = _choose(tables.experiments, "dataset", dataset, "training dataset")
    rows = _choose_one(rows, "machine", machine, f"{dataset!r} was run on")
    rows = _choose_one(rows, "source", source, f"energies of {dataset!r} are")
    machine, source = str(rows["machine"][0]), str(rows["source"][0])
    where = f"{dataset} on {machine}"
    found = read_curves(rows, tables.runs, tables.epochs, tables.channels, target.quantity)
    if not found:
        raise DataError(
            f"no run of {where} has epochs with a {target.quantity.replace('_', ' ')} and an energy; run the "
            "sweep with evaluation of every epoch, or choose another dataset"
        )
    closest = min(found, key=lambda e: e.median.best_loss)
    level = target.level(closest.median.best_loss)
    scatter = pooled_scatter(found, level)
    reached = [(e, d) for e in found if (d := _design(e, level, scatter)) is not None]
    if not reached:
        raise DataError(
            f"no run of {where} reached {_say(target, level)}; the closest was {_name(closest.row)} with "
            f"{_say(target, closest.median.best_loss)}: set the target there or above, or train longer"
        )
    untrained = [e for e, _ in reached if e.median.initial_loss <= level]
    if untrained:
        raise UsageError(
            f"{_say(target, level)} is reached before any training ({_name(untrained[0].row)} starts at "
            f"{_say(target, untrained[0].median.initial_loss)}); give a harder target"
        )
    designs = sorted(
        (d for _, d in reached if _within(d, limits)),
        key=lambda d: (d.energy_j, d.configuration["n_parameters"]),
    )
    if not designs:
        raise DataError(_why_none(where, target, level, [d for _, d in reached]))
    allowed = [e for e in found if _allowed(e.row, limits)]
    front = pareto_front(allowed, scatter)
    return Advice(
        dataset=dataset,
        machine=machine,
        source=source,
        quantity=target.quantity,
        target=level if target.accuracy is None else target.accuracy,
        designs=tuple(designs),
        pareto=_front_designs(allowed, front, scatter, limits),
        bests=tuple(d for e in allowed if (d := _design(e, e.median.best_loss, scatter)) is not None),
        front=front,
        baselines=_baselines(designs, [d for _, d in reached], rows, scatter),
        scatter=scatter,
        n_experiments=len(found),
    )


def _choose(frame: pl.DataFrame, column: str, name: str, kind: str) -> pl.DataFrame:
    rows = frame.filter(pl.col(column) == name)
    if rows.is_empty():
        raise UnknownNameError(kind, name, [str(v) for v in frame[column].unique()])
    return rows


def _choose_one(rows: pl.DataFrame, column: str, name: str | None, what: str) -> pl.DataFrame:
    if name is not None:
        return _choose(rows, column, name, column)
    names = sorted(str(v) for v in rows[column].unique())
    if len(names) > 1:
        raise UsageError(f"{what} {' and '.join(names)}; choose one with --{column}")
    return rows


def _design(experiment: Experiment, level: float, scatter: Scatter) -> Design | None:
    crossing = experiment.median.crossing(level)
    if crossing is None:
        return None
    row, n = experiment.row, len(experiment.repetitions)
    lower, upper = _interval(crossing.log_energy, experiment, scatter, n)
    names = ("experiment_id", "shape", "depth", "size", "widths", "n_parameters", "flops_per_datum")
    more = ("n_train_batches", "batch_size", "learning_rate", "engine")
    return Design(
        configuration={k: row[k] for k in names + more},
        epochs=crossing.stop_epoch,
        epoch_reached=crossing.epoch,
        energy_j=exp(crossing.log_energy),
        lower_j=lower,
        upper_j=upper,
        duration_s=crossing.duration_s,
        loss=level,
        best_loss=experiment.median.best_loss,
        n_runs=n,
        n_reached=sum(curve.crossing(level) is not None for curve in experiment.repetitions),
        n_diverged=int(row["n_diverged"] or 0),
        evidence="measured" if experiment.per_epoch_energy else "interpolated",
        u_log=_u_compare(experiment, scatter, n),
    )


def _interval(
    log_energy: float, experiment: Experiment, scatter: Scatter, n: int
) -> tuple[float | None, float | None]:
    """95 % interval of the median: Student's t on the scatter of n runs and 1.96 u of the instrument."""
    half = sqrt((scatter.factor_95 * scatter.log_sd) ** 2 / n + (1.96 * experiment.u_instrument) ** 2)
    if not isfinite(half):
        return None, None
    return exp(log_energy - half), exp(log_energy + half)


def _u_compare(experiment: Experiment, scatter: Scatter, n: int) -> float:
    """Standard uncertainty of log energy without what designs share, widened for few degrees of freedom."""
    return sqrt((scatter.factor_95 / 1.96 * scatter.log_sd) ** 2 / n + experiment.u_own**2)


def _allowed(row: dict[str, Any], limits: Limits) -> bool:
    return (limits.max_parameters is None or row["n_parameters"] <= limits.max_parameters) and (
        limits.max_depth is None or row["depth"] <= limits.max_depth
    )


def _within(design: Design, limits: Limits) -> bool:
    return (
        _allowed(design.configuration, limits)
        and (limits.max_energy_j is None or design.energy_j <= limits.max_energy_j)
        and (limits.max_time_s is None or design.duration_s <= limits.max_time_s)
    )


def _front_designs(
    experiments: Sequence[Experiment], front: Front, scatter: Scatter, limits: Limits
) -> tuple[tuple[Design, float], ...]:
    found = []
    for member in front.designs:
        design = _design(experiments[member.index], member.loss, scatter)
        if design is not None and _within(design, limits):
            found.append((design, member.p_dominated))
    return tuple(found)


def _baselines(
    designs: Sequence[Design], reached: Sequence[Design], rows: pl.DataFrame, scatter: Scatter
) -> tuple[Baseline, ...]:
    """Baselines among designs that reach the target, whatever the limits; energy decides between equals."""
    best = designs[0]

    def least(measure: Callable[[Design], float], among: Sequence[Design] = reached) -> Design:
        return min(among, key=lambda d: (measure(d), d.energy_j))

    def flops(design: Design) -> float:
        c = design.configuration
        per_epoch = c["flops_per_datum"] * c["n_train_batches"] * c["batch_size"]
        return float(per_epoch * design.epoch_reached)

    plain = [d for d in reached if d.configuration["shape"] == "rectangle" and d.configuration["depth"] == 2]
    rules = [
        (HEADLINE, "the smallest network that reaches the target", least(_n_parameters)),
        ("fewest_flops", "the fewest FLOPs up to the target", least(flops)),
        ("lowest_loss", "the network with the lowest loss of all", least(lambda d: d.best_loss)),
    ]
    if plain:
        rule = f"one hidden layer of about {DEFAULT_HIDDEN_UNITS} units, scikit-learn's default"
        rules.append(("common_default", rule, least(_far_from_default, plain)))
    return tuple(_baseline(name, rule, design, best, scatter) for name, rule, design in rules)


def _n_parameters(design: Design) -> float:
    return float(design.configuration["n_parameters"])


def _far_from_default(design: Design) -> float:
    return abs(log(design.configuration["widths"][0] / DEFAULT_HIDDEN_UNITS))


def _baseline(name: str, rule: str, design: Design, best: Design, scatter: Scatter) -> Baseline:
    ratio = best.energy_j / design.energy_j
    lower: float | None
    upper: float | None
    if design.configuration["experiment_id"] == best.configuration["experiment_id"]:
        lower = upper = 0.0
    else:
        half = 1.96 * sqrt(best.u_log**2 + design.u_log**2)
        lower, upper = (1 - ratio * exp(half), 1 - ratio * exp(-half)) if isfinite(half) else (None, None)
    return Baseline(name, rule, design, 1 - ratio, lower, upper)


def _why_none(where: str, target: Target, level: float, reached: Sequence[Design]) -> str:
    least = min(d.energy_j for d in reached)
    quickest = min(d.duration_s for d in reached)
    smallest = min(d.configuration["n_parameters"] for d in reached)
    shallowest = min(d.configuration["depth"] for d in reached)
    return (
        f"{len(reached)} designs for {where} reach {_say(target, level)}, none within the limits; "
        f"they take at least {format_energy(least)}, {format_duration(quickest)}, {smallest} parameters and "
        f"a depth of {shallowest}, though not all in one: relax a limit"
    )


def _say(target: Target, level: float) -> str:
    if target.quantity == "test_accuracy":
        return f"a test accuracy of {1 - level:.4g}"
    return f"a test loss of {level:.4g}"


def _name(row: dict[str, Any]) -> str:
    return f"{row['shape']} of depth {row['depth']} and {row['n_parameters']} parameters"


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
