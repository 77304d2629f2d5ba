"""What a meter does to power on its way to a reading: update period, resolution, delay, averaging window.

A load is switched on and off at random times. The readings of a meter that sees it follow as
P(t) = P_idle + (P_loaded − P_idle)·(share of [t − delay − window, t − delay) that the load was on),
renewed once an update period. The method is that of Yang et al., arXiv 2312.02741, with random instead of
regular edges, so that no period of the meter can hide between them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import SeriesError
from wattlas.power.instrument import Kind
from wattlas.power.response import Fit, Kernel, Load, Observed, refine, scan
from wattlas.power.updates import FEWEST_CHANGES, Trace, Updates, find_updates, possible, resolution

Array = NDArray[np.float64]

# Delays are looked for up to this share of the trial, and windows up to half of that, with these limits.
_SHARE_OF_TRIAL = 1 / 6
_LONGEST_DELAY_S = 10.0
_BLOCKS = 10
_WINDOWS = 8
_ROOT12 = float(np.sqrt(12.0))
# A counter's rounding is let be so much of the load's power, by adding up updates.
_ROUNDING = 0.1
# The load must move the readings by so many standard uncertainties, and the odds R²/(1 − R²) be so many times
# those of loads that come after the readings.
_CLEAR = 5.0
_BETTER = 6.0
# What a second description of a counter must gain, in squared standard deviations.
_CLEARLY = 10.0
# A counter that sees more than this of each update period is taken to see all.
_WHOLE = 0.9


@dataclass(frozen=True)
class Characterisation:
    """How a channel answers power, each with its standard uncertainty (`u_`).

    Attributes:
        update_period_s: how often its value is renewed.
        resolution_w: least step of its power; for a counter, its step of energy over the update period.
        delay_s: from the end of what a value is the mean of to when it is written.
        window_s: what a value is the mean of; of a counter, what power is averaged over before it is counted.
        duty_cycle: share of the time that is seen at all: window over update period, at most 1.
        idle_w: power with the load off.
        loaded_w: power with it on.
        noise_w: standard deviation of what the load does not explain, of one update to the next.
    """

    update_period_s: float
    u_update_period_s: float
    resolution_w: float
    u_resolution_w: float
    delay_s: float
    u_delay_s: float
    window_s: float
    u_window_s: float
    duty_cycle: float
    u_duty_cycle: float
    idle_w: float
    u_idle_w: float
    loaded_w: float
    u_loaded_w: float
    noise_w: float


def characterise(
    edge_s: Array, trace: Trace, burst: Trace | None = None, u_edge_s: float = 0.0
) -> Characterisation:
    """Tell how a channel answers from readings of it while a load went on and off.

    Args:
        edge_s: when the load went on, off, on, …, off; monotonic, rising.
        trace: readings of the whole trial.
        burst: readings as fast as they come, for a meter that is renewed faster than `trace` was polled.
        u_edge_s: standard uncertainty of the edges, common to all.

    Raises:
        SeriesError: the readings do not follow the load, or are too few.
    """
    load, samples = Load(np.asarray(edge_s, dtype=np.float64)), trace.samples
    updates = find_updates(trace)
    period_s, u_period_s = _period(updates, burst)
    kind = samples.instrument.kind
    quantum, u_quantum = resolution(
        np.concatenate([t.samples.value[possible(t.samples)] for t in (trace, burst) if t is not None])
    )
    search = _search(load, updates, float(samples.time_s[-1] - samples.time_s[0]))
    best, seen = _best(search, updates, kind, max(quantum, samples.instrument.quantum))
    parts = [
        search.refined(seen.take(rows), best, search.longest_window_s)
        for rows in _all_but_one_block(len(seen.time_s))
    ]
    u = {name: _jackknife(name, parts) for name in ("delay_s", "window_s", "idle_w", "loaded_w")}
    _must_follow(samples.channel, search, seen, best, u)
    # Neither polls nor edges tell times better than this. A step's time is told by the updates nearest to it,
    # of which the nearest in all edges is P/n away (exponentially distributed).
    times_s = (updates.timing_s / _ROOT12, u_edge_s, period_s / len(load.edge_s) / math.sqrt(2.0))
    u_window_s = math.hypot(u["window_s"], *times_s)
    duty, u_duty = _duty(kind, best, period_s, u_window_s, u_period_s)
    is_counter = kind == "counter"
    per = 1 / period_s if is_counter else 1.0
    # A gauge rounds by this; where few values were seen, their distance says nothing of it.
    level_w = quantum / _ROOT12 if not is_counter and u_quantum < quantum / 10 else 0.0
    return Characterisation(
        update_period_s=period_s,
        u_update_period_s=u_period_s,
        resolution_w=quantum * per,
        u_resolution_w=math.hypot(u_quantum, quantum * u_period_s / period_s * is_counter) * per,
        delay_s=max(best.delay_s, 0.0),
        u_delay_s=math.hypot(u["delay_s"], min(best.delay_s, 0.0), *times_s),
        window_s=best.window_s,
        u_window_s=u_window_s,
        duty_cycle=duty,
        u_duty_cycle=u_duty,
        idle_w=best.idle_w,
        u_idle_w=math.hypot(u["idle_w"], level_w),
        loaded_w=best.loaded_w,
        u_loaded_w=math.hypot(u["loaded_w"], level_w),
        noise_w=float(np.std(seen.power_w)) * math.sqrt(max(1 - best.explained, 0.0)),
    )


def _period(updates: Updates, burst: Trace | None) -> tuple[float, float]:
    """The update period, from the burst where the trial was polled too slowly to tell it."""
    if updates.resolved or burst is None:
        return updates.period_s, updates.u_period_s
    if np.count_nonzero(np.diff(burst.samples.value)) < FEWEST_CHANGES:
        return updates.period_s, updates.u_period_s
    fine = find_updates(burst)
    return fine.period_s, fine.u_period_s


@dataclass(frozen=True, eq=False)
class _Search:
    """Where delays and windows are looked for, and in which steps."""

    load: Load
    delays_s: Array
    windows_s: Array
    least_step_s: float
    shortest_delay_s: float

    @property
    def longest_window_s(self) -> float:
        return 2 * float(self.windows_s[-1])

    def fitted(self, seen: Observed, kernel: Kernel, windows_s: Array, longest_window_s: float) -> Fit:
        """The best fit of a kernel."""
        _, delay_s, window_s = scan(self.load, seen, kernel, self.delays_s, windows_s)
        return self.refined(seen, Fit(kernel, delay_s, window_s, 0.0, 0.0, 0.0), longest_window_s)

    def refined(self, seen: Observed, begin: Fit, longest_window_s: float) -> Fit:
        """The best fit near another."""
        return refine(
            self.load,
            seen,
            begin.kernel,
            (begin.delay_s, begin.window_s),
            float(self.delays_s[1] - self.delays_s[0]),
            self.least_step_s,
            self.shortest_delay_s,
            longest_window_s,
        )


def _search(load: Load, updates: Updates, trial_s: float) -> _Search:
    """Delays and windows to begin with, no further apart than what the load's edges tell apart."""
    longest_s = min(_LONGEST_DELAY_S, trial_s * _SHARE_OF_TRIAL)
    shortest_on_s = float(np.diff(load.edge_s).min())
    step_s = max(shortest_on_s / 2, longest_s / 400)
    windows_s = np.geomspace(max(shortest_on_s / 4, updates.timing_s), longest_s / 2, _WINDOWS)
    return _Search(
        load,
        np.arange(0.0, longest_s + step_s, step_s),
        np.append(0.0, windows_s),
        updates.timing_s / 16,
        -max(updates.period_s, updates.timing_s),
    )


