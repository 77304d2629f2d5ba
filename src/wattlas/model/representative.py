"""A design for prediction: the runs after which the energies of all candidates are known best.

The log energies of candidates are taken to be the law's, with coefficients from the prior, plus what it
misses: a smooth deviation over size, depth, width and inputs (a Gaussian process of standard deviation
`MISFIT`). Each run is the one that leaves the smallest mean variance over the candidates (Cohn 1996,
doi:10.1016/0893-6080(95)00137-9), in the mean over draws of the coefficients. Unlike D-optimal runs, which
lie at the extremes, these speak for the networks that there are, and a law that is wrong somewhere misleads
less.
"""

import numpy as np
from numpy.typing import NDArray

from wattlas.model.features import Features

# Standard deviation of log energy about the law, and how far it reaches: in standard deviations of the
# candidates' own log size, depth, width and inputs.
MISFIT = 0.5
REACH = 1.0
# Networks whose variance counts, drawn from the candidates.
JUDGES = 400

Array = NDArray[np.float64]


def representative(slopes: Array, f: Features, sigma: float, n: int, seed: int = 0) -> list[int]:
    """Rows of the `n` candidates: `slopes` (draws, candidates, coefficients) are times the prior's sd."""
    place = _place(f)
    judges = np.sort(np.random.default_rng(seed).permutation(len(f))[:JUDGES])
    smooth = _kernel(place, place[judges])
    covariance = slopes @ slopes[:, judges].transpose(0, 2, 1) + smooth
    variance = (slopes**2).sum(axis=2) + MISFIT**2
    known: list[Array] = []
    chosen: list[int] = []
    for _ in range(n):
        removed = (covariance**2).sum(axis=2) / (variance + sigma**2)
        left = variance[:, judges].sum(axis=1)[:, None] - removed
        score = -np.log(np.maximum(left, 1e-300)).mean(axis=0)
        score[chosen] = -np.inf
        row = int(np.argmax(score))
        chosen.append(row)
        # Covariances with the run, given the runs before it: a step of a Cholesky factorisation.
        own = (slopes @ slopes[:, row, :, None])[:, :, 0] + _kernel(place, place[[row]])[:, 0]
        for each in known:
            own = own - each * each[:, [row]]
        own = own / np.sqrt(own[:, [row]] + sigma**2)
        known.append(own)
        covariance = covariance - own[:, :, None] * own[:, None, judges]
        variance = variance - own**2
    return chosen


def _place(f: Features) -> Array:
    logs = np.log(np.column_stack([f.n_parameters, f.depth, f.widest, f.n_inputs]))
    spread = logs.std(axis=0)
    return np.asarray((logs - logs.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _kernel(a: Array, b: Array) -> Array:
    distance = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(MISFIT**2 * np.exp(-0.5 * distance / REACH**2))
