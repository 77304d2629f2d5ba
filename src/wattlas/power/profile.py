"""Power as a function of time, told from samples: the one thing that windows are integrated over."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# An interval this many times longer than the typical one has lost at least one sample.
GAP_FACTOR = 1.75


@dataclass(frozen=True)
class Event:
    """Something a reader must know of the samples, and when it happened."""

    flag: str
    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Profile:
    """Piecewise linear power over k segments, with what their uncertainty follows from.

    Attributes:
        kind: of the channel it was made from.
        edge_s: [k + 1] segment borders, rising.
        left_w: [k] power at the beginning of each segment.
        right_w: [k] power at its end.
        prefix_j: [k + 1] energy from the first border to each.
        reading_w: successive powers as read (for a counter: mean power between readings).
        reading: [k] which of them each segment ends with.
        timing_s: full width of what is not known of the borders' times; [k + 1] for a counter, [k] for a
            gauge.
        known: [k] whether readings say the segment's energy, rather than a line between its ends.
        gap: [k] whether samples are missing there.
        u_segment_j: [k] standard uncertainty of a segment's energy where it had to be judged (resets).
        events: what happened.
        smear_s: how much longer than its segment the power is that a reading is the mean of.
    """

    kind: Literal["counter", "gauge"]
    edge_s: Array
    left_w: Array
    right_w: Array
    prefix_j: Array
    reading_w: Array
    reading: NDArray[np.intp]
    timing_s: Array
    known: NDArray[np.bool_]
    gap: NDArray[np.bool_]
    u_segment_j: Array
    events: tuple[Event, ...]
    smear_s: float = 0.0

    def segment(self, time_s: Array) -> NDArray[np.intp]:
        """Segment that each time falls in; the first or last one for times outside."""
        return np.clip(
            np.searchsorted(self.edge_s, time_s, side="right") - 1, 0, max(len(self.left_w) - 1, 0)
        )

    def energy_j(self, time_s: Array) -> Array:
        """Energy from the first border to each time; outside, the power at the end is taken to go on."""
        if len(self.left_w) == 0:
            return np.asarray(self.reading_w[0] * (time_s - self.edge_s[0]), dtype=np.float64)
        j = self.segment(time_s)
        length_s = self.edge_s[j + 1] - self.edge_s[j]
        inside_s = np.clip(time_s, self.edge_s[0], self.edge_s[-1]) - self.edge_s[j]
        ramp_w = (self.right_w[j] - self.left_w[j]) * inside_s / length_s
        # The far half is counted from the far border, so that a border's energy is exactly its prefix.
        rest_s = length_s - inside_s
        power_w = self.left_w[j] + ramp_w
        energy_j = np.where(
            inside_s <= length_s / 2,
            self.prefix_j[j] + (self.left_w[j] + power_w) / 2 * inside_s,
            self.prefix_j[j + 1] - (self.right_w[j] + power_w) / 2 * rest_s,
        )
        before_s = np.minimum(time_s - self.edge_s[0], 0.0)
        after_s = np.maximum(time_s - self.edge_s[-1], 0.0)
        return np.asarray(energy_j + self.left_w[0] * before_s + self.right_w[-1] * after_s, dtype=np.float64)

    def power_w(self, time_s: Array) -> Array:
        """Power at each time, the one after a step."""
        if len(self.left_w) == 0:
            return np.full_like(time_s, self.reading_w[0])
        j = self.segment(time_s)
        inside = np.clip((time_s - self.edge_s[j]) / (self.edge_s[j + 1] - self.edge_s[j]), 0.0, 1.0)
        return np.asarray(self.left_w[j] + (self.right_w[j] - self.left_w[j]) * inside, dtype=np.float64)


def informative(time_s: Array, value: Array, update_period_s: float) -> tuple[NDArray[np.bool_], Array]:
    """Which readings tell something new, and how old each value may be at its reading.

    A value read again within an update period of when it was first seen is the meter's old one. One that is
    new was written since the reading before, so its age is below the lesser of the update period and the
    time between the two readings.
    """
    n = len(value)
    stale_s = np.full(n, update_period_s)
    keep = np.ones(n, dtype=bool)
    if n < 2:
        return keep, stale_s
    changed = np.append(True, np.diff(value) != 0)
    stale_s[1:] = np.minimum(update_period_s, np.diff(time_s))
    first_seen_s = np.maximum.accumulate(np.where(changed, time_s, -np.inf))
    keep = changed | (time_s - first_seen_s >= update_period_s)
    if update_period_s > 0:
        # A frozen value is told once an update period, not at every poll.
        period = np.floor((time_s - first_seen_s) / update_period_s)
        keep &= changed | (np.append(-1.0, period[:-1]) != period)
    return keep, stale_s


def typical_spacing_s(spacing_s: Array, update_period_s: float) -> float:
    """The spacing that gaps are judged by: the median one, or the update period if that is longer."""
    return max(float(np.median(spacing_s)) if len(spacing_s) else 0.0, update_period_s)


def shares_of_gaps(spacing_s: Array, typical_s: float) -> NDArray[np.bool_]:
    """Whether each interval is a gap: longer than `GAP_FACTOR` times the typical spacing."""
    return np.asarray(spacing_s > GAP_FACTOR * typical_s, dtype=bool)
