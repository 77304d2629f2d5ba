"""When a meter's value was renewed, told from polling it faster: update period, times, resolution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import SeriesError
from wattlas.power.samples import Samples

Array = NDArray[np.float64]

# Fewer changes of the value than these tell no period.
FEWEST_CHANGES = 8
# Nearly every poll finds a new value: the meter is renewed faster than it is polled.
_ALWAYS_NEW = 0.98
# From so many polls with a new value on, an update is lost between two polls now and then.
_OFTEN_NEW = 1 / 3
# Of the intervals between changes, so many must be multiples of a period; others may be late updates.
_MOSTLY = 0.9
# An update may be off its period by so much and be in step still; and by so much with a meter that is
# irregular.
_JITTER = 0.02
_LOOSE = 0.2
_MOST_INTERVALS, _MOST_CANDIDATES = 200, 20_000
_ROOT12 = float(np.sqrt(12.0))


@dataclass(frozen=True, eq=False)
class Trace:
    """A channel's polls, and the device's own time of each value where it has one ([n], any epoch)."""

    samples: Samples
    device_s: Array | None = None


@dataclass(frozen=True, eq=False)
class Updates:
    """The values a meter wrote, and when.

    Attributes:
        time_s: [n], monotonic.
        value: [n], W, or unwrapped J for a counter.
        period_s: the update period, with its standard uncertainty `u_period_s`.
        timing_s: full width of what polling leaves unknown of the times.
        resolved: whether polling was fast enough to tell the period; if not, it is within 0 and twice it.
    """

    time_s: Array
    value: Array
    period_s: float
    u_period_s: float
    timing_s: float
    resolved: bool


def find_updates(trace: Trace) -> Updates:
    """The updates behind polled readings.

    A value that differs from the one before (or has another device time) was written between the two polls.
    Updates that wrote an equal value are not seen, so intervals between changes are multiples of the period,
    which is the longest time they are all multiples of, within what polling resolves. Between two changes,
    the unseen updates of a gauge are put in at equal distances.

    Raises:
        SeriesError: too few values, or too few changes of it, to tell.
    """
    time_s, value, device_s = _usable(trace)
    channel = trace.samples.channel
    spacing_s = np.diff(time_s)
    changed = np.diff(value) != 0
    if device_s is not None:
        changed |= np.diff(device_s) != 0
    at = np.flatnonzero(changed)
    if len(at) < FEWEST_CHANGES:
        said = f"its value changed {len(at)} times in {time_s[-1] - time_s[0]:.3g} s"
        raise SeriesError(
            f"channel {channel}: {said}, and {FEWEST_CHANGES} are needed; give a longer --duration"
            if len(at)
            else f"channel {channel} does not react to the load: {said}; see what it bounds"
        )
    polled_s = float(np.median(spacing_s))
    often = len(at) / len(spacing_s)
    if often > _ALWAYS_NEW:
        # Old by half of a period that is itself within 0 and the time between polls.
        return Updates(time_s - polled_s / 4, value, polled_s / 2, polled_s / _ROOT12, polled_s, False)
    written_s = time_s[at] + spacing_s[at] / 2
    apart_s = np.diff(written_s)
    tolerance_s = (spacing_s[at][1:] + spacing_s[at][:-1]) / 2
    if often > _OFTEN_NEW:
        period_s = float(written_s[-1] - written_s[0]) / len(apart_s)
        u_period_s = float(np.hypot(period_s, polled_s) / np.sqrt(len(apart_s)) / _ROOT12)
        steps = np.ones(len(apart_s), dtype=np.intp)
    else:
        told = [_common_period_s(apart_s, tolerance_s), _loose_period_s(apart_s)]
        regular = [p for p in told if p is not None]
        guess_s = max(regular, default=float(np.median(apart_s)))
        steps = np.maximum(np.rint(apart_s / guess_s), 1).astype(np.intp)
        # Longer ones, once a meter or a poll came late, tell less than the many that are in step.
        allowed_s = np.maximum(3 * tolerance_s, _LOOSE * guess_s) if regular else np.inf
        fits = np.abs(apart_s - steps * guess_s) <= allowed_s
        period_s = float(apart_s[fits].sum() / steps[fits].sum())
        error_s = (apart_s - steps * period_s)[fits]
        u_period_s = float(np.std(error_s) * np.sqrt(len(error_s)) / steps[fits].sum())
        written_s = _in_step(written_s, steps, float(np.median(tolerance_s)))
    shown = value[at + 1]
    if trace.samples.instrument.kind == "gauge":
        written_s, shown = _with_unseen(written_s, shown, steps)
    return Updates(written_s, shown, period_s, u_period_s, polled_s, True)


def possible(samples: Samples) -> NDArray[np.bool_]:
    """Which readings can be what the channel says they are."""
    limit = samples.instrument.max_power_w if samples.instrument.kind == "gauge" else None
    return np.isfinite(samples.value) & (samples.value >= 0) & (samples.value <= (limit or np.inf))


def resolution(value: Array) -> tuple[float, float]:
    """The step that all values are multiples of apart, and its standard uncertainty; 0 if there is none.

    It is the greatest common divisor of their differences, to eleven digits of the greatest value. A true
    step k times smaller escapes if m differences are all multiples of k, with probability k^-m: u is half a
    step times 2^(-m/2).
    """
    distinct = np.unique(value)
    least = 1e-11 * float(np.max(np.abs(distinct), initial=0.0))
    step = 0.0
    for gap in np.unique(np.diff(distinct)):
        whole, rest = max(step, float(gap)), min(step, float(gap))
        while rest > least:
            whole, rest = rest, abs(whole - rest * round(whole / rest))
        if whole <= 10 * least:
            return 0.0, least
        step = float(gap) / round(gap / whole)  # the longer the gap, the more digits of the step it tells
    return step, step / 2 * 2.0 ** (-max(len(distinct) - 1, 0) / 2)


def _usable(trace: Trace) -> tuple[Array, Array, Array | None]:
    """Times, possible values (a counter's unwrapped) and device times."""
    samples = trace.samples
    instrument = samples.instrument
    good = possible(samples)
    time_s, value = samples.time_s[good], samples.value[good]
    if len(value) < 2:
        raise SeriesError(
            f"channel {samples.channel}: {len(value)} usable readings tell nothing; see 'wattlas meter check'"
        )
    if instrument.kind == "counter":
        rise_j = np.diff(value)
        back = rise_j < 0
        if back.any() and instrument.range_j is None:
            raise SeriesError(
                f"channel {samples.channel}: the counter went back and its span is not known; try again"
            )
        rise_j[back] += instrument.range_j or 0.0
        value = np.concatenate((value[:1], value[0] + np.cumsum(rise_j)))
    return time_s, value, None if trace.device_s is None else trace.device_s[good]


def _common_period_s(apart_s: Array, tolerance_s: Array) -> float | None:
    """The longest period that most intervals are multiples of, each within its tolerance."""
    pick = np.unique(np.linspace(0, len(apart_s) - 1, _MOST_INTERVALS).astype(np.intp))
    apart_s, tolerance_s = apart_s[pick], tolerance_s[pick]
    within_s = float(np.median(tolerance_s))
    # A shorter one fits anything.
    shortest_s, longest_s = 2.5 * within_s, 1.1 * float(apart_s.max())
    if longest_s <= shortest_s:
        return None
    fine = within_s / (2 * longest_s)
    n = min(int(np.log(longest_s / shortest_s) / fine) + 2, _MOST_CANDIDATES)
    candidate_s = np.geomspace(shortest_s, longest_s, n)
    steps = np.maximum(np.rint(apart_s / candidate_s[:, None]), 1)
    error_s = np.abs(apart_s - steps * candidate_s[:, None])
    fits = (error_s <= tolerance_s + _JITTER * candidate_s[:, None]).mean(axis=1) >= _MOSTLY
    if not fits.any():
        return None
    last = int(np.flatnonzero(fits)[-1])
    others = np.flatnonzero(~fits[:last])
    first = int(others[-1]) + 1 if len(others) else 0
    return float(candidate_s[first + int(np.argmin(error_s[first : last + 1].mean(axis=1)))])


def _loose_period_s(apart_s: Array) -> float | None:
    """The period of a meter that is none too regular: the shorter intervals, if all are about multiples."""
    short_s = float(np.median(apart_s[apart_s <= 1.5 * np.quantile(apart_s, 0.1)]))
    ratio = apart_s / short_s
    return short_s if np.mean(np.abs(ratio - np.rint(ratio)) <= _LOOSE) >= _MOSTLY else None


def _in_step(written_s: Array, steps: NDArray[np.intp], tolerance_s: float) -> Array:
    """The times on the comb that they are in step with, if they are; else as they were."""
    count = np.concatenate(([0], np.cumsum(steps))).astype(np.float64)
    slope, start_s = np.polyfit(count, written_s - written_s[0], 1)
    comb_s = written_s[0] + start_s + slope * count
    in_step = np.abs(comb_s - written_s).max() <= tolerance_s
    return np.asarray(comb_s if in_step else written_s, dtype=np.float64)


def _with_unseen(written_s: Array, shown: Array, steps: NDArray[np.intp]) -> tuple[Array, Array]:
    """Updates with those between two changes that wrote the same value again."""
    first = np.repeat(np.cumsum(steps) - steps, steps)
    part = (np.arange(int(steps.sum())) - first) / np.repeat(steps, steps)
    time_s = np.repeat(written_s[:-1], steps) + part * np.repeat(np.diff(written_s), steps)
    return np.append(time_s, written_s[-1]), np.append(np.repeat(shown[:-1], steps), shown[-1])
