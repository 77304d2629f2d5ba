"""Designs that reach a target, ranked by the energy to get there, beside what one would take without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, floor, isfinite, log10
from typing import Any

import polars as pl

from wattlas.advice.baselines import Baseline, baselines
from wattlas.advice.curves import Experiment, read_curves
from wattlas.advice.design import Design, design_at
from wattlas.advice.pareto import Front, pareto_front
from wattlas.advice.scatter import Scatter, pooled_scatter
from wattlas.advice.target import Limits, Target
from wattlas.core.errors import DataError, UnknownNameError, UsageError
from wattlas.core.units import format_energy
from wattlas.dataset.tables import Tables


@dataclass(frozen=True)
class Advice:
    """The answer. `designs` best first, `pareto` by falling loss, `bests` every design at its lowest loss.

    All energies are of one machine, one source and one domain. `front` are the points behind `pareto`.
    """

    dataset: str
    machine: str
    source: str
    domain: str | None
    target: float
    designs: tuple[Design, ...]
    pareto: tuple[Design, ...]
    bests: tuple[Design, ...]
    front: Front
    baselines: tuple[Baseline, ...]
    scatter: Scatter
    n_experiments: int

    @property
    def baseline(self) -> Baseline:
        """The headline: the smallest network by parameters that reaches the target."""
        return self.baselines[0]

    def document(self) -> dict[str, Any]:
        """The JSON document of `wattlas advise --json`."""
        headline = self.baseline
        log_sd = self.scatter.log_sd
        return {
            **{k: getattr(self, k) for k in ("dataset", "machine", "source", "domain", "target")},
            "n_experiments": self.n_experiments,
            "scatter": {"log_sd": log_sd if isfinite(log_sd) else None, "origin": self.scatter.origin},
            "designs": [design.document() for design in self.designs],
            "pareto": [design.document() for design in self.pareto],
            "baseline": headline.document(),
            "baselines": [baseline.document() for baseline in self.baselines],
            "saving": headline.saving,
            "saving_lower": headline.saving_lower,
            "saving_upper": headline.saving_upper,
        }


def advise(
    tables: Tables,
    dataset: str,
    target: Target,
    *,
    machine: str | None = None,
    source: str | None = None,
    domain: str | None = None,
    limits: Limits | None = None,
) -> Advice:
    """Rank what was run on `dataset` by the energy to reach `target`.

    Raises:
        UnknownNameError: a dataset, machine, source or domain that the tables do not have.
        UsageError: several machines, sources or domains and none chosen; a target that is no target.
        DataError: no epochs or energies to tell from; a target that no run reached, or none within limits.
    """
    limits = limits or Limits()
    rows = _choose(tables.experiments, "dataset", dataset)
    rows = _choose_one(rows, "machine", machine, f"{dataset} was run on the machines")
    rows = _choose_one(rows, "source", source, f"energies of {dataset} are")
    rows = _choose_one(rows, "domain", domain, f"energies of {dataset} bound different things:")
    where = f"{dataset} on {rows['machine'][0]}"
    found = read_curves(rows, tables.runs, tables.epochs, tables.channels)
    if not found:
        raise DataError(
            f"no finished run of {where} has epochs with a test loss and an energy; run more of the sweep, "
            "or choose another dataset"
        )
    closest = min(found, key=lambda e: e.median.best_loss)
    level = target.level(closest.median.best_loss)
    scatter = pooled_scatter(found, level)
    reached = [d for e in found if (d := design_at(e, level, scatter)) is not None]
    if not reached:
        raise DataError(
            f"no run of {where} reached a test loss of {level:g}; the best loss seen is "
            f"{_round_up(closest.median.best_loss)}, by {_name(closest.row)}: set the target there or above, "
            "or train longer"
        )
    _refuse_untrained(found, level)
    designs = sorted(
        (d for d in reached if limits.allow(d.n_parameters, d.energy_j)),
        key=lambda d: (d.energy_j, d.n_parameters),
    )
    if not designs:
        raise DataError(_why_none(where, level, reached))
    allowed = [e for e in found if limits.allow(e.row["n_parameters"], 0.0)]
    front = pareto_front([e.median for e in allowed], limits.max_energy_j)
    return Advice(
        dataset=dataset,
        machine=str(rows["machine"][0]),
        source=str(rows["source"][0]),
        domain=rows["domain"][0],
        target=level,
        designs=tuple(designs),
        pareto=tuple(_stopped(allowed[i], k, scatter) for i, k in front.ends()),
        bests=tuple(_stopped(e, int(e.median.improvements()[-1]), scatter) for e in allowed),
        front=front,
        baselines=baselines(designs[0], reached),
        scatter=scatter,
        n_experiments=len(found),
    )


def _choose(frame: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    rows = frame.filter(pl.col(column) == name)
    if rows.is_empty():
        raise UnknownNameError(column, name, [str(v) for v in frame[column].drop_nulls().unique()])
    return rows


def _choose_one(rows: pl.DataFrame, column: str, name: str | None, what: str) -> pl.DataFrame:
    if name is not None:
        return _choose(rows, column, name)
    names = sorted(str(v) for v in rows[column].unique())
    if len(names) > 1:
        raise UsageError(f"{what} {' and '.join(names)}; choose one with --{column}")
    return rows


def _stopped(experiment: Experiment, k: int, scatter: Scatter) -> Design:
    """The design as it is after the epoch at index k of its curve."""
    curve = experiment.median
    design = design_at(experiment, exp(curve.log_loss[k]), scatter, curve.at(k))
    assert design is not None
    return design


def _refuse_untrained(found: Sequence[Experiment], level: float) -> None:
    for experiment in found:
        initial = experiment.median.initial_loss
        if initial <= level:
            raise UsageError(
                f"a test loss of {level:g} is reached before any training: {_name(experiment.row)} starts at "
                f"{initial:.4g}; give a lower target"
            )


def _why_none(where: str, level: float, reached: Sequence[Design]) -> str:
    least, smallest = min(d.energy_j for d in reached), min(d.n_parameters for d in reached)
    return (
        f"{len(reached)} designs for {where} reach a test loss of {level:g}, none within the limits; they "
        f"take at least {format_energy(least)} and {smallest} parameters, not both in one: relax a limit"
    )


def _round_up(loss: float, digits: int = 4) -> str:
    """A loss in a few digits, not below itself: as a target it is reached."""
    if loss <= 0:
        return "0"
    unit = 10.0 ** (floor(log10(loss)) + 1 - digits)
    return f"{ceil(loss / unit) * unit:.{digits}g}"


def _name(row: dict[str, Any]) -> str:
    return f"{row['shape']} of depth {row['depth']} and {row['n_parameters']} parameters"
