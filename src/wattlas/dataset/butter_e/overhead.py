"""Time and energy of a run's start-up: what is left of small networks' runs when no step is trained.

The published overhead is a low quantile of the smallest runs, with the 3,000 epochs that those train. Ours is
the intercept of

    y = y0 + (training steps + test batches / 3) (a + b depth)

over the runs of small networks of every dataset (a forward pass is a third of a step), for y the run time
and the standardised energy, weighted by what scatters: a constant part and one in proportion to the trained
part (iterated twice, robustly).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FEWEST = 20
_ROUNDS = 8
_HUBER = 2.0


@dataclass(frozen=True)
class Overhead:
    """Of one kind of node.

    Attributes:
        run_time_s, energy_j: the intercepts.
        u_run_time_s, u_energy_j: their standard uncertainties.
        scatter_j: how much the energy of a run's start-up differs from run to run.
        n_runs: that tell.
        origin: the fit, or what stands for it where there are too few runs for one.
    """

    run_time_s: float
    u_run_time_s: float
    energy_j: float
    u_energy_j: float
    scatter_j: float
    n_runs: int
    origin: str = "intercept"


def fit_overhead(run_time_s: Floats, energy_j: Floats, steps: Floats, depth: Floats) -> Overhead | None:
    """The start-up of the runs of small networks, each [n]; None if there are fewer than 20."""
    if len(steps) < _FEWEST or len(np.unique(steps)) < 2:
        return None
    time_s, u_time_s, _ = _intercept(run_time_s, steps, depth)
    start_j, u_start_j, scatter_j = _intercept(energy_j, steps, depth)
    if not (0 < time_s < np.inf and 0 < start_j < np.inf):
        return None
    return Overhead(time_s, u_time_s, start_j, u_start_j, scatter_j, len(steps))


def _intercept(y: Floats, steps: Floats, depth: Floats) -> tuple[float, float, float]:
    columns = np.column_stack((np.ones(len(y)), steps, steps * depth))
    columns = columns / np.abs(columns).max(axis=0)
    # First all alike in proportion; then by the scatter that the fit shows.
    sd = np.maximum(y, 1e-9)
    for _ in range(_ROUNDS):
        weighted = columns / sd[:, None]
        inverse = np.linalg.pinv(weighted.T @ weighted)
        coefficients = inverse @ (weighted.T @ (y / sd))
        fitted = columns @ coefficients
        trained = np.maximum(np.abs(fitted - coefficients[0]), 1e-9)
        away = np.abs(y - fitted)
        # Scatter in proportion to training, and that of the start itself where little was trained.
        share = 1.4826 * np.median(away / trained) if len(y) else 0.0
        short = trained <= np.quantile(trained, 0.3)
        constant = 1.4826 * np.median(away[short])
        base = np.hypot(share * trained, constant) + 1e-12
        sd = base * np.sqrt(np.maximum(1.0, away / base / _HUBER))
    freedom = max(1, len(y) - columns.shape[1])
    chi2 = float(np.sum(np.square((y - fitted) / sd)) / freedom)
    return float(coefficients[0]), float(np.sqrt(inverse[0, 0] * chi2)), float(constant)
