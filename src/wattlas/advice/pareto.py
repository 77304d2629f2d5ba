"""The Pareto front of loss against energy, of designs that may be stopped after any epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from wattlas.advice.curves import Experiment
from wattlas.advice.scatter import Scatter, scatter_by_level

Floats = NDArray[np.float64]
N_LEVELS = 200
# A design is compared, at each level, with this many of the cheapest there. Fewer rivals can only keep
# a design that more would have dropped.
N_RIVALS = 32


@dataclass(frozen=True)
class FrontDesign:
    """A design on the front: from `loss_from` down to `loss` no other is cheaper with 95 % probability.

    `p_dominated` is the largest probability that one other design reaches `loss` for less energy.
    """

    index: int
    loss: float
    loss_from: float
    p_dominated: float


@dataclass(frozen=True)
class Front:
    """Designs on the front, lowest loss last, and the least energy (J) that reaches each loss level."""

    designs: tuple[FrontDesign, ...]
    loss: Floats
    energy_j: Floats


def pareto_front(
    experiments: Sequence[Experiment],
    scatter: Scatter,
    probability: float = 0.95,
    n_levels: int = N_LEVELS,
) -> Front:
    """The front over `n_levels` losses, equally spaced in log loss, that the designs reach.

    u² is the pooled scatter at the level over the number of runs, and of the instrument what designs do not share.
    Design i is dropped at a level where, for some j, Φ((log E_i − log E_j) / √(u_i² + u_j²)) ≥ `probability`.
    Where an uncertainty is not known (NaN), nothing is dropped by it.
    """
    if not experiments:
        return Front((), np.empty(0), np.empty(0))
    lowest = min(float(e.median.log_loss[-1]) for e in experiments)
    highest = max(float(e.median.log_loss[0]) for e in experiments)
    ends = np.array([float(e.median.log_loss[-1]) for e in experiments])
    levels = np.unique(np.concatenate([np.linspace(lowest, highest, n_levels), [lowest]]))[::-1]
    energy = np.stack([e.median.log_energies(levels) for e in experiments])
    own = np.array([e.u_own**2 for e in experiments])
    n_runs = np.array([len(e.repetitions) for e in experiments])
    variance = scatter_by_level(experiments, levels, scatter)[None, :] ** 2 / n_runs[:, None] + own[:, None]
    rivals = np.argsort(energy, axis=0)[: min(N_RIVALS, len(experiments))]
    p_dominated = np.zeros_like(energy)
    for order in rivals:
        rival_energy = np.take_along_axis(energy, order[None, :], axis=0)[0]
        spread = np.sqrt(variance + np.take_along_axis(variance, order[None, :], axis=0))
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (energy - rival_energy[None, :]) / spread
        p = np.where(np.isfinite(z), norm.cdf(z), np.where(z > 0, 1.0, 0.0))
        same = np.arange(len(experiments))[:, None] == order[None, :]
        p_dominated = np.maximum(p_dominated, np.where(same | ~np.isfinite(rival_energy)[None, :], 0.0, p))
    alive = np.isfinite(energy) & (p_dominated < probability)
    found = []
    for i in range(len(experiments)):
        at = np.flatnonzero(alive[i])
        if not len(at):
            continue
        last = int(at[-1])
        # A design's best loss lies between two levels: where it is alive to its end, say its best.
        reaches_end = last + 1 == len(levels) or not np.isfinite(energy[i, last + 1])
        loss = float(np.exp(ends[i] if reaches_end else levels[last]))
        found.append(FrontDesign(i, loss, float(np.exp(levels[at[0]])), float(p_dominated[i, last])))
    cheapest = np.exp(energy.min(axis=0))
    order_of_loss = sorted(found, key=lambda d: (-d.loss, d.p_dominated))
    return Front(tuple(order_of_loss), np.exp(levels), cheapest)
