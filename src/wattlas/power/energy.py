"""The energy of a window from the samples of one channel, with its uncertainty budget."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import SeriesError
from wattlas.power.budget import Budget
from wattlas.power.counter import counter_profile
from wattlas.power.gauge import gauge_profile
from wattlas.power.profile import Profile
from wattlas.power.samples import Samples
from wattlas.power.uncertainty import Energy

Array = NDArray[np.float64]

# A counter of live hardware that does not move for so long is stuck: its 0 J are no measurement.
_FROZEN_S = 1.0
_FROZEN_PERIODS = 10


def window_energy(samples: Samples, start_s: float, end_s: float) -> Energy:
    """Energy of [start_s, end_s), its uncertainty by cause and what happened meanwhile.

    A counter's energy is the difference of its unwrapped readings, interpolated at both edges; a gauge's is
    the integral of its readings, averaged ones held over the period they are the mean of and spot values
    joined by lines. E[a, c) = E[a, b) + E[b, c) to rounding. Give the neighbours on both sides of the window:
    where samples do not reach an edge, the nearest power is taken to go on, and the flags say so.

    Args:
        samples: of one channel, sorted by time.
        start_s: beginning of the window, monotonic seconds.
        end_s: its end, not included.

    Raises:
        SeriesError: the window is not one, or no energy can be told from the samples.
    """
    energy_j, terms, flags = _windows(samples, start_s, np.array([end_s], dtype=np.float64))
    return Energy(float(energy_j[0]), {k: float(v[0]) for k, v in terms.items()}, flags, start_s, end_s)


def cumulative_energy(
    samples: Samples, start_s: float, times_s: Sequence[float] | Array
) -> tuple[Array, Array]:
    """Energy from `start_s` to each of `times_s`, and its standard uncertainty, both [n] in J.

    The same as `window_energy` of each window, from one pass over the samples.

    Raises:
        SeriesError: a time lies before the start, or no energy can be told from the samples.
    """
    energy_j, terms, _ = _windows(samples, start_s, np.asarray(times_s, dtype=np.float64))
    return energy_j, np.sqrt(sum((u_j**2 for u_j in terms.values()), start=np.zeros_like(energy_j)))


def _windows(
    samples: Samples, start_s: float, end_s: Array
) -> tuple[Array, dict[str, Array], tuple[str, ...]]:
    if not (np.isfinite(start_s) and np.isfinite(end_s).all() and (end_s >= start_s).all()):
        raise SeriesError(
            f"channel {samples.channel}: a window from {start_s} to {end_s.max(initial=start_s)} s is none; "
            f"give finite times, the end not before the start"
        )
    profile = (counter_profile if samples.instrument.kind == "counter" else gauge_profile)(samples)
    start = np.full_like(end_s, start_s)
    energy_j = profile.energy_j(end_s) - profile.energy_j(start)
    budget = Budget(profile, samples.instrument)
    terms = budget.terms(start, end_s, energy_j)
    last_s = float(end_s.max(initial=start_s))
    return energy_j, terms, _flags(profile, samples, start_s, last_s)


def _flags(profile: Profile, samples: Samples, start_s: float, end_s: float) -> tuple[str, ...]:
    """What happened in the window, each once, in order of first mention."""
    flags = [e.flag for e in profile.events if e.end_s >= start_s and e.start_s <= end_s]
    overlaps = (profile.edge_s[1:] > start_s) & (profile.edge_s[:-1] < end_s)
    if (profile.gap & overlaps).any():
        flags.append("gap")
    # A value may be an update period old, so that much at an edge is no missing sample.
    slack_s = samples.instrument.update_period_s + float(np.median(samples.after_s - samples.before_s))
    if start_s < profile.edge_s[0] - slack_s:
        flags.append("uncovered_start")
    if end_s > profile.edge_s[-1] + slack_s:
        flags.append("uncovered_end")
    long_s = max(_FROZEN_S, _FROZEN_PERIODS * samples.instrument.update_period_s)
    if profile.kind == "counter" and end_s - start_s >= long_s and not profile.left_w[overlaps].any():
        flags.append("frozen")
    return tuple(dict.fromkeys(flags))
