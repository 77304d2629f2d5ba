"""The Pareto front of loss against energy, of designs that may be stopped after any epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.advice.curves import Curve


@dataclass(frozen=True)
class Front:
    """Points that no other beats in loss without more energy, by rising energy and falling loss.

    `curve` and `k` say which epoch of which curve a point is.
    """

    curve: NDArray[np.intp]
    k: NDArray[np.intp]
    loss: NDArray[np.float64]
    energy_j: NDArray[np.float64]

    def ends(self) -> list[tuple[int, int]]:
        """(curve, k) of each curve's last point on the front, the one of its lowest loss, by falling loss."""
        ends = dict.fromkeys(reversed([int(c) for c in self.curve]))
        last = {int(c): int(k) for c, k in zip(self.curve, self.k, strict=True)}
        return [(c, last[c]) for c in reversed(ends)]


def pareto_front(curves: Sequence[Curve], max_energy_j: float | None = None) -> Front:
    """The front over all epochs of all curves, up to an energy.

    A point is on it if every other point of as little energy or less has a higher loss.
    """
    steps = [curve.improvements() for curve in curves]
    which = np.repeat(np.arange(len(curves)), [len(s) for s in steps])
    k = np.concatenate([np.empty(0, dtype=np.intp), *steps])

    def gather(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        chosen = [each[step] for each, step in zip(values, steps, strict=True)]
        result: NDArray[np.float64] = np.exp(np.concatenate([np.empty(0), *chosen]))
        return result

    # Compared as they are given out: two that are equal to a reader are equal here.
    loss, energy_j = gather([c.log_loss for c in curves]), gather([c.log_energy for c in curves])
    order = np.lexsort((loss, energy_j))
    if max_energy_j is not None:
        order = order[energy_j[order] <= max_energy_j]
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], loss[order]]))[:-1]
    front = order[loss[order] < best_before]
    return Front(which[front], k[front], loss[front], energy_j[front])
