"""Fit a law: robust on relative error, weak priors on log coefficients, several starts.

Minimised over x, the log coefficients:  Σ_i ρ(((ln predicted_i − ln observed_i) / σ)²) + Σ_k ((x_k − m_k) / s_k)²,
ρ the soft L1 loss of SciPy. σ is estimated from the residuals of a first pass. The priors only hold what the data
leave open: no coefficient can exceed the energy it is a part of, so each has a largest possible value, and its prior
sits at a share of that, wide enough (s = 3, a factor of twenty) to vanish beside a few informative points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from wattlas.core.errors import ModelError
from wattlas.model.features import Vector
from wattlas.model.law import DEVICE, HOST, Columns, Law
from wattlas.model.targets import Medians, Points, Target

PRIOR_SD = 3.0
# Median share of a typical energy, by coefficient: what is there on any machine has a large one, what would have to
# show itself (bytes moved, inputs copied) a small one, so that a table that cannot tell (all its networks of one
# dataset, say) does not extrapolate from noise.
PRIOR_SHARES = {
    "step": 0.5,
    "device_step": 0.3,
    "layer": 0.03,
    "sync": 0.03,
    "flop": 0.1,
    "parameter_byte": 0.03,
    "activation_byte": 0.01,
    "input_byte": 1e-3,
    "epoch": 1e-3,
}
BEYOND_SHARE = 0.01
# Where the scale of a coefficient does not follow from energies: median and log standard deviation.
SHAPE_PRIORS = {"sync_half": (2000.0, 1.5), "overlap": (4.0, 0.7), "test_share": (0.4, 0.5)}
FIRST_SIGMA = 0.05
LEAST_SIGMA = 0.005
# Starts are compared on at most this many points; the best goes on with all of them.
START_POINTS = 1000


@dataclass(frozen=True)
class Prior:
    """Normal priors of the log coefficients of a law."""

    mean: Vector
    sd: Vector


@dataclass(frozen=True)
class Fit:
    """A fitted law: log coefficients, their covariance, and residual standard deviations of each target."""

    law: Law
    x: Vector
    covariance: NDArray[np.float64]
    sigma: tuple[float, ...]
    prior: Prior

    @property
    def values(self) -> dict[str, float]:
        """Coefficients by name."""
        return self.law.values(self.x)


def fit_law(
    law: Law, targets: Sequence[Target], prior: Prior | None = None, starts: int = 4, seed: int = 0
) -> Fit:
    """Fit the free coefficients of `law` to `targets` together.

    Raises:
        ModelError: no target, or no start converged to a finite fit.
    """
    targets = [t for t in targets if len(t)]
    if not targets:
        raise ModelError("there is nothing to fit; give at least one point with an energy")
    prior = default_prior(law, targets) if prior is None else prior
    random = np.random.default_rng(seed)
    first = [FIRST_SIGMA] * len(targets)
    few = [_thin(t, random) for t in targets]
    best: tuple[float, Vector] | None = None
    for start in range(max(1, starts)):
        x0 = prior.mean + (0.0 if start == 0 else 1.0) * np.minimum(prior.sd, 1.0) * random.normal(
            size=len(prior.mean)
        )
        x, cost = _minimise(law, few, first, prior, x0, 60)
        if np.isfinite(cost) and (best is None or cost < best[0]):
            best = (cost, x)
    if best is None:
        raise ModelError("the fit found no finite energies; check the points' energies and widths")
    x, sigma = best[1], first
    for _ in range(2):
        sigma = [_spread(t, law, x) for t in targets]
        x, _cost = _minimise(law, targets, sigma, prior, x, 40)
    sigma = [_spread(t, law, x) for t in targets]
    return Fit(law, x, _covariance(law, targets, sigma, prior, x), tuple(sigma), prior)


def default_prior(law: Law, targets: Sequence[Target]) -> Prior:
    """Priors that the energies' own scale gives (see the module)."""
    points = [t for t in targets if isinstance(t, Points)]
    largest = _largest(law, [(t.columns, np.exp(t.log_energy)) for t in points])
    for t in targets:
        if isinstance(t, Medians):
            rows = np.array([g[len(g) // 2] for g in t.groups])
            other = _largest(law, [(t.columns.take(rows), np.exp(t.log_energy))])
            largest = {n: min(largest.get(n, np.inf), v) for n, v in other.items()}
    mean, sd = np.empty(len(law.free)), np.empty(len(law.free))
    for k, name in enumerate(law.free):
        if name in SHAPE_PRIORS:
            centre, sd[k] = SHAPE_PRIORS[name]
            mean[k] = np.log(centre - 1.0 if name == "overlap" else centre)
        else:
            share = PRIOR_SHARES.get(name, BEYOND_SHARE)
            mean[k], sd[k] = np.log(share * largest[name]), PRIOR_SD
    return Prior(mean, sd)


def _largest(law: Law, data: Sequence[tuple[Columns, Vector]]) -> dict[str, float]:
    """The value of each coefficient at which it alone would make up a lower-tail energy."""
    result: dict[str, float] = {}
    for c, energy in data:
        f = c.features
        per_step = energy * f.batch_size
        counts: dict[str, Vector] = {
            "step": np.ones(len(f)),
            "layer": f.depth,
            "sync": f.depth,
            "epoch": 1 / f.train_batches,
            "input_byte": f.input_bytes,
        }
        counts |= {n: a + f.test_ratio * b for n, (a, b) in c.device.items()}
        for name in law.free:
            if name in counts:
                seen = counts[name] > 1e-6 * max(float(counts[name].max()), 1e-300)
                bound = float(np.quantile(per_step[seen] / counts[name][seen], 0.05)) if seen.any() else 1e-12
                result[name] = min(result.get(name, np.inf), bound)
    return result


def _minimise(
    law: Law, targets: Sequence[Target], sigma: Sequence[float], prior: Prior, x0: Vector, steps: int
) -> tuple[Vector, float]:
    """The minimum near `x0` by reweighted Gauss-Newton steps with damping, and its cost."""

    def stacked(x: Vector) -> tuple[Vector, NDArray[np.float64]]:
        residuals, slopes = [], []
        for t, s in zip(targets, sigma, strict=True):
            predicted, gradient = t.predict(law, x)
            # Soft L1 as weights on residual and slope keeps the prior quadratic.
            z = (predicted - t.log_energy) / s
            robust = np.sign(z) * np.sqrt(2 * (np.sqrt(1 + z**2) - 1))
            weight = np.where(np.abs(z) > 1e-8, z / np.sqrt(1 + z**2) / np.where(robust == 0, 1, robust), 1.0)
            residuals.append(robust)
            slopes.append(gradient * (weight / s)[:, None])
        residuals.append((x - prior.mean) / prior.sd)
        slopes.append(np.diag(1 / prior.sd))
        return np.concatenate(residuals), np.concatenate(slopes)

    cache: dict[bytes, tuple[Vector, NDArray[np.float64]]] = {}

    def at(x: Vector) -> tuple[Vector, NDArray[np.float64]]:
        key = x.tobytes()
        if key not in cache:
            cache.clear()
            cache[key] = stacked(x)
        return cache[key]

    lower, upper = prior.mean - 12 * prior.sd, prior.mean + 5 * prior.sd
    found = least_squares(
        lambda x: at(x)[0],
        np.clip(x0, lower, upper),
        jac=lambda x: at(x)[1],
        bounds=(lower, upper),
        max_nfev=steps,
        xtol=1e-5,
        ftol=1e-7,
        x_scale=1.0,
    )
    return found.x, float(found.cost)


def _spread(target: Target, law: Law, x: Vector) -> float:
    """Robust standard deviation of a target's log residuals."""
    residual = target.predict(law, x)[0] - target.log_energy
    freedom = max(len(residual) - len(law.free) / 2, 1.0) / len(residual)
    return max(float(1.4826 * np.median(np.abs(residual)) / np.sqrt(freedom)), LEAST_SIGMA)


def _covariance(
    law: Law, targets: Sequence[Target], sigma: Sequence[float], prior: Prior, x: Vector
) -> NDArray[np.float64]:
    information = np.diag(prior.sd**-2.0)
    for t, s in zip(targets, sigma, strict=True):
        slopes = t.predict(law, x)[1] / s
        information += slopes.T @ slopes
    covariance: NDArray[np.float64] = np.linalg.inv(information)
    return covariance


def _thin(target: Target, random: np.random.Generator) -> Target:
    if isinstance(target, Points) and len(target) > START_POINTS:
        return target.take(np.sort(random.choice(len(target), START_POINTS, replace=False)))
    return target


def fixed_law(law: Law, values: Mapping[str, float]) -> Law:
    """`law` with the named coefficients set instead of fitted."""
    return replace(law, free=tuple(n for n in law.free if n not in values), fixed={**law.fixed, **values})


__all__ = ["DEVICE", "HOST", "Fit", "Prior", "default_prior", "fit_law", "fixed_law"]
