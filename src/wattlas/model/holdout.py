"""Grouped cross-validation inside a fit: the error on held-out networks, and which law errs least."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import ModelError
from wattlas.model.features import Vector, features
from wattlas.model.fit import Fit, Prior, fit_law, start_at
from wattlas.model.law import Law, columns
from wattlas.model.targets import Points

# Held-out errors are estimated on at most this many points, in this many folds.
MOST_POINTS = 600
FOLDS = 5
# Families are left out one at a time, or in at most this many folds: an effect that two of a dozen families
# show can only be told where one of them is left in.
MOST_FOLDS = 10
# Two-sided 95 % of a normal variable.
NORMAL_95 = 1.96
LEFT_OUT = (
    "tenths of the families (dataset, shape, depth), or fifths of the sizes where there are few families"
)


def families(points: pl.DataFrame) -> NDArray[np.intp]:
    """Group of each point: its (dataset, shape, depth), or its fifth of the sizes where those are too few."""
    keys = [name for name in ("dataset", "shape", "depth") if name in points.columns]
    if keys:
        labels = points.select(pl.struct(keys).rank("dense").cast(pl.Int64)).to_series().to_numpy()
        if len(np.unique(labels)) >= FOLDS:
            return labels.astype(np.intp)
    size = features(points).n_parameters
    order = np.argsort(np.argsort(size, kind="stable"), kind="stable")
    return (order * FOLDS // len(order)).astype(np.intp)


class Holdout:
    """Folds of whole groups of some points; every law is asked about the same ones."""

    def __init__(self, points: pl.DataFrame, log_energy: Vector, seed: int) -> None:
        random = np.random.default_rng(seed)
        rows = np.arange(len(log_energy))
        if len(rows) > MOST_POINTS:
            rows = np.sort(random.choice(rows, MOST_POINTS, replace=False))
        groups = families(points)[rows]
        self._features = features(points).take(rows)
        self._log_energy = log_energy[rows]
        names = random.permutation(np.unique(groups))
        fold_of = dict(zip(names.tolist(), np.arange(len(names)) % MOST_FOLDS, strict=True))
        self.folds = np.array([fold_of[g] for g in groups.tolist()], dtype=np.intp)

    def residuals(self, law: Law, prior: Prior, seed: int, near: Fit | None = None) -> Vector:
        """ln predicted − ln observed of each point, by a fit without its fold; NaN if too few are left.

        Fits start at the coefficients that `near` has, of a law of some of the same ones: they are closer.
        """
        x0 = None if near is None else start_at(law, prior, near)
        target = Points(columns(law, self._features), self._log_energy)
        result = np.full(len(target), np.nan)
        for fold in np.unique(self.folds):
            held = self.folds == fold
            if (~held).sum() >= 2:
                x = fit_law(law, [target.take(~held)], prior, starts=1, seed=seed, x0=x0).x
                result[held] = target.take(held).predict(law, x)[0] - target.log_energy[held]
        if not np.isfinite(result).any():
            raise ModelError("no point could be held out; give points of at least two networks")
        return result

    def fit(self, law: Law, prior: Prior, seed: int) -> Fit:
        """The law fitted to all of these points."""
        return fit_law(law, [Points(columns(law, self._features), self._log_energy)], prior, seed=seed)

    def prefers(self, more: Vector, fewer: Vector) -> bool:
        """Whether the residuals `more`, of a law with more coefficients, beat `fewer` beyond chance.

        They must be smaller by more than 2 % on average, and by more than the standard error over folds.
        """
        gain = np.abs(fewer) - np.abs(more)
        by_fold = np.array([np.nanmean(gain[self.folds == k]) for k in np.unique(self.folds)])
        if len(by_fold) < 3 or not np.isfinite(by_fold).all():
            return False
        error = by_fold.std(ddof=1) / np.sqrt(len(by_fold))
        return bool(by_fold.mean() > max(float(error), 0.02 * float(np.nanmean(np.abs(fewer)))))


def spread_95(residual: Vector) -> float:
    """Standard deviation for intervals: the larger of root mean square and 95 % quantile over 1.96."""
    known = residual[np.isfinite(residual)]
    quantile = float(np.quantile(np.abs(known), 0.95)) / NORMAL_95
    return max(float(np.sqrt(np.mean(known**2))), quantile, 1e-3)


def summary(residual: Vector) -> dict[str, Any]:
    """Errors of held-out points as a model file gives them; fractions."""
    known = residual[np.isfinite(residual)]
    ape = np.abs(np.expm1(known))
    return {
        "left_out": LEFT_OUT,
        "n": len(known),
        "mape": float(ape.mean()),
        "median_ape": float(np.median(ape)),
        "bias": float(np.expm1(np.mean(known))),
    }