def _best(search: _Search, updates: Updates, kind: Kind, quantum: float) -> tuple[Fit, Observed]:
    """The best fit, and the observations it is of."""
    windows_s, longest_s = search.windows_s, search.longest_window_s
    if kind == "gauge":
        seen = Observed(updates.time_s, updates.time_s, updates.value)
        return search.fitted(seen, "mean", windows_s, longest_s), seen
    stride = _stride(updates, quantum)
    seen = _differences(updates, stride)
    best = search.fitted(seen, "counted", windows_s, longest_s)
    # A counter that adds up spot values, or means of part of each period, shows in single updates only.
    if updates.resolved and stride == 1:
        period_s, n = updates.period_s, len(seen.time_s)
        short_s = np.append(windows_s[windows_s < period_s], period_s)
        partly = search.fitted(seen, "mean", short_s, period_s)
        better = (1 - partly.explained) * n < (1 - best.explained) * (n - _CLEARLY)
        if better and partly.window_s < _WHOLE * period_s:
            return partly, seen
    return best, seen


def _differences(updates: Updates, stride: int) -> Observed:
    """A counter's mean powers from each `stride`-th update to the next."""
    time_s, value_j = updates.time_s[::stride], updates.value[::stride]
    return Observed(time_s[1:], time_s[:-1], np.diff(value_j) / np.diff(time_s))


