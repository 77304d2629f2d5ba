"""Fit a law: robust on relative error, weak priors on log coefficients, several starts.

Minimised over the log coefficients x:

    Σ_i ρ(((ln predicted_i − ln observed_i) / σ)²) + Σ_k ((x_k − m_k) / s_k)²

with ρ the soft L1 loss, 2 (√(1 + z²) − 1), and σ from the residuals of a first pass. The priors hold what the
data leave open: no cost can exceed the energy that it is a part of, so each has a largest possible value, and
its prior sits at a share of that (`PRIOR_SHARES`), so wide (s = 3, a factor of twenty) that a few informative
points overrule it. Priors follow the energies: all of them × k gives all costs × k.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares

from wattlas.core.errors import ModelError
from wattlas.model.features import Vector
from wattlas.model.law import Columns, Law
from wattlas.model.targets import Medians, Points, Target

PRIOR_SD = 3.0
# Median share of a typical energy, by coefficient: what is there on any machine has a large one; what would
# have to show itself a small one, so that a table that cannot tell does not extrapolate from noise.
PRIOR_SHARES = {
    "step": 0.5,
    "device_step": 0.3,
    "flop": 0.1,
    "layer": 0.03,
    "sync": 0.03,
    "parameter_byte": 0.03,
    "activation_byte": 0.01,
    "input_byte": 1e-3,
    "epoch": 1e-3,
}
BEYOND_SHARE = 0.01
# Where the scale does not follow from energies: median and log standard deviation.
SHAPE_PRIORS = {"sync_half": (2000.0, 1.5), "overlap": (4.0, 0.7), "test_share": (0.4, 0.7)}
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
    """A fitted law: log coefficients, their covariance, and the prior they were fitted with."""

    law: Law
    x: Vector
    covariance: NDArray[np.float64]
    prior: Prior


def fit_law(
    law: Law,
    targets: Sequence[Target],
    prior: Prior | None = None,
    starts: int = 4,
    seed: int = 0,
    x0: Vector | None = None,
    least_sigma: float = LEAST_SIGMA,
) -> Fit:
    """Fit the free coefficients of `law` to `targets` together, from `x0` (or the prior) and random starts.

    Where there are hardly more points than coefficients, residuals say little of σ: `least_sigma` holds it.

    Raises:
        ModelError: no target, or no start came to a finite fit.
    """
    targets = [t for t in targets if len(t)]
    if not targets:
        raise ModelError("there is nothing to fit; give at least one point with an energy")
    prior = default_prior(law, targets) if prior is None else prior
    random = np.random.default_rng(seed)
    sigma = [FIRST_SIGMA] * len(targets)
    few = [_thin(t, random) for t in targets]
    tried = []
    for start in range(max(1, starts)):
        away = np.minimum(prior.sd, 1.0) * random.normal(size=len(prior.mean)) if start else 0.0
        x, cost = _minimise(law, few, sigma, prior, (prior.mean if x0 is None else x0) + away)
        if np.isfinite(cost):
            tried.append((cost, start, x))
    if not tried:
        raise ModelError("the fit found no finite energies; check the points' energies and widths")
    x = min(tried)[2]
    for _ in range(2):
        sigma = [_spread(t, law, x, least_sigma) for t in targets]
        x, _ = _minimise(law, targets, sigma, prior, x)
    sigma = [_spread(t, law, x, least_sigma) for t in targets]
    return Fit(law, x, _covariance(law, targets, sigma, prior, x), prior)


def start_at(law: Law, prior: Prior, near: Fit) -> Vector:
    """Log coefficients to start at: those of a fit of some of the same ones, the prior's for the others."""
    known = dict(zip(near.law.free, near.x, strict=True))
    return np.array([known.get(name, mean) for name, mean in zip(law.free, prior.mean, strict=True)])


