"""Time is passed in: a monotonic clock that all processes of a host share, tied to UTC by one anchor."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What Wattlas asks of a clock. Monotonic seconds are comparable between processes of one host."""

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary epoch of this boot, never going back."""
        ...

    def utc_s(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z, as the host believes them."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Wait for `duration_s` seconds."""
        ...


class SystemClock:
    """The host's own clocks: CLOCK_MONOTONIC for windows and CLOCK_REALTIME for the anchor."""

    def monotonic_s(self) -> float:
        """Seconds of CLOCK_MONOTONIC, the same for every process of the host."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def utc_s(self) -> float:
        """Seconds of CLOCK_REALTIME."""
        return time.time()

    def sleep(self, duration_s: float) -> None:
        """Block the calling thread."""
        time.sleep(duration_s)


@dataclass
class ManualClock:
    """A clock for tests that moves only when told, or when something sleeps on it."""

    now_s: float = 1000.0
    utc_offset_s: float = 1.7e9

    def monotonic_s(self) -> float:
        """The time the clock was set to."""
        return self.now_s

    def utc_s(self) -> float:
        """The monotonic time moved by the offset."""
        return self.now_s + self.utc_offset_s

    def sleep(self, duration_s: float) -> None:
        """Advance at once."""
        self.now_s += duration_s


@dataclass(frozen=True)
class UtcAnchor:
    """One simultaneous reading of both clocks; the only way from monotonic time to UTC."""

    monotonic_s: float
    utc_s: float

    @classmethod
    def of(cls, clock: Clock) -> "UtcAnchor":
        """Read both clocks, the monotonic one before and after, and keep its midpoint."""
        before = clock.monotonic_s()
        utc = clock.utc_s()
        after = clock.monotonic_s()
        return cls((before + after) / 2, utc)

    def to_utc_s(self, monotonic_s: float) -> float:
        """UTC seconds of a monotonic time."""
        return self.utc_s + (monotonic_s - self.monotonic_s)

    def to_datetime(self, monotonic_s: float) -> datetime:
        """Timezone-aware UTC datetime of a monotonic time, to the microsecond."""
        return datetime.fromtimestamp(self.to_utc_s(monotonic_s), UTC)
