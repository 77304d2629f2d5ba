"""A channel's readings in order of time: what an energy is told from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import SeriesError
from wattlas.power.instrument import Instrument


@dataclass(frozen=True, eq=False)
class Samples:
    """Readings of one channel, sorted by time, with the times around each read.

    Give the neighbours on both sides of a window too: its edges are interpolated between them. Times are
    monotonic seconds and must be finite; a value may be anything the meter said (NaN, a sentinel), for what
    is impossible is dropped, and flagged, when the energy is told.

    Attributes:
        channel: the channel's id, used in messages.
        instrument: the channel's metrological description.
        before_s: [n], time just before each read.
        after_s: [n], time just after it.
        value: [n], J for a counter, W for a gauge.
    """

    channel: str
    instrument: Instrument
    before_s: NDArray[np.float64]
    after_s: NDArray[np.float64]
    value: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("before_s", "after_s", "value"):
            array = np.array(
                getattr(self, name), dtype=np.float64
            )  # a copy, so that nobody else can change it
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        shapes = {self.before_s.shape, self.after_s.shape, self.value.shape}
        if len(shapes) != 1 or self.value.ndim != 1:
            raise SeriesError(
                f"channel {self.channel}: before_s, after_s and value have shapes {self.before_s.shape}, "
                f"{self.after_s.shape} and {self.value.shape}; give three vectors of one length"
            )
        if not (np.isfinite(self.before_s).all() and np.isfinite(self.after_s).all()):
            raise SeriesError(
                f"channel {self.channel}: a sample has no finite time; drop it where it is read"
            )
        if (self.after_s < self.before_s).any():
            raise SeriesError(
                f"channel {self.channel}: a read ends before it begins; check the clock it is timed by"
            )
        if (np.diff(self.before_s) < 0).any() or (np.diff(self.after_s) < 0).any():
            raise SeriesError(
                f"channel {self.channel}: samples are not in order of time; sort them by before_s"
            )

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Midpoints of the reads: the times the values are taken to be of."""
        return np.asarray(self.before_s + (self.after_s - self.before_s) / 2, dtype=np.float64)

    def __len__(self) -> int:
        return len(self.value)