def default_prior(law: Law, targets: Sequence[Target]) -> Prior:
    """Priors that the energies' own scale gives (see the module)."""
    largest: dict[str, float] = {}
    for t in targets:
        rows = np.array([g[len(g) // 2] for g in t.groups]) if isinstance(t, Medians) else np.arange(len(t))
        for name, value in _largest(law, t.columns.take(rows), np.exp(t.log_energy)).items():
            largest[name] = min(value, largest.get(name, np.inf))
    mean, sd = np.empty(len(law.free)), np.empty(len(law.free))
    for k, name in enumerate(law.free):
        if name in SHAPE_PRIORS:
            centre, sd[k] = SHAPE_PRIORS[name]
            mean[k] = np.log(centre - 1.0 if name == "overlap" else centre)
        else:
            mean[k], sd[k] = np.log(PRIOR_SHARES.get(name, BEYOND_SHARE) * largest[name]), PRIOR_SD
    return Prior(mean, sd)


def _largest(law: Law, c: Columns, energy: Vector) -> dict[str, float]:
    """The value of each cost at which it alone would make up an energy of the lower tail."""
    f, result = c.features, {}
    counts = {
        "step": np.ones(len(f)),
        "layer": f.depth,
        "sync": f.depth,
        "epoch": 1 / f.train_batches,
        "input_byte": f.input_bytes,
    }
    counts |= {n: a + f.test_batches / f.train_batches * b for n, (a, b) in c.device.items()}
    for name in law.free:
        if name in counts:
            # Rows of which next to nothing spills say nothing of the cost of spilling; a row always counts.
            count = np.maximum(counts[name], 1e-3 * counts[name].max() + 1e-30)
            result[name] = float(np.quantile(energy * f.batch_size / count, 0.05))
    return result


def _minimise(
    law: Law, targets: Sequence[Target], sigma: Sequence[float], prior: Prior, x0: Vector
) -> tuple[Vector, float]:
    """The minimum near `x0` by damped Gauss-Newton steps, and its cost."""

    def stacked(x: Vector) -> tuple[Vector, NDArray[np.float64]]:
        residuals, slopes = [(x - prior.mean) / prior.sd], [np.diag(1 / prior.sd)]
        for t, s in zip(targets, sigma, strict=True):
            predicted, gradient = t.predict(law, x)
            # Soft L1 as r(z) with r² = ρ(z²), and its derivative, instead of SciPy's `loss`, which would also
            # bend the prior.
            z = (predicted - t.log_energy) / s
            root = np.sqrt(1 + z**2)
            derivative = np.sqrt((root + 1) / 2) / root
            residuals.append(z * np.sqrt(2 / (root + 1)))
            slopes.append(gradient * (derivative / s)[:, None])
        return _condensed(np.concatenate(residuals), np.concatenate(slopes))

    # `least_squares` asks for the residuals of a point and then for the slopes there.
    last: dict[bytes, tuple[Vector, NDArray[np.float64]]] = {}

    def at(x: Vector) -> tuple[Vector, NDArray[np.float64]]:
        key = x.tobytes()
        if key not in last:
            last.clear()
            last[key] = stacked(x)
        return last[key]

    lower, upper = prior.mean - 12 * prior.sd, prior.mean + 5 * prior.sd
    found = least_squares(
        lambda x: at(x)[0],
        np.clip(x0, lower, upper),
        jac=lambda x: at(x)[1],
        bounds=(lower, upper),
        max_nfev=60,
        xtol=1e-5,
        ftol=1e-7,
    )
    return found.x, float(found.cost)


def _condensed(residuals: Vector, slopes: NDArray[np.float64]) -> tuple[Vector, NDArray[np.float64]]:
    """As many rows as coefficients, and one, with the same cost, gradient and normal equations.

    With R the Cholesky factor of slopesᵀ slopes, R⁻ᵀ slopesᵀ residuals has the gradient; the last row holds
    what is left of the cost. SciPy would factor the tall matrix at every step, on all threads.
    """
    factor = np.linalg.cholesky(slopes.T @ slopes)
    short = solve_triangular(factor, slopes.T @ residuals, lower=True)
    rest = np.sqrt(max(float(residuals @ residuals - short @ short), 0.0))
    return np.append(short, rest), np.vstack([factor.T, np.zeros(len(short))])


def _spread(target: Target, law: Law, x: Vector, least: float) -> float:
    """Robust standard deviation of a target's log residuals."""
    residual = np.abs(target.predict(law, x)[0] - target.log_energy)
    freedom = max(len(residual) - len(law.free) / 2, 1.0) / len(residual)
    return max(float(1.4826 * np.median(residual) / np.sqrt(freedom)), least)


def _covariance(
    law: Law, targets: Sequence[Target], sigma: Sequence[float], prior: Prior, x: Vector
) -> NDArray[np.float64]:
    information = np.diag(prior.sd**-2.0)
    for t, s in zip(targets, sigma, strict=True):
        slopes = t.predict(law, x)[1] / s
        information += slopes.T @ slopes
    return np.asarray(np.linalg.inv(information), dtype=np.float64)


def _thin(target: Target, random: np.random.Generator) -> Target:
    if isinstance(target, Points) and len(target) > START_POINTS:
        return target.take(np.sort(random.choice(len(target), START_POINTS, replace=False)))
    return target
