"""Reads meters at an interval, a thread each: a slow meter delays neither training nor another meter."""

import math
import os
import select
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattlas.core.clock import Clock
from wattlas.core.errors import MeterEndedError, MeterRetryError, MeterUnavailableError, UsageError
from wattlas.meters.base import Meter
from wattlas.meters.recording import Recording
from wattlas.power.samples import Samples

# How long an edge of a window waits for its extra sample. A meter slower than that gives none.
EDGE_WAIT_S = 0.2
_STOP_WAIT_S = 2.0


@dataclass(frozen=True)
class SamplerReport:
    """How sampling of one meter went: reads, failed reads, how late they were, and why it ended if it did."""

    meter: str
    n_reads: int
    n_failed: int
    mean_late_s: float
    max_late_s: float
    ended: str = ""


class Sampler:
    """Reads every meter each `interval_s` from `start` to `stop`.

    Reads are due at fixed times after the start; what is missed is left out, not made up for. A read that
    fails leaves a gap, which the energy is flagged with. A meter that is lost or at its end is read no more,
    and the report says why.
    """

    def __init__(self, meters: Sequence[Meter], interval_s: float, clock: Clock) -> None:
        if not interval_s > 0:
            raise UsageError(f"the sampling interval is {interval_s} s; give more than 0")
        self._polls = [_Poll(meter, interval_s, clock) for meter in meters]

    def start(self) -> None:
        """Take a first sample of each meter, and go on."""
        for poll in self._polls:
            poll.start()
        for poll in self._polls:
            poll.wait_for_next(_STOP_WAIT_S)

    def stop(self) -> None:
        """Take no more samples. Those that were taken stay."""
        for poll in self._polls:
            poll.stop()

    def sample_now(self) -> None:
        """Take one extra sample of each meter, at the edge of a window; wait `EDGE_WAIT_S` at most."""
        for poll in self._polls:
            poll.wake()
        for poll in self._polls:
            poll.wait_for_next(EDGE_WAIT_S)

    def samples(self, start_s: float, end_s: float) -> Mapping[str, Samples]:
        """Samples of the window and their neighbours on both sides, by channel that has any."""
        return {k: v for poll in self._polls for k, v in poll.samples(start_s, end_s).items()}

    def forget(self, before_s: float) -> None:
        """Drop samples that no window from `before_s` on needs."""
        for poll in self._polls:
            poll.forget(before_s)

    def reports(self) -> tuple[SamplerReport, ...]:
        """How sampling goes, a report a meter."""
        return tuple(poll.report() for poll in self._polls)


class _Poll:
    """The thread of one meter."""

    def __init__(self, meter: Meter, interval_s: float, clock: Clock) -> None:
        self._meter, self._interval_s, self._clock = meter, interval_s, clock
        self._recording = Recording(meter.channels())
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"meter {meter.name}", daemon=True)
        # The thread sleeps on a pipe: a condition with a time-out costs half as much again.
        self._alarm, self._ring = os.pipe()
        self._stopping = False
        # An asked-for read begins after the wish, so reads begun and reads done are counted apart.
        self._wanted = self._begun = self._done = 0
        self._n_failed, self._late_s, self._max_late_s = 0, 0.0, 0.0
        self._n_timed = 0
        self._ended = ""
        self._broken: BaseException | None = None

    def start(self) -> None:
        self._wanted = 1
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            already, self._stopping = self._stopping, True
            self._changed.notify_all()
        if already:
            return
        os.close(self._ring)  # wakes the thread
        if self._thread.is_alive():
            self._thread.join(_STOP_WAIT_S)
        if not self._thread.is_alive():
            os.close(self._alarm)
        self._raise_if_broken()

    def wake(self) -> None:
        with self._changed:
            self._wanted = self._begun + 1
            if not self._over():
                os.write(self._ring, b"!")

    def wait_for_next(self, timeout_s: float) -> None:
        with self._changed:
            wanted = self._wanted
            self._changed.wait_for(lambda: self._done >= wanted or self._over(), timeout_s)
        self._raise_if_broken()

    def samples(self, start_s: float, end_s: float) -> Mapping[str, Samples]:
        with self._changed:
            return self._recording.samples(start_s, end_s, self._interval_s)

    def forget(self, before_s: float) -> None:
        with self._changed:
            self._recording.forget(before_s)

    def report(self) -> SamplerReport:
        with self._changed:
            mean_s = self._late_s / self._n_timed if self._n_timed else 0.0
            n_reads = self._done - self._n_failed
            return SamplerReport(
                self._meter.name, n_reads, self._n_failed, mean_s, self._max_late_s, self._ended
            )

    def _over(self) -> bool:
        return bool(self._stopping or self._ended or self._broken)

    def _raise_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _run(self) -> None:
        try:
            self._poll()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks next
            with self._changed:
                self._broken = error
                self._changed.notify_all()

    def _poll(self) -> None:
        alarm = select.poll()
        alarm.register(self._alarm, select.POLLIN)
        due_s = self._clock.monotonic_s()
        while True:
            wait_s = due_s - self._clock.monotonic_s()
            if wait_s > 0 and alarm.poll(math.ceil(wait_s * 1e3)) and not self._stopping:
                os.read(self._alarm, 64)
            with self._changed:
                if self._stopping:
                    return
                self._begun += 1
            now_s = self._clock.monotonic_s()
            self._read()
            with self._changed:
                self._done = self._begun
                if now_s >= due_s:
                    late_s = now_s - due_s
                    self._n_timed += 1
                    self._late_s += late_s
                    self._max_late_s = max(self._max_late_s, late_s)
                    # The next due time that is still to come.
                    missed = max(self._clock.monotonic_s() - due_s, 0.0) // self._interval_s
                    due_s += (missed + 1) * self._interval_s
                self._changed.notify_all()
                if self._ended:
                    return

    def _read(self) -> None:
        try:
            readings = self._meter.read()
        except MeterRetryError:
            with self._changed:
                self._n_failed += 1
            return
        except (MeterEndedError, MeterUnavailableError) as error:
            with self._changed:
                self._n_failed += 1
                self._ended = str(error)
            return
        with self._changed:
            self._recording.add(readings)
