"""D-optimal design: the runs with the largest determinant of the information about a law's coefficients.

A run of network i adds g_i g_iᵀ / σ² to the information about the log coefficients, with g_i the slope of its
log energy and σ the model's error. Slopes depend on the coefficients, which are not known yet: the mean log
determinant over draws from the prior counts (Chaloner and Verdinelli 1995, doi:10.1214/ss/1177009939). Runs
are taken greedily and then exchanged one by one while that helps (Fedorov 1972). It goes for extremes, and
trusts the law there.
"""

import numpy as np
from numpy.typing import NDArray

# Rounds of exchange; each goes through all runs once.
ROUNDS = 5

Slopes = NDArray[np.float64]


def d_optimal(slopes: Slopes, prior: NDArray[np.float64], n: int) -> list[int]:
    """Rows of the best `n` candidates: `slopes` are (draws, candidates, coefficients), over σ."""
    state = _Information(slopes, prior)
    for _ in range(n):
        state.add(state.best())
    for _ in range(ROUNDS):
        before = list(state.chosen)
        for row in before:
            state.drop(row)
            state.add(state.best())
        if sorted(state.chosen) == sorted(before):
            break
    # With nothing left to exchange, the same search puts them in order.
    ordered = _Information(slopes[:, state.chosen], prior)
    for _ in state.chosen:
        ordered.add(ordered.best())
    return [state.chosen[k] for k in ordered.chosen]


class _Information:
    """Inverse information of each draw, and the leverage of every candidate, as runs come and go."""

    def __init__(self, slopes: Slopes, prior: NDArray[np.float64]) -> None:
        self.chosen: list[int] = []
        self._slopes = slopes
        self._inverse = np.repeat(np.linalg.inv(prior)[None], len(slopes), axis=0)
        self._leverage = np.einsum("kij,kjl,kil->ki", slopes, self._inverse, slopes, optimize=True)

    def best(self) -> int:
        """The candidate not chosen yet with the largest gain in mean log determinant."""
        gain = np.log1p(np.maximum(self._leverage, 0.0)).mean(axis=0)
        gain[self.chosen] = -np.inf
        return int(np.argmax(gain))

    def add(self, row: int) -> None:
        self._update(row, +1.0)
        self.chosen.append(row)

    def drop(self, row: int) -> None:
        self._update(row, -1.0)
        self.chosen.remove(row)

    def _update(self, row: int, sign: float) -> None:
        """Sherman and Morrison's formula, for each draw."""
        slope = self._slopes[:, row]
        moved = np.einsum("kij,kj->ki", self._inverse, slope)
        scale = 1.0 + sign * np.einsum("ki,ki->k", moved, slope)
        self._inverse -= sign * np.einsum("ki,kj->kij", moved, moved) / scale[:, None, None]
        self._leverage -= sign * np.einsum("kij,kj->ki", self._slopes, moved) ** 2 / scale[:, None]
