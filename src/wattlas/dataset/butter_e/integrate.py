"""Our energy of a run from one-minute readings of its node, with its uncertainty, for all runs at once.

Only readings of the run's node inside its window describe it: power steps where a run begins and ends. With
readings w[a] … w[b-1] at t[a] … t[b-1] inside [start, end), h = t[a] - start and g = end - t[b-1],

    instantaneous: E = w[a] h + sum (w[i] + w[i+1]) / 2 · (t[i+1] - t[i]) + w[b-1] g
    averaged:      E = w[a] d - w[a-1] (d - h) + sum w[i+1] (t[i+1] - t[i]) + w[b-1] g,  d = t[a] - t[a-1]

the second where a reading is the mean of the minute before it: the first holds some of what came before the
run, which is taken to have drawn the reading before (without one, E begins with w[a+1] h). Zero, repeated and
impossible readings are left out first; what they leave is a gap.
Where `startup` knows how runs of a kind of node begin, the step to training is put where it was.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.dataset.butter_e.published_join import MISSING_SAMPLES, NO_FILE, NO_SAMPLES
from wattlas.dataset.butter_e.series import Series, Windows
from wattlas.dataset.butter_e.startup import Startup, correct, learn

Floats = NDArray[np.float64]
Reading = Literal["instantaneous", "averaged"]

SPACING_S = 60.0
QUANTUM_W = 1.0
# Time stamps are whole seconds.
STAMP_S = 1.0
BAD_WINDOW = "bad_window"
# A change above this many standard deviations of a difference of two readings is a step, not noise.
_STEP = 3.0
# Of how many products of differences the node's own noise counts for beside the run's.
_PRIOR_PRODUCTS = 10.0
# E|x y| of independent normals is (2 / pi) σ², and a difference has twice the variance of a reading.
_PRODUCT = np.pi / 4
# Median of |x y| of two normal differences in units of the variance of a reading: 2 × 0.3646.
_MEDIAN_PRODUCT = 0.729
# Products above so many medians are steps.
_CAP = 12.0
# Samples gone through at a time: what is made of them stays in the cache.
_BLOCK = 1 << 17
# Relative noise of power where too few readings of any node tell it: an estimate, on the large side.
_UNKNOWN_NOISE = 0.02


@dataclass(frozen=True)
class Energies:
    """[m] of the runs; NaN where there is no energy.

    Attributes:
        status: done, or why there is no energy.
        energy_j: the estimate.
        terms: standard uncertainty in J by cause.
        gap_share: part of the run that no reading describes.
        n_samples: readings inside the window.
        startups: what was learned of the start of runs, by whether the node has GPUs.
    """

    status: NDArray[np.object_]
    energy_j: Floats
    terms: dict[str, Floats]
    gap_share: Floats
    n_samples: NDArray[np.int64]
    startups: dict[bool, Startup | None]

    @property
    def u_energy_j(self) -> Floats:
        """Standard uncertainty, all terms together; without the meter's accuracy, which runs share."""
        return np.asarray(np.sqrt(sum(np.square(term) for term in self.terms.values())))


