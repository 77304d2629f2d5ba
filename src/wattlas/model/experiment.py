"""Choose the runs that tell most about a machine's law: Bayesian D-optimal design over candidates.

A run of network i adds g_i g_iᵀ / σ² to the information about the log coefficients, with g_i the slope of its
log energy and σ the model's error. The best n runs have the largest log determinant of the information of the
prior and theirs together. Slopes depend on the coefficients, which are not known yet: the mean log
determinant over draws from the prior counts (Chaloner and Verdinelli 1995, doi:10.1214/ss/1177009939). Runs
are taken greedily and then exchanged one by one while that helps (Fedorov 1972).
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import UsageError
from wattlas.hardware.machine import Machine
from wattlas.model.features import features
from wattlas.model.law import columns, evaluate_law
from wattlas.model.machine_model import MachineModel
from wattlas.model.transfer import transfer_law, transfer_prior

DRAWS = 8
# How unlike the known machine the new one may be: standard deviation of log costs.
UNLIKE = 1.0
# Rounds of exchange; each goes through all runs once.
ROUNDS = 5

Slopes = NDArray[np.float64]


def design_experiment(
    source: MachineModel, candidates: pl.DataFrame, machine: Machine, n: int, seed: int = 0
) -> pl.DataFrame:
    """The `n` most informative of checked `candidates` to run on `machine`, most informative first.

    Adds `predicted_energy_per_datum_j` (J, as `source` predicts it) and `information`: what a run adds to
    half the mean log determinant when it joins those above it, nats.

    Raises:
        UsageError: more runs asked for than there are candidates, or none.
    """
    if not 0 < n <= candidates.height:
        raise UsageError(f"{n} runs of {candidates.height} candidates asked for; ask for 1 or more of them")
    f = features(candidates)
    energy = source.predict(f).energy_j
    law = transfer_law(source, machine, f)
    prior = transfer_prior(source, law, f, np.log(energy), UNLIKE)
    c = columns(law, f)
    slopes = []
    for z in np.random.default_rng(seed).normal(size=(DRAWS, len(law.free))):
        each, gradient = evaluate_law(law, prior.mean + prior.sd * z, c)
        slopes.append(gradient / each[:, None] / source.log_sd)
    of_draws, information = np.array(slopes), np.diag(prior.sd**-2.0)
    chosen = d_optimal(of_draws, information, n)
    ordered = _Information(of_draws[:, chosen], information)
    for _ in chosen:
        ordered.add(ordered.best())
    chosen = [chosen[k] for k in ordered.chosen]
    return candidates[chosen].with_columns(
        pl.lit(machine.name).alias("machine"),
        pl.Series("predicted_energy_per_datum_j", energy[chosen]),
        pl.Series("information", ordered.gains),
    )


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
    return state.chosen


class _Information:
    """Inverse information of each draw, and the leverage of every candidate, as runs come and go."""

    def __init__(self, slopes: Slopes, prior: NDArray[np.float64]) -> None:
        self.chosen: list[int] = []
        self.gains: list[float] = []
        self._slopes = slopes
        self._inverse = np.repeat(np.linalg.inv(prior)[None], len(slopes), axis=0)
        self._leverage = np.einsum("kij,kjl,kil->ki", slopes, self._inverse, slopes, optimize=True)

    def best(self) -> int:
        """The candidate not chosen yet with the largest gain in mean log determinant."""
        gain = np.log1p(np.maximum(self._leverage, 0.0)).mean(axis=0)
        gain[self.chosen] = -np.inf
        return int(np.argmax(gain))

    def add(self, row: int) -> None:
        self.gains.append(float(0.5 * np.log1p(self._leverage[:, row]).mean()))
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