def _stride(updates: Updates, quantum_j: float) -> int:
    """How many updates make a difference in which the counter's rounding is small beside the load."""
    spacing_s = float(np.median(np.diff(updates.time_s)))
    coarse = _differences(updates, max(1, min(int(0.2 / spacing_s), len(updates.time_s) // 20)))
    low_w, high_w = np.percentile(coarse.power_w, [5, 95])
    if high_w <= low_w:
        return 1
    wanted_s = quantum_j / np.sqrt(6.0) / (_ROUNDING * (high_w - low_w))
    return int(np.clip(np.ceil(wanted_s / spacing_s), 1, max(len(updates.time_s) // 20, 1)))


def _all_but_one_block(n: int) -> list[NDArray[np.bool_]]:
    block = np.arange(n) * _BLOCKS // n
    return [block != k for k in range(_BLOCKS)]


def _jackknife(name: str, parts: list[Fit]) -> float:
    """Standard uncertainty from fits that each leave out a stretch of time, so that slow noise counts."""
    values = np.array([getattr(part, name) for part in parts])
    return float(np.sqrt((len(parts) - 1) * np.mean((values - values.mean()) ** 2)))


def _must_follow(channel: str, search: _Search, seen: Observed, best: Fit, u: dict[str, float]) -> None:
    """Raise unless the load explains the readings far better than loads that come after them can."""
    rise_w = best.loaded_w - best.idle_w
    u_rise_w = float(np.hypot(u["idle_w"], u["loaded_w"]))
    # Further ahead than the load stays on or off, what comes has nothing to do with what is.
    ahead_s = -(search.delays_s + 2 * float(np.diff(search.load.edge_s).max()))
    chance, _, _ = scan(
        search.load, seen, best.kernel, ahead_s, np.array([0.0, best.window_s]), len(seen.time_s)
    )
    odds, chance_odds = (r2 / max(1 - r2, 1e-12) for r2 in (best.explained, chance))
    if rise_w > _CLEAR * u_rise_w and odds > _BETTER * chance_odds:
        return
    raise SeriesError(
        f"channel {channel} does not react to the load: {best.idle_w:.4g} W idle and {best.loaded_w:.4g} W "
        f"loaded differ by no more than noise; let nothing else run, see what it bounds, or give a longer "
        f"--duration"
    )


def _duty(
    kind: Kind, best: Fit, period_s: float, u_window_s: float, u_period_s: float
) -> tuple[float, float]:
    if kind == "counter" and best.kernel == "counted":
        return 1.0, 0.0
    ratio = best.window_s / period_s
    u_ratio = float(np.hypot(u_window_s / period_s, ratio * u_period_s / period_s))
    # A window of many periods is seen as a whole, whatever its uncertainty.
    return min(ratio, 1.0), min(u_ratio, 1.0) if ratio < 1 + 3 * u_ratio else 0.0