class _Sparse:
    """Running sum of values that are 0 but at a few places."""

    def __init__(self, at: NDArray[np.int64], values: Floats) -> None:
        self._at, self._sum = at, np.concatenate(([0.0], np.cumsum(values)))

    def between(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> Floats:
        """[m] sum over places from a up to b, b not included."""
        sums = self._sum[np.searchsorted(self._at, b)] - self._sum[np.searchsorted(self._at, a)]
        return np.asarray(np.maximum(sums, 0.0))


@dataclass(frozen=True)
class _Prefix:
    """Running sums over samples ([n + 1]) or over the intervals after them, within a series.

    `lone` counts the samples that have no product of differences.
    """

    energy: Floats
    product: Floats
    lone: _Sparse
    step_var: _Sparse
    gap_var: _Sparse
    gap_s: _Sparse


def integrate(
    series: Series,
    windows: Windows,
    has_gpu: NDArray[np.bool_],
    idle_w: Floats,
    reading: Reading,
    max_gap_s: float,
    max_gap_share: float,
) -> Energies:
    """Energies of the runs from a series without zero or repeated readings.

    `has_gpu` [m] is the kind of node, by which the start-up of runs is learned, `idle_w` [m] the node's idle
    power (NaN if unknown).
    """
    noise, cap = _group_noise(series)
    sums = _prefix(series, noise, cap, reading, max_gap_s)
    duration_s = windows.end_s - windows.start_s
    known = windows.usable & (windows.group >= 0)
    group = np.where(known, windows.group, 0)
    start_s, end_s = (np.where(known, s, 0.0) for s in (windows.start_s, windows.end_s))
    a = series.position(group, np.ceil(start_s).astype(np.int64))
    b = series.position(group, np.ceil(end_s).astype(np.int64))
    n = np.where(known, b - a, 0)
    some = n > 0
    a, last = np.where(some, a, 0), np.where(some, b - 1, 0)
    second, second_last = np.minimum(a + 1, last), np.maximum(last - 1, a)
    power, time_s = (
        v.astype(np.float64, copy=False) if len(v) else np.zeros(1) for v in (series.power_w, series.time_s)
    )
    h, g = time_s[a] - start_s, end_s - time_s[last]
    at_start_w = power[second] if reading == "averaged" else power[a]
    energy_j = at_start_w * h + sums.energy[last] - sums.energy[a] + power[last] * g

    mean_w = energy_j / np.where(some, duration_s, 1.0)
    pool = np.where(some, noise[series.group[a]] if len(series.group) else 0.0, 0.0) * mean_w
    ends = np.maximum(last - 2, a)
    found, n_found = sums.product[ends] - sums.product[a], ends - a - sums.lone.between(a, ends)
    variance = (_PRIOR_PRODUCTS * pool**2 + _PRODUCT * found) / (_PRIOR_PRODUCTS + n_found)
    half = SPACING_S / 2
    first_s = np.minimum(h, SPACING_S) + np.where(n > 1, half, g)
    second_s = np.where(n > 2, SPACING_S, np.minimum(g, SPACING_S) + half)
    final_s = np.minimum(g, SPACING_S) + half
    start_step_w = _start_step_w(power[a], power[second], np.sqrt(variance), n, has_gpu)
    u_start_j = start_step_w * np.minimum(h, max_gap_s) / np.sqrt(12)
    u_start_j += np.where(n < 2, start_step_w * g / np.sqrt(12), 0.0)
    if reading == "averaged":
        own, d = _first_minute(series, time_s, a, some, max_gap_s)
        before, earlier, rest_s = a[own] - 1, np.maximum(a[own] - 2, 0), d - h[own]
        energy_j[own] += power[a][own] * d - power[before] * rest_s - at_start_w[own] * h[own]
        change_w = np.where(
            series.group[earlier] == series.group[before], power[before] - power[earlier], 0.0
        )
        u_start_j[own] = _excess_w(change_w, np.sqrt(variance[own])) * rest_s / np.sqrt(12)
        first_s[own] = np.hypot(d, rest_s)
    settled = np.zeros(len(n), dtype=bool)
    startups: dict[bool, Startup | None] = {}
    interval_s = time_s[second] - time_s[a]
    for kind in (False, True):
        own = np.flatnonzero(some & (has_gpu == kind) & (h <= max_gap_s) & (interval_s <= max_gap_s))
        several = own[n[own] >= 3]
        startups[kind] = startup = (
            learn(h[several], power[a][several], power[second][several], idle_w[several], SPACING_S)
            if reading == "instantaneous"
            else None
        )
        if startup is None:
            continue
        change = correct(
            startup, h[own], interval_s[own], power[a][own], power[second][own], idle_w[own], duration_s[own]
        )
        told = np.isfinite(idle_w[own])
        energy_j[own] += change.energy_j
        u_start_j[own] = np.where(told, change.u_energy_j, u_start_j[own])
        first_s[own] += change.first_weight_s
        second_s[own] += change.second_weight_s
        settled[own] = change.settled
    weight_s2 = (
        first_s**2
        + np.where(n > 1, second_s**2, 0.0)
        + np.where(n > 2, final_s**2 + np.maximum(n - 3, 0) * SPACING_S**2, 0.0)
    )
    after_start = np.where(settled, second, a)
    end_step_w = _excess_w(power[last] - power[second_last], np.sqrt(variance))
    hidden_w = np.zeros(len(n))
    for kind, startup in startups.items():
        own = np.flatnonzero(some & (has_gpu == kind) & (n >= 3))
        if startup is None and len(own):
            hidden_w[own] = _hidden_step_w(power[last][own] - power[a][own])
    beyond = [np.maximum(edge - max_gap_s, 0.0) for edge in (h, g)]
    outside_w = np.sqrt(variance + mean_w**2 / 12)
    terms = {
        "noise": np.sqrt(variance * weight_s2),
        # Noise of a good part of a quantum holds the rounding already; without it all errors are alike.
        "quantisation": np.where(variance > (QUANTUM_W / 3) ** 2, 0.0, QUANTUM_W / np.sqrt(12) * duration_s),
        "steps": np.sqrt(sums.step_var.between(after_start, last)),
        "start": u_start_j,
        "end": np.hypot(end_step_w / np.sqrt(12), hidden_w / np.sqrt(3)) * np.minimum(g, max_gap_s),
        "stamps": np.hypot(start_step_w, end_step_w) * STAMP_S / np.sqrt(12),
        "gaps": np.sqrt(sums.gap_var.between(a, last) + outside_w**2 * (beyond[0] ** 2 + beyond[1] ** 2)),
    }
    gap_s = sums.gap_s.between(a, last) + sum(
        np.where(edge > 0, edge + max_gap_s - SPACING_S, 0.0) for edge in beyond
    )
    gap_share = np.where(some, gap_s / np.where(some, duration_s, 1.0), 1.0)
    status = np.full(len(n), "done", dtype=object)
    status[gap_share > max_gap_share] = MISSING_SAMPLES
    status[~some] = NO_SAMPLES
    status[windows.file < 0] = NO_FILE
    status[~(duration_s > 0)] = BAD_WINDOW
    done = status == "done"
    return Energies(
        status,
        np.where(done, energy_j, np.nan),
        {name: np.where(done, term, np.nan) for name, term in terms.items()},
        gap_share,
        n,
        startups,
    )


def _prefix(series: Series, noise: Floats, cap: Floats, reading: Reading, max_gap_s: float) -> _Prefix:
    n = len(series.power_w)
    energy, product = np.zeros(n + 1), np.zeros(n + 1)
    lone: list[NDArray[np.int64]] = []
    steps: list[Floats] = []
    gaps: list[Floats] = []
    for low in range(0, n, _BLOCK):
        high = min(low + _BLOCK, n)
        # Products reach three samples further.
        wide = slice(low, min(high + 3, n))
        w, group, time_s = series.power_w[wide], series.group[wide], series.time_s[wide]
        together = np.append(group[1:] == group[:-1], False)
        dt = np.where(together, np.append(np.diff(time_s), 0), 0).astype(np.float64)
        d = np.where(together, np.append(np.diff(w), 0.0), 0.0)
        gap = dt > max_gap_s
        rule_w = np.append(w[1:], 0.0) if reading == "averaged" else w + d / 2
        length, own = high - low, slice(low + 1, high + 1)
        energy[own] = (rule_w * dt)[:length]
        # Differences two apart share no reading, so that one step does not count as noise.
        usual = together & ~gap
        apart = np.zeros(len(w), dtype=bool)
        apart[:-3] = usual[:-3] & usual[1:-2] & usual[2:-1]
        both = np.zeros(len(w))
        both[:-2] = np.abs(d[:-2] * d[2:])
        square = np.square(w)
        product[own] = np.where(apart, np.minimum(both, cap[group] * square), 0.0)[:length]
        var = np.square(noise[group]) * square
        # The sum of averages holds their steps.
        step = ~gap & (d**2 > 2 * _STEP**2 * var) & (reading != "averaged")
        lone.append(low + np.flatnonzero(~apart[:length]))
        for rows, found in ((np.flatnonzero(step[:length]), steps), (np.flatnonzero(gap[:length]), gaps)):
            found.append(np.array([low + rows, dt[rows], d[rows], var[rows]]))
    np.cumsum(energy, out=energy)
    np.cumsum(product, out=product)
    empty = [np.zeros((4, 0))]
    (at, dt, d, var), (gap_at, gap_dt, gap_d, gap_var) = (np.hstack(empty + x) for x in (steps, gaps))
    places = np.concatenate([np.zeros(0, dtype=np.int64), *lone])
    return _Prefix(
        energy,
        product,
        _Sparse(places, np.ones(len(places))),
        _Sparse(at, (d**2 - 2 * var) * dt**2 / 12),
        _Sparse(gap_at, (gap_d**2 / 12 + gap_var) * gap_dt**2),
        _Sparse(gap_at, gap_dt - SPACING_S),
    )


def _first_minute(
    series: Series, time_s: Floats, a: NDArray[np.int64], some: NDArray[np.bool_], max_gap_s: float
) -> tuple[NDArray[np.int64], Floats]:
    """The runs whose first reading follows another of their node, and [s] how long after it."""
    own = np.flatnonzero(some & (a > 0))
    d = time_s[a[own]] - time_s[a[own] - 1]
    follows = (series.group[a[own]] == series.group[a[own] - 1]) & (d <= max_gap_s)
    return own[follows], d[follows]


def _group_noise(series: Series) -> tuple[Floats, Floats]:
    """[groups] noise of a node relative to its power, and the cap on relative products of differences.

    From the median of those products in the file, which the steps between runs do not move.
    """
    w, group = series.power_w, series.group
    n_groups = int(group[-1]) + 1 if len(group) else 1
    unknown = np.full(n_groups, _UNKNOWN_NOISE), np.full(n_groups, np.inf)
    if len(w) < 4:
        return unknown
    relative = np.empty(len(w) - 3, dtype=np.float32)
    rng = np.random.default_rng(0)
    for low in range(0, len(relative), _BLOCK):
        high = min(low + _BLOCK, len(relative))
        # Products of whole watts have no useful median: spread the readings over their watt.
        d = np.diff(w[low : high + 3] + QUANTUM_W * rng.random(high + 3 - low))
        relative[low:high] = np.abs(d[:-2] * d[2:]) / np.square(w[low + 1 : high + 1])
    relative[group[3:] != group[:-3]] = np.nan
    frame = pl.DataFrame({"group": group[:-3], "relative": relative}).filter(pl.col("relative").is_not_nan())
    if frame.is_empty():
        return unknown
    overall = float(np.median(frame["relative"]))
    own = frame.group_by("group").agg(pl.col("relative").median().cast(pl.Float64), pl.len())
    n_own, at = own["len"].to_numpy(), own["group"].to_numpy()
    median = np.full(n_groups, overall)
    median[at] = (_PRIOR_PRODUCTS * overall + n_own * own["relative"].to_numpy()) / (_PRIOR_PRODUCTS + n_own)
    spread = QUANTUM_W**2 / 12 / float(np.median(w[:: max(1, len(w) // 10_000)])) ** 2
    return np.sqrt(np.maximum(median / _MEDIAN_PRODUCT - spread, 0.0)), _CAP * median


def _excess_w(change_w: Floats, noise_w: Floats) -> Floats:
    """What noise does not explain of a change between two readings."""
    variance = 2 * noise_w**2
    return np.sqrt(np.where(change_w**2 > _STEP**2 * variance, change_w**2 - variance, 0.0))


def _hidden_step_w(rise_w: Floats) -> Floats:
    """[m] step that a run may hide after its last reading: the typical rise, where no reading shows one.

    Where the start-up takes longer than a minute, a run may end just after it.
    """
    typical_w = max(float(np.median(rise_w)), 0.0)
    return np.where(rise_w < typical_w / 2, typical_w, 0.0)


def _start_step_w(
    first_w: Floats, second_w: Floats, noise_w: Floats, n: NDArray[np.int64], has_gpu: NDArray[np.bool_]
) -> Floats:
    """[m] step in power that a run's first minute may hide: its own, or the typical one of its kind."""
    own = _excess_w(second_w - first_w, noise_w)
    typical = np.zeros(len(own))
    for kind in (False, True):
        alike = (has_gpu == kind) & (n >= 3)
        if alike.any():
            typical[has_gpu == kind] = np.sqrt(np.mean(np.square(own[alike])))
    return np.maximum(own, typical)
