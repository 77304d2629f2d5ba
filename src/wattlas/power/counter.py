"""Counter readings made into a power profile: repeats, wraps, resets and impossible values handled."""

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import SeriesError
from wattlas.power.profile import Event, Profile, informative, shares_of_gaps, typical_spacing_s
from wattlas.power.samples import Samples

Array = NDArray[np.float64]

# Without a known power limit a wrap is believed up to this multiple of the greatest power seen.
_BELIEVABLE_MULTIPLE = 10.0


def counter_profile(samples: Samples) -> Profile:
    """Piecewise constant power whose cumulative energy goes through the unwrapped readings.

    Raises `SeriesError` with fewer than two usable readings, or when the counter goes back and nothing
    bounds what was lost.
    """
    time_s, value, width_s, events = _usable(samples)
    if len(value) < 2:
        raise SeriesError(
            f"channel {samples.channel}: {len(value)} usable counter readings, and an energy is a "
            f"difference of two; sample more often, or begin before the window and end after it"
        )
    keep, stale_s = informative(time_s, value, samples.instrument.update_period_s)
    time_s, value, width_s, stale_s = time_s[keep], value[keep], width_s[keep], stale_s[keep]
    if len(value) < 2:
        raise SeriesError(
            f"channel {samples.channel}: the counter did not move within an update period of "
            f"{samples.instrument.update_period_s:g} s; use a longer window"
        )
    rise_j, u_rise_j, more = _rises(samples, time_s, value)
    smear_s = samples.instrument.window_s or 0.0
    knot_s = np.maximum.accumulate(time_s - stale_s / 2) - samples.instrument.delay_s - smear_s / 2
    distinct = np.append(np.diff(knot_s) > 0, True)
    if not distinct.all():  # two readings of one instant: the later one holds both rises
        total_j = np.concatenate(([0.0], np.cumsum(rise_j)))[distinct]
        kept_var = np.concatenate(([0.0], np.cumsum(u_rise_j**2)))[distinct]
        knot_s, stale_s, width_s = knot_s[distinct], stale_s[distinct], width_s[distinct]
        rise_j, u_rise_j = np.diff(total_j), np.sqrt(np.diff(kept_var))
        if len(knot_s) < 2:
            raise SeriesError(
                f"channel {samples.channel}: all readings are of one instant; sample over a longer time"
            )
    length_s = np.diff(knot_s)
    power_w = rise_j / length_s
    return Profile(
        kind="counter",
        edge_s=knot_s,
        left_w=power_w,
        right_w=power_w,
        prefix_j=np.concatenate(([0.0], np.cumsum(rise_j))),
        reading_w=power_w,
        reading=np.arange(len(power_w)),
        timing_s=np.hypot(stale_s, width_s),
        known=np.ones(len(length_s), dtype=bool),
        gap=shares_of_gaps(length_s, typical_spacing_s(length_s, samples.instrument.update_period_s)),
        u_segment_j=u_rise_j,
        events=tuple(events + more),
        smear_s=smear_s,
    )


def _usable(samples: Samples) -> tuple[Array, Array, Array, list[Event]]:
    """Times, values and read durations without the readings that no counter can give."""
    instrument = samples.instrument
    time_s, value = samples.time_s, samples.value
    width_s = samples.after_s - samples.before_s
    bad = ~np.isfinite(value) | (value < 0)
    if instrument.range_j is not None:
        bad |= value > instrument.range_j + instrument.quantum
    good = np.flatnonzero(~bad)
    # A spike: the rise to it is impossible and the next reading goes on from the one before it.
    if instrument.max_power_w is not None and len(good) > 2:
        t, v = time_s[good], value[good]
        room_j = instrument.max_power_w * (t[2:] - t[:-2] + instrument.update_period_s) + instrument.quantum
        rise_j = instrument.max_power_w * (np.diff(t)[:-1] + instrument.update_period_s) + instrument.quantum
        goes_on = (v[2:] >= v[:-2]) & (v[2:] - v[:-2] <= room_j)
        spike = goes_on & ((v[1:-1] - v[:-2] > rise_j) | (v[1:-1] < v[:-2])) & (v[1:-1] != v[2:])
        if instrument.range_j is not None:
            # Unless the counter may have wrapped there.
            spike &= (v[1:-1] + instrument.range_j - v[:-2] > rise_j) | (v[2:] - v[1:-1] > room_j)
        bad[good[1:-1][spike]] = True
    # Going back by no more than a quantum is rounding in the meter and tells nothing new.
    good = np.flatnonzero(~bad)
    back = np.diff(value[good])
    jitter = good[1:][(back < 0) & (back >= -instrument.quantum * 1.000001)]
    keep = ~bad
    keep[jitter] = False
    events = [Event("rejected", float(t), float(t)) for t in time_s[bad]]
    return time_s[keep], value[keep], width_s[keep], events


