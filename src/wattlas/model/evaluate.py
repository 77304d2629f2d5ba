"""Errors of the energy model and of baselines on held-out groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import ModelError, UsageError
from wattlas.hardware.machine import Machine
from wattlas.model.baselines import BASELINES, baseline
from wattlas.model.energy_model import EnergyModel
from wattlas.model.features import Vector
from wattlas.model.points import (
    check_domains,
    check_points,
    check_sources,
    energies,
    resolve_machines,
    sources,
)
from wattlas.model.train import LEAST_POINTS

GROUPS = ("dataset", "shape", "depth", "size", "log2_size", "machine")
# Groups are left out one at a time, or dealt into at most this many folds.
MOST_FOLDS = 20


def evaluate(
    points: pl.DataFrame,
    group_by: str,
    machines: Mapping[str, Machine] | None = None,
    allow: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Errors per machine when whole groups of `group_by` are left out of the fit.

    Each machine has `mape`, `median_ape`, `log_sd`, `bias` (geometric mean of predicted / observed, less 1),
    `coverage_95` and `n`, the errors of each group under `groups`, and those of each baseline under
    `baselines`. A machine with one group has n = 0 and a `reason`. By machine: each is predicted by the
    models of the others, the geometric mean of them.

    Raises:
        UsageError: no such column, energies of a source that was not asked for, or an unknown machine.
        ModelError: nothing could be held out of any machine.
    """
    points = check_points(points)
    if group_by not in points.columns:
        there = [name for name in GROUPS if name in points.columns]
        raise UsageError(f"the points have no column {group_by!r}; group by one of {', '.join(there)}")
    check_sources(points, allow)
    check_domains(points)
    points = points.with_columns(energies(points))
    known = resolve_machines(points, machines or {})
    result = {}
    for name in sorted(known):
        own = points.filter(pl.col("machine") == name)
        if group_by == "machine":
            others = points.filter(pl.col("machine") != name)
            model = EnergyModel(machines=known, allow=allow, seed=seed)
            result[name] = _from_others(own, others, known[name], model)
        else:
            model = EnergyModel(machines={name: known[name]}, allow=allow, seed=seed)
            result[name] = _held_out(own, known[name], group_by, model)
    if not any(errors["n"] for errors in result.values()):
        raise ModelError(f"nothing could be held out: {next(iter(result.values()))['reason']}")
    return result


def _held_out(own: pl.DataFrame, machine: Machine, group_by: str, model: EnergyModel) -> dict[str, Any]:
    labels = own[group_by].cast(pl.String).fill_null("null")
    groups = own[group_by].unique().sort().cast(pl.String).fill_null("null").to_list()
    if len(groups) < 2:
        return _nothing(
            f"all {own.height} points of {machine.name} are of {group_by} {groups[0]}; group by another"
        )
    observed = energies(own).to_numpy()
    folds = _deal(labels, groups, model.seed)
    columns = {k: np.full(own.height, np.nan) for k in ("model", "lower", "upper", *BASELINES)}
    reasons: dict[str, str] = {}
    for fold in np.unique(folds):
        held = folds == fold
        train, test = own.filter(~held), own.filter(held)
        if train.height < LEAST_POINTS:
            continue
        p = model.fit(train).predict_interval(test)
        columns["model"][held], columns["lower"][held], columns["upper"][held] = (
            p.energy_j,
            p.lower_j,
            p.upper_j,
        )
        for name in BASELINES:
            predicted = baseline(name, train, test, machine)
            if isinstance(predicted, str):
                reasons[name] = predicted
            else:
                columns[name][held] = predicted
    done = np.isfinite(columns["model"])
    if not done.any():
        return _nothing(f"no group of {group_by} leaves {LEAST_POINTS} points of {machine.name} to fit")

    def errors(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return metrics(observed[rows], columns["model"][rows], columns["lower"][rows], columns["upper"][rows])

    of_group = {group: (labels == group).to_numpy() & done for group in groups}
    return {
        **errors(done),
        "sources": list(sources(own)),
        "groups": {group: errors(rows) for group, rows in of_group.items() if rows.any()},
        "baselines": {
            name: _nothing(reasons[name]) if name in reasons else metrics(observed[done], columns[name][done])
            for name in BASELINES
        },
    }


def _from_others(
    own: pl.DataFrame, others: pl.DataFrame, machine: Machine, model: EnergyModel
) -> dict[str, Any]:
    if others.height == 0:
        return _nothing("there is one machine only, no other to predict it from")
    model.fit(others)
    predictions = [
        model.predict_interval(own.with_columns(pl.lit(name).alias("machine"))) for name in model.machines_
    ]
    middle = np.mean([np.log(p.energy_j) for p in predictions], axis=0)
    # Nothing is known of an unseen machine but that it is one: a factor of ten either way.
    half = np.hypot(np.mean([np.log(p.upper_j / p.energy_j) for p in predictions], axis=0), np.log(10.0))
    observed = energies(own).to_numpy()
    errors = metrics(observed, np.exp(middle), np.exp(middle - half), np.exp(middle + half))
    baselines = {}
    for name in BASELINES:
        predicted = baseline(name, others, own, machine)
        baselines[name] = _nothing(predicted) if isinstance(predicted, str) else metrics(observed, predicted)
    return {
        **errors,
        "sources": list(sources(own)),
        "groups": {machine.name: errors},
        "baselines": baselines,
    }


def metrics(
    observed: Vector, predicted: Vector, lower: Vector | None = None, upper: Vector | None = None
) -> dict[str, Any]:
    """Errors of predictions, as fractions: see `evaluate`.

    >>> metrics(np.array([1.0, 2.0]), np.array([1.1, 2.2]))["mape"]
    0.10000000000000009
    """
    ratio = predicted / observed
    inside = None if lower is None or upper is None else (lower <= observed) & (observed <= upper)
    return {
        "mape": float(np.abs(ratio - 1).mean()),
        "median_ape": float(np.median(np.abs(ratio - 1))),
        "log_sd": float(np.log(ratio).std(ddof=1)) if len(ratio) > 1 else None,
        "bias": float(np.expm1(np.log(ratio).mean())),
        "coverage_95": None if inside is None else float(inside.mean()),
        "n": len(ratio),
    }


def _nothing(reason: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(("mape", "median_ape", "log_sd", "bias", "coverage_95")),
        "n": 0,
        "reason": reason,
    }


def _deal(labels: pl.Series, groups: list[str], seed: int) -> NDArray[np.intp]:
    """The fold of each row: one a group, up to `MOST_FOLDS`."""
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    fold_of = {group: k % MOST_FOLDS for group, k in zip(groups, order, strict=True)}
    return np.array([fold_of[label] for label in labels.to_list()], dtype=np.intp)
