"""The ratio of the mean energies of two commands that ran in blocks, each block with one run of both.

    ratio r = b̄/ā,   interval {r: (b̄ − r·ā)² ≤ t²·(V_bb − 2r·V_ab + r²·V_aa)}   (Fieller 1954)

V is the covariance of both means over blocks, so what drifts along with both commands drops out. No logarithm
is taken: energies less idle may be negative, and what a command costs is its mean.

An instrument's scale error is common to all runs and cancels in the ratio; it is not in the interval. That
has scatter between runs, which has the instrument's random error in it already, or that error alone where it
is the greater (readings of one quantum each do not scatter); and a constant error of power, by the durations.

t is that of a level of 0.975. With 0.95 the interval covers 95 % where both commands scatter alike, and 91 to
93 % where a quiet one is compared with a log-normal one of sd 0.5; with 0.975 it covers 95 % there too
(`bench/measure_compare.py`), and of comparisons of one command with itself some 2.5 % claim a difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import UsageError
from wattlas.power.student import two_sided_t
from wattlas.power.uncertainty import Energy

Array = NDArray[np.float64]

LEVEL = 0.975
# A one-sided probability of 80 % is a two-sided one of 60 %.
_POWER_LEVEL = 0.6
MOST_MORE = 10_000
# Terms that are the same for every run of a comparison.
_COMMON_TERMS = ("accuracy", "idle")
# In robust standard deviations from the median.
_UNUSUAL = 10.0
# The standard deviation of a normal variable in units of its median absolute deviation.
_SD_PER_MAD = 1.4826


@dataclass(frozen=True)
class MeanEnergy:
    """Mean of several runs.

    Attributes:
        energy_j: the mean.
        u_energy_j: its standard uncertainty, the instrument's common errors included.
        sd_energy_j: standard deviation of one run.
        power_w: all energy over all time.
        duration_s: mean duration.
    """

    energy_j: float
    u_energy_j: float
    sd_energy_j: float
    power_w: float
    duration_s: float


@dataclass(frozen=True)
class Comparison:
    """What n blocks say of the ratio of mean energies, b over a.

    Attributes:
        ratio: b̄/ā; None unless ā is above 0.
        lower: beginning of the 95 % interval; None where ā cannot be told from 0, so that nothing bounds it.
        upper: its end.
        differs: whether the interval leaves out 1.
        n_blocks: n.
        more_blocks_needed: so many more would leave out 1 with a probability of 80 %, were the difference and
            the scatter those seen; 0 if these do, None if more than `MOST_MORE` would be needed.
    """

    ratio: float | None
    lower: float | None
    upper: float | None
    differs: bool
    n_blocks: int
    more_blocks_needed: int | None


def compare(a: Sequence[Energy], b: Sequence[Energy], u_power_w: float = 0.0) -> Comparison:
    """Compare the runs of two commands, the i-th of both being of block i.

    Args:
        a: energies of the first command, at least two.
        b: as many of the second.
        u_power_w: standard uncertainty of a constant error of power that all runs share: that of the idle
            power that was taken off, or the constant part of the accuracy class.

    Raises:
        UsageError: fewer than two blocks, or not as many runs of one as of the other.
    """
    n = len(a)
    if n < 2 or len(b) != n:
        raise UsageError(f"{n} and {len(b)} runs cannot be compared; give at least two, as many of both")
    energy_j = np.array([[e.energy_j for e in side] for side in (a, b)])
    mean_j = energy_j.mean(axis=1)
    common_j = u_power_w * np.array([np.mean([e.duration_s for e in side]) for side in (a, b)])
    ratio = float(mean_j[1] / mean_j[0]) if mean_j[0] > 0 else None
    scatter_j2 = _scatter(energy_j, a, b, 1.0 if ratio is None else ratio)
    cov_j2 = scatter_j2 / n + np.outer(common_j, common_j)
    t = two_sided_t(LEVEL, n - 1)
    lower, upper = (None, None) if ratio is None else _fieller(mean_j, t**2 * cov_j2)
    difference_j = abs(float(mean_j[1] - mean_j[0]))
    differs = difference_j > t * math.sqrt(_along(cov_j2, 1.0))
    more = 0 if differs else _more_blocks(n, difference_j, _along(scatter_j2, 1.0), float(np.ptp(common_j)))
    return Comparison(ratio, lower, upper, differs, n, more)


def mean_energy(energies: Sequence[Energy]) -> MeanEnergy:
    """The mean of at least two runs of one command."""
    n = len(energies)
    energy_j = np.array([e.energy_j for e in energies])
    sd_j = float(energy_j.std(ddof=1))
    common_j = [math.fsum(e.terms.get(term, 0.0) for e in energies) / n for term in _COMMON_TERMS]
    random_j = max(sd_j, math.sqrt(_random_var(energies))) / math.sqrt(n)
    duration_s = math.fsum(e.duration_s for e in energies) / n
    mean_j = float(energy_j.mean())
    power_w = mean_j / duration_s if duration_s > 0 else math.nan
    return MeanEnergy(mean_j, math.hypot(random_j, *common_j), sd_j, power_w, duration_s)


def u_random_j(energy: Energy) -> float:
    """Standard uncertainty of an energy from what differs from run to run: readings, edges, gaps."""
    return math.hypot(*(u for term, u in energy.terms.items() if term not in _COMMON_TERMS))


def unusual_runs(energies: Sequence[Energy]) -> tuple[int, ...]:
    """Indices of runs that lie more than 10 robust standard deviations (1.4826 MAD) from the median."""
    energy_j = np.array([e.energy_j for e in energies])
    away_j = np.abs(energy_j - np.median(energy_j))
    limit_j = _UNUSUAL * max(_SD_PER_MAD * float(np.median(away_j)), math.sqrt(_random_var(energies)))
    return tuple(int(i) for i in np.flatnonzero(away_j > limit_j)) if limit_j > 0 else ()


def _random_var(energies: Sequence[Energy]) -> float:
    return math.fsum(u_random_j(e) ** 2 for e in energies) / len(energies)


def _scatter(energy_j: Array, a: Sequence[Energy], b: Sequence[Energy], ratio: float) -> Array:
    """[2, 2] covariance of the energies of a block: as seen, or the instrument's random error if greater."""
    seen = np.asarray(np.cov(energy_j), dtype=np.float64)
    of_meter = np.diag([_random_var(a), _random_var(b)])
    return seen if _along(seen, ratio) >= _along(of_meter, ratio) else of_meter