def _rises(samples: Samples, time_s: Array, value: Array) -> tuple[Array, Array, list[Event]]:
    """Energy between neighbours, its uncertainty where it had to be judged, and what happened."""
    instrument = samples.instrument
    range_j, max_w = instrument.range_j, instrument.max_power_w
    rise_j = np.diff(value)
    length_s = np.diff(time_s)
    u_j = np.zeros_like(rise_j)
    # What the hardware could have drawn between two readings, either of which may be an update period old.
    slack_s = length_s + instrument.update_period_s
    most_j = (
        np.full_like(rise_j, np.inf)
        if max_w is None
        else max_w * slack_s * (1 + instrument.accuracy_relative) + instrument.quantum
    )
    plain = (rise_j >= 0) & (rise_j <= most_j)
    if range_j is not None:
        plain &= rise_j + range_j > most_j if max_w is not None else True
    if plain.all():
        return rise_j, u_j, []
    seen_w = rise_j[plain] / slack_s[plain]
    events: list[Event] = []
    for i in np.flatnonzero(~plain):
        begin_s, end_s = float(time_s[i]), float(time_s[i + 1])
        typical_j = _typical_power_w(rise_j, slack_s, plain, int(i)) * slack_s[i]
        if range_j is not None:
            fewest = 0 if rise_j[i] >= 0 else 1
            believable_j = most_j[i]
            if max_w is None:
                seen = float(seen_w.max()) if len(seen_w) and seen_w.max() > 0 else np.inf
                believable_j = _BELIEVABLE_MULTIPLE * seen * slack_s[i] + instrument.quantum
            if rise_j[i] + fewest * range_j <= believable_j:
                most = fewest if max_w is None else int((most_j[i] - rise_j[i]) // range_j)
                wraps = fewest
                if most > fewest:
                    guess = np.nan_to_num((typical_j - rise_j[i]) / range_j, nan=(most + fewest) / 2)
                    wraps = int(np.clip(round(float(guess)), fewest, most))
                    u_j[i] = range_j * np.sqrt(((most - fewest + 1) ** 2 - 1) / 12)
                    events.append(Event("wrap_ambiguous", begin_s, end_s))
                if wraps:
                    events.append(Event("wrap", begin_s, end_s))
                rise_j[i] += wraps * range_j
                continue
        # A reset: at least what the counter shows now was used since; what was used before it is lost.
        least_j = float(value[i + 1]) if value[i + 1] <= most_j[i] and rise_j[i] < 0 else 0.0
        if max_w is not None:
            highest_j = max(float(max_w * slack_s[i]), least_j)
            middle_j = (
                float(np.clip(typical_j, least_j, highest_j))
                if np.isfinite(typical_j)
                else (least_j + highest_j) / 2
            )
            half_j = (
                max(highest_j - middle_j, middle_j - least_j)
                if not np.isfinite(typical_j)
                else (highest_j - least_j) / 2
            )
        elif np.isfinite(typical_j):
            middle_j = max(least_j, float(typical_j))
            half_j = middle_j
        else:
            raise SeriesError(
                f"channel {samples.channel}: the counter went from {value[i]:g} J to {value[i + 1]:g} J "
                f"between {begin_s:.3f} s and {end_s:.3f} s and nothing bounds what was used; give the "
                f"instrument its range_j or max_power_w, or leave these readings out of the window"
            )
        rise_j[i] = middle_j
        u_j[i] = half_j / np.sqrt(3)
        events.append(Event("reset", begin_s, end_s))
    return rise_j, u_j, events


def _typical_power_w(rise_j: Array, length_s: Array, plain: NDArray[np.bool_], i: int) -> float:
    """Mean power of the nearest plain interval on either side; NaN if there is none."""
    before = np.flatnonzero(plain[:i])[-1:]
    after = i + 1 + np.flatnonzero(plain[i + 1 :])[:1]
    near = np.concatenate((before, after))
    duration_s = float(length_s[near].sum())
    return float(rise_j[near].sum()) / duration_s if duration_s > 0 else float("nan")
