"""Gauge readings made into a power profile: impossible values dropped, means held, spot values joined."""

import numpy as np

from wattlas.core.errors import SeriesError
from wattlas.power.profile import Event, Profile, informative, shares_of_gaps, typical_spacing_s
from wattlas.power.samples import Samples


def gauge_profile(samples: Samples) -> Profile:
    """Power over time from gauge readings.

    An averaged reading is the mean over the update period before it, and is held over that period; with no
    update period it is held back to the reading before. A spot value is of its instant. Stretches that no
    reading describes are bridged by a straight line between their ends. A known delay moves all back. Of a
    known averaging window, a shorter one than the update period is all that is held; a longer one overlaps
    with the next, and its middle is held.

    Raises `SeriesError` if no reading is usable.
    """
    instrument = samples.instrument
    limit_w = np.inf if instrument.max_power_w is None else instrument.max_power_w
    bad = ~(np.isfinite(samples.value) & (samples.value >= 0) & (samples.value <= limit_w))
    events = [Event("rejected", float(t), float(t)) for t in samples.time_s[bad]]
    time_s, value = samples.time_s[~bad], samples.value[~bad]
    if len(value) == 0:
        raise SeriesError(
            f"channel {samples.channel}: none of {len(samples)} gauge readings is a possible power (finite, "
            f"not negative, at most {limit_w:g} W); check the meter and the instrument's max_power_w"
        )
    width_s = (samples.after_s - samples.before_s)[~bad]
    keep, stale_s = informative(time_s, value, instrument.update_period_s)
    stamp_s = np.maximum.accumulate(time_s[keep] - stale_s[keep] / 2)
    value, width_s, stale_s = value[keep], width_s[keep], stale_s[keep]
    distinct = np.append(True, np.diff(stamp_s) > 0)
    stamp_s, value, width_s, stale_s = (
        stamp_s[distinct],
        value[distinct],
        width_s[distinct],
        stale_s[distinct],
    )

    spacing_s = np.diff(stamp_s)
    usual_s = float(np.median(spacing_s)) if len(spacing_s) else 0.0
    first_s = instrument.update_period_s or usual_s
    smear_s, whole = 0.0, True
    if instrument.window_s is not None:
        whole = instrument.window_s >= instrument.update_period_s
        first_s = min(instrument.window_s, max(instrument.update_period_s, usual_s))
        smear_s = instrument.window_s - first_s
    stamp_s = stamp_s - instrument.delay_s - smear_s / 2
    is_gap = shares_of_gaps(spacing_s, typical_spacing_s(spacing_s, instrument.update_period_s))
    described_s = np.zeros(len(value))
    if instrument.averaging == "averaged":
        described_s[0] = first_s
        described_s[1:] = np.minimum(first_s, spacing_s)
        # Polled within an update period, no mean was missed: each begins where the one before it ends.
        seen = (
            whole & ~is_gap & ((instrument.update_period_s == 0) | (stale_s[1:] < instrument.update_period_s))
        )
        described_s[1:][seen] = spacing_s[seen]

    # Two segments a reading: the stretch nobody described, then the one the reading is the mean of.
    begin_s = np.concatenate(([stamp_s[0] - described_s[0]], stamp_s[:-1]))
    middle_s = stamp_s - described_s
    middle_s[0] = begin_s[0]
    edge_s = np.append(np.column_stack((begin_s, middle_s)).ravel(), stamp_s[-1])
    edge_s = np.maximum.accumulate(edge_s)
    previous_w = np.concatenate((value[:1], value[:-1]))
    left_w = np.column_stack((previous_w, value)).ravel()
    right_w = np.column_stack((value, value)).ravel()
    known = np.tile([False, True], len(value))
    gap = np.column_stack((np.append(False, is_gap), np.zeros(len(value), dtype=bool))).ravel()
    real = np.diff(edge_s) > 0
    length_s = np.diff(edge_s)[real]
    left_w, right_w, known, gap = left_w[real], right_w[real], known[real], gap[real]
    return Profile(
        kind="gauge",
        edge_s=np.append(edge_s[:-1][real], edge_s[-1]),
        left_w=left_w,
        right_w=right_w,
        prefix_j=np.concatenate(([0.0], np.cumsum((left_w + right_w) / 2 * length_s))),
        reading_w=value,
        reading=np.repeat(np.arange(len(value)), 2)[real],
        timing_s=np.repeat(np.hypot(stale_s, width_s), 2)[real],
        known=known,
        gap=gap,
        u_segment_j=np.zeros(len(length_s)),
        events=tuple(events),
        smear_s=smear_s,
    )