def _along(cov: Array, ratio: float) -> float:
    """Variance of b − ratio·a."""
    return max(float(cov[1, 1] - 2 * ratio * cov[0, 1] + ratio**2 * cov[0, 0]), 0.0)


def _fieller(mean: Array, cov: Array) -> tuple[float | None, float | None]:
    """Both roots r of (b − r·a)² = V_bb − 2r·V_ab + r²·V_aa, of a covariance already times t²."""
    (a, b), square = mean, np.outer(mean, mean) - cov
    if square[0, 0] <= 0:
        return None, None
    root = math.sqrt(max(float(square[0, 1] ** 2 - square[0, 0] * square[1, 1]), 0.0))
    # The roots enclose b/a but for rounding.
    lower = min((square[0, 1] - root) / square[0, 0], b / a)
    upper = max((square[0, 1] + root) / square[0, 0], b / a)
    return float(lower), float(upper)


def _more_blocks(n: int, difference_j: float, scatter_j2: float, common_j: float) -> int | None:
    """Least m with difference ≥ (t_level + t_power)·√(scatter²/(n + m) + common²)."""

    def enough(m: int) -> bool:
        quantiles = two_sided_t(LEVEL, n + m - 1) + two_sided_t(_POWER_LEVEL, n + m - 1)
        return difference_j >= quantiles * math.sqrt(scatter_j2 / (n + m) + common_j**2)

    if difference_j == 0 or not enough(MOST_MORE):
        return None
    few, many = 0, MOST_MORE
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many
