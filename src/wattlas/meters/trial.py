"""A trial of a meter: its readings while a load goes on and off at random times."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wattlas.core.clock import Clock
from wattlas.core.errors import MeterRetryError, SeriesError, UsageError
from wattlas.meters.base import Meter
from wattlas.power.samples import Samples
from wattlas.power.updates import Trace, find_updates

Array = NDArray[np.float64]

SHORTEST_S, LONGEST_S = 5.0, 7200.0
# The load begins so long after the burst: its processes take that long to start.
LEAD_S = 0.7
# As fast as the meter answers, but for this pause; fast enough to tell a period of half a millisecond.
_BURST_S, _BURST_PAUSE_S = 0.5, 1e-4
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.005, 0.05
_POLLS_PER_PERIOD = 8
_SHORTEST_ON_S, _LONGEST_ON_S = 0.1, 2.0


class SwitchedLoad(Protocol):
    """Something that draws power when it is told to."""

    def start(self, edge_s: Sequence[float]) -> None:
        """Get ready to go on at the first of these monotonic times, off at the second, and so on."""
        ...

    def stop(self) -> tuple[Array, float]:
        """End it: the times at which it really went on and off, and their common standard uncertainty."""
        ...

    def abort(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True)
class Trial:
    """What a trial gave: edges of the load, and readings by channel, of the trial and of a fast burst."""

    edge_s: Array
    u_edge_s: float
    traces: dict[str, Trace]
    bursts: dict[str, Trace]


def random_edges(random: np.random.Generator, begin_s: float, end_s: float, longest_on_s: float) -> Array:
    """On, off, on, …, off between two times, each state held for a log-uniform time.

    A random square wave has no period that a meter's own could beat with, and tells delays apart however
    long they are.
    """
    shortest_s = min(_SHORTEST_ON_S, longest_on_s / 4)
    edges = [begin_s]
    while edges[-1] < end_s:
        edges.append(edges[-1] + float(np.exp(random.uniform(np.log(shortest_s), np.log(longest_on_s)))))
    edges.pop()
    return np.array(edges[: len(edges) // 2 * 2])


def run_trial(
    meter: Meter, clock: Clock, load: SwitchedLoad, duration_s: float, seed: int | None = None
) -> Trial:
    """Read a meter at random intervals while a load goes on and off; about `duration_s` in all.

    Raises:
        UsageError: the duration is none that a trial can take.
        MeterError: the meter is lost or at its end.
    """
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise UsageError(f"the duration is {duration_s:g} s; give {SHORTEST_S:g} to {LONGEST_S:g} s")
    random = np.random.default_rng(seed)
    log = _Log(meter, clock)
    begin_s = clock.monotonic_s()
    log.poll_until(begin_s + _BURST_S, _BURST_PAUSE_S, random)
    bursts, burst_polls = log.traces(), log.polls
    period_s = _period_s(bursts)
    poll_s = 0.0 if period_s is None else period_s / _POLLS_PER_PERIOD
    # A meter that is slow to answer is not asked all the time.
    busy_s = 2 * max(clock.monotonic_s() - begin_s, 0.0) / max(burst_polls, 1)
    poll_s = float(np.clip(max(poll_s, busy_s), _SHORTEST_POLL_S, _LONGEST_POLL_S))
    longest_on_s = min(max(_LONGEST_ON_S, 4 * (period_s or 0.0)), duration_s / 10)
    end_s = begin_s + duration_s
    edges = random_edges(random, clock.monotonic_s() + LEAD_S, end_s - longest_on_s / 2, longest_on_s)
    log = _Log(meter, clock)
    load.start(edges.tolist())
    try:
        log.poll_until(end_s, poll_s, random)
    except BaseException:
        load.abort()
        raise
    edge_s, u_edge_s = load.stop()
    return Trial(edge_s, u_edge_s, log.traces(), bursts)


def _period_s(bursts: dict[str, Trace]) -> float | None:
    """The shortest update period that the bursts tell, if any does."""
    told = []
    for trace in bursts.values():
        try:
            told.append(find_updates(trace).period_s)
        except SeriesError:
            continue  # too slow to change often enough in a burst: the trial will tell
    return min(told, default=None)


class _Log:
    """Readings of a meter's channels in order of time."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter, self._clock = meter, clock
        self._columns = {c.id: tuple(array("d") for _ in range(4)) for c in meter.channels()}
        self.polls = 0

    def poll_until(self, end_s: float, poll_s: float, random: np.random.Generator) -> None:
        """Read every half to one and a half `poll_s`, so that polls are in step with nothing."""
        while self._clock.monotonic_s() < end_s:
            self.polls += 1
            try:
                for reading in self._meter.read():
                    device_s = np.nan if reading.device_s is None else reading.device_s
                    row = (reading.before_s, reading.after_s, reading.value, device_s)
                    for column, item in zip(self._columns[reading.channel], row, strict=True):
                        column.append(item)
            except MeterRetryError:
                pass  # as good as a poll that was not made
            self._clock.sleep(poll_s * random.uniform(0.5, 1.5))

    def traces(self) -> dict[str, Trace]:
        """What was read, by channel that answered."""
        found = {}
        for channel in self._meter.channels():
            before_s, after_s, value, device_s = (np.array(c) for c in self._columns[channel.id])
            if len(value):
                timed = bool(np.isfinite(device_s).all())
                samples = Samples(channel.id, channel.instrument, before_s, after_s, value)
                found[channel.id] = Trace(samples, device_s if timed else None)
        return found
