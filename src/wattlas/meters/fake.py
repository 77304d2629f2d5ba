"""A meter that measures nothing: constant power, for tests and for trying what needs a meter.

Copy this file to begin a meter of your own; `docs/extending.md` says what to change.
"""

from wattlas.core.clock import Clock
from wattlas.core.errors import MeterEndedError, UsageError
from wattlas.meters.base import Channel, Reading
from wattlas.meters.options import number
from wattlas.power.instrument import Instrument


class FakeMeter:
    """Constant power from its opening on, as a counter that wraps if given a range, or as a gauge.

    Its energies are `simulated`.

    Args:
        clock: tells the time of each reading.
        power_w: what it reports.
        kind: `counter` or `gauge`.
        range_j: where a counter starts again at zero.
    """

    name = "fake"

    def __init__(
        self, clock: Clock, power_w: str = "50", kind: str = "counter", range_j: str | None = None
    ) -> None:
        if kind not in ("counter", "gauge"):
            raise UsageError(f"meter 'fake': kind is {kind!r}; give counter or gauge")
        self._clock = clock
        self._power_w = number(self.name, "power_w", power_w)
        self._range_j = None if range_j is None else number(self.name, "range_j", range_j, 1e-3)
        self._opened_s = clock.monotonic_s()
        self._closed = False
        instrument = Instrument(
            kind="gauge" if kind == "gauge" else "counter",
            quantum=0.0,
            update_period_s=0.0,
            accuracy_relative=0.0,
            range_j=self._range_j,
            accuracy_source="exact: it is simulated",
        )
        self._channel = Channel("fake:node", "node", instrument, source="simulated")

    def channels(self) -> tuple[Channel, ...]:
        """One channel of the node."""
        return (self._channel,)

    def read(self) -> tuple[Reading, ...]:
        """The power, or the energy since the meter was opened."""
        if self._closed:
            raise MeterEndedError("the fake meter is closed; open it again")
        now_s = self._clock.monotonic_s()
        value = self._power_w
        if self._channel.instrument.kind == "counter":
            value *= now_s - self._opened_s
            if self._range_j is not None:
                value %= self._range_j
        return (Reading(self._channel.id, now_s, now_s, value),)

    def close(self) -> None:
        """Nothing is open."""
        self._closed = True
