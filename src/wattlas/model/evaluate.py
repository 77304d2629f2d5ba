"""Errors of the energy model and of baselines on held-out groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import UsageError
from wattlas.hardware.machine import Machine
from wattlas.model.baselines import BASELINES, baseline
from wattlas.model.features import Vector
from wattlas.model.points import check_points, check_sources, energies, resolve_machines, sources
from wattlas.model.train import LEAST_POINTS, fit_model

GROUPS = ("dataset", "shape", "depth", "size", "machine")
# Groups are dealt into at most this many folds.
MOST_FOLDS = 20


def evaluate(
    points: pl.DataFrame,
    group_by: str,
    machines: Mapping[str, Machine] | None = None,
    allow: Sequence[str] = (),
    baselines: Sequence[str] = BASELINES,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Errors per machine when whole groups of `group_by` are left out of the fit.

    Each machine has `mape`, `median_ape`, `log_sd`, `bias` (geometric mean of predicted / observed, less 1),
    `coverage_95` and `n`, the errors of each group under `groups`, and those of each baseline under
    `baselines`. A machine with one group has n = 0 and a `reason`. By machine: each machine is predicted by the
    models of the others, the geometric mean of them.

    Raises:
        UsageError: no such column, energies of a source that was not asked for, or an unknown machine.
    """
    points = check_points(points)
    check_sources(points, allow)
    energies(points)
    if group_by not in points.columns:
        raise UsageError(
            f"the points have no column {group_by!r}; group by one of "
            f"{', '.join(n for n in GROUPS if n in points.columns)}"
        )
    known = resolve_machines(points, dict(machines or {}))
    if group_by == "machine":
        return _by_machine(points, known, allow, seed)
    result = {}
    for name in points["machine"].cast(pl.String).unique().sort():
        own = points.filter(pl.col("machine") == name)
        result[name] = _one_machine(own, known[name], group_by, allow, baselines, seed)
    return result


def _one_machine(
    own: pl.DataFrame,
    machine: Machine,
    group_by: str,
    allow: Sequence[str],
    baselines: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    labels = own[group_by].cast(pl.String)
    groups = labels.unique().sort().to_list()
    if len(groups) < 2 or own.height < 2 * LEAST_POINTS:
        reason = f"{own.height} points in {len(groups)} group(s) of {group_by}: nothing is left to fit"
        return {**_nothing(), "reason": reason}
    observed = energies(own).to_numpy()
    folds = _deal(labels, groups, seed)
    columns = {k: np.full(own.height, np.nan) for k in ("model", "lower", "upper", *baselines)}
    reasons: dict[str, str] = {}
    machine_name = own["machine"].cast(pl.String)[0]
    for fold in np.unique(folds):
        held = folds == fold
        train, test = own.filter(~held), own.filter(held)
        if train.height < LEAST_POINTS:
            continue
        model = fit_model(train, {machine_name: machine}, allow, seed=seed)
        columns["model"][held], columns["lower"][held], columns["upper"][held], _ = model.predict(test)
        for name in baselines:
            predicted = baseline(name, train, test, machine)
            if isinstance(predicted, str):
                reasons[name] = predicted
            else:
                columns[name][held] = predicted
    done = np.isfinite(columns["model"])
    if not done.any():
        return {**_nothing(), "reason": f"no group of {group_by} leaves {LEAST_POINTS} points to fit"}
    result = metrics(observed[done], columns["model"][done], columns["lower"][done], columns["upper"][done])
    result["sources"] = list(sources(own))
    result["groups"] = {}
    for group in groups:
        rows = (labels == group).to_numpy() & done
        if rows.any():
            result["groups"][group] = metrics(
                observed[rows], columns["model"][rows], columns["lower"][rows], columns["upper"][rows]
            )
    result["baselines"] = {
        name: {**_nothing(), "reason": reasons[name]}
        if name in reasons
        else metrics(observed[done], columns[name][done])
        for name in baselines
    }
    return result


def _by_machine(
    points: pl.DataFrame, known: Mapping[str, Machine], allow: Sequence[str], seed: int
) -> dict[str, dict[str, Any]]:
    model = fit_model(points, known, allow, seed=seed)
    result: dict[str, dict[str, Any]] = {}
    for name in model.machines:
        own = points.filter(pl.col("machine") == name)
        others = [each for each in model.machines if each != name]
        if not others:
            result[name] = {**_nothing(), "reason": "there is no other machine to predict it from"}
            continue
        logs, spread = [], []
        for other in others:
            asked = own.with_columns(pl.lit(other).alias("machine"))
            energy, lower, upper, _ = model.predict(asked)
            logs.append(np.log(energy))
            spread.append(np.log(upper / lower) / 2)
        middle = np.mean(logs, axis=0)
        # Nothing is known of an unseen machine but that it is one: a factor of ten either way.
        half = np.hypot(np.mean(spread, axis=0), np.log(10.0))
        result[name] = metrics(
            energies(own).to_numpy(), np.exp(middle), np.exp(middle - half), np.exp(middle + half)
        )
    return result


def metrics(
    observed: Vector, predicted: Vector, lower: Vector | None = None, upper: Vector | None = None
) -> dict[str, Any]:
    """Errors of predictions: see `evaluate`. Percentages are fractions."""
    ratio = predicted / observed
    ape = np.abs(ratio - 1)
    inside = (
        None if lower is None or upper is None else float(((lower <= observed) & (observed <= upper)).mean())
    )
    return {
        "mape": float(ape.mean()),
        "median_ape": float(np.median(ape)),
        "log_sd": float(np.log(ratio).std(ddof=1)) if len(ratio) > 1 else None,
        "bias": float(np.expm1(np.log(ratio).mean())),
        "coverage_95": inside,
        "n": len(ratio),
    }


def _nothing() -> dict[str, Any]:
    return {**dict.fromkeys(("mape", "median_ape", "log_sd", "bias", "coverage_95")), "n": 0}


def _deal(labels: pl.Series, groups: list[str], seed: int) -> NDArray[np.intp]:
    """The fold of each row: one a group, up to `MOST_FOLDS`."""
    order = np.random.default_rng(seed).permutation(len(groups))
    fold_of = {group: int(k) % MOST_FOLDS for group, k in zip(groups, order, strict=True)}
    return np.array([fold_of[label] for label in labels.to_list()], dtype=np.intp)
