"""What a run does before it trains, learned from all runs: one reading a minute seldom shows it.

Runs begin with a start-up of a length and a power above idle that depend on the kind of node alone. The first
reading, h after the start, is of the start-up if h is less than its length; the length is where the first
readings of the runs change from one to the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Fewer runs with a plain step say nothing, and neither do fewer on the far side of it.
_FEWEST, _FEWEST_BEYOND = 30, 5
_LEAST_STEP_W = 15.0
_LEAST_U_S = 1.0


@dataclass(frozen=True)
class Startup:
    """Of one kind of node.

    Attributes:
        power_w, u_power_w: above the node's idle power, and how much it differs between runs.
        duration_s, u_duration_s: likewise.
        step_w, u_step_w: what training draws above it.
        n_runs: that it was learned from.
    """

    power_w: float
    u_power_w: float
    duration_s: float
    u_duration_s: float
    step_w: float
    u_step_w: float
    n_runs: int


def learn(
    since_s: Floats, first_w: Floats, second_w: Floats, idle_w: Floats, spacing_s: float
) -> Startup | None:
    """The start-up of runs whose first readings came `since_s` after their start, or None.

    `first_w` and `second_w` are the first two readings. None if a minute does not show where it ends, or too
    few runs do.
    """
    good = np.isfinite(idle_w) & (since_s < spacing_s)
    since_s, first_w, second_w = since_s[good], (first_w - idle_w)[good], (second_w - idle_w)[good]
    early = since_s < spacing_s / 2
    if early.sum() < _FEWEST:
        return None
    power_w = float(np.median(first_w[early]))
    step_w = second_w - power_w
    plain = step_w > _LEAST_STEP_W
    if plain.sum() < _FEWEST:
        return None
    order = np.argsort(since_s[plain], kind="stable")
    h = since_s[plain][order]
    training = (first_w[plain] > power_w + step_w[plain] / 2)[order]
    # Wrong sides for a length just after each reading, and for one of zero.
    wrong = np.concatenate(([0], np.cumsum(training))) + np.append(np.cumsum(~training[::-1])[::-1], 0)
    best = int(wrong.argmin())
    if len(h) - best < _FEWEST_BEYOND or best < _FEWEST:
        return None
    duration_s = float((h[best - 1] + h[best]) / 2)
    astray = np.where(h < duration_s, training, ~training)
    # Of a normal length, readings spread evenly over the minute: sum |h - length| = n s² / (2 · minute).
    spread_s = float(np.sqrt(2 * np.abs(h - duration_s)[astray].sum() * spacing_s / len(h)))
    quiet = first_w[early]
    return Startup(
        power_w=power_w,
        u_power_w=float(1.4826 * np.median(np.abs(quiet - power_w))),
        duration_s=duration_s,
        u_duration_s=float(np.hypot(spread_s, _LEAST_U_S)),
        step_w=float(np.mean(step_w[plain])),
        u_step_w=float(np.std(step_w[plain])),
        n_runs=int(plain.sum()),
    )


@dataclass(frozen=True)
class StartCorrection:
    """[m] what the start-up changes of each run.

    Attributes:
        energy_j, u_energy_j: to add, and what it leaves unsure.
        first_weight_s, second_weight_s: by how much longer the first two readings count.
        settled: true where it stands for the step of the first interval.
    """

    energy_j: Floats
    u_energy_j: Floats
    first_weight_s: Floats
    second_weight_s: Floats
    settled: NDArray[np.bool_]


def correct(
    startup: Startup, since_s: Floats, interval_s: Floats, first_w: Floats, second_w: Floats, idle_w: Floats,
    duration_s: Floats,
) -> StartCorrection:  # fmt: skip
    """Put the step from start-up to training where it was, instead of half-way between two readings.

    `interval_s` [m] is the time from the first reading to the second, 0 if there is one only.
    """
    length, u_length = startup.duration_s, startup.u_duration_s
    above = first_w - idle_w - startup.power_w
    one = interval_s == 0
    step = np.where(one, startup.step_w, second_w - idle_w - startup.power_w)
    near = np.abs(since_s - length) <= 2 * u_length
    in_startup = np.where(near, above < step / 2, since_s < length)
    # The first reading is of the start-up: the step lies at its end, after that reading.
    at_s = np.clip(length, since_s, since_s + interval_s)
    later_s = np.where(one, 0.0, since_s + interval_s / 2 - at_s)
    change_w = second_w - first_w
    rest_s = np.maximum(duration_s - np.maximum(length, since_s), 0.0)
    after_j = np.where(one, startup.step_w * rest_s, change_w * later_s)
    u_after_j = np.where(
        one, np.hypot(startup.u_step_w * rest_s, startup.step_w * u_length), np.abs(change_w) * u_length
    )
    # It is of training: the whole start-up went unseen before it.
    hidden_s = np.minimum(length, since_s)
    before_j = -above * hidden_s
    u_before_j = np.hypot(above * u_length, startup.u_power_w * hidden_s)
    known = np.isfinite(idle_w)
    zero = np.zeros(len(since_s))
    return StartCorrection(
        np.where(known, np.where(in_startup, after_j, before_j), zero),
        np.where(known, np.where(in_startup, u_after_j, u_before_j), zero),
        np.where(known, np.where(in_startup, -later_s, -hidden_s), zero),
        np.where(known & in_startup, later_s, zero),
        known & in_startup,
    )
