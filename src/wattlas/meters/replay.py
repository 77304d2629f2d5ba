"""Recorded samples, played again: the same readings at the same intervals, beginning when it is opened."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wattlas.core.clock import Clock
from wattlas.core.errors import DataError, MeterEndedError, UsageError
from wattlas.meters.base import Channel, Reading
from wattlas.meters.options import number
from wattlas.power.instrument import Instrument

_COLUMNS = ("channel", "kind", "before_s", "after_s", "value")


class ReplayMeter:
    """Plays a recording in the columns of the `power` table: `channel`, `kind`, `before_s`, `after_s`,
    `value`.

    A read gives each channel's latest value at that time after the recording's beginning, as an instrument
    holds its value between updates. What is measured meanwhile is not what was recorded, so the source is
    `simulated`.

    Args:
        clock: tells the time of each reading.
        file: a CSV, or Parquet by its ending.
        accuracy_relative: half-width of the recorded instrument's accuracy class, as a fraction.
        range_j: where its counters start again at zero.

    Raises:
        DataError: the file cannot be read as a recording.
    """

    name = "replay"

    def __init__(
        self, clock: Clock, file: str, accuracy_relative: str = "0", range_j: str | None = None
    ) -> None:
        self._clock = clock
        accuracy = number(self.name, "accuracy_relative", accuracy_relative)
        span_j = None if range_j is None else number(self.name, "range_j", range_j, 1e-9)
        table = _recording(Path(file))
        self._tracks: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        channels = []
        for name in dict.fromkeys(table["channel"]):
            rows = np.array([c == name for c in table["channel"]])
            before_s, after_s, value = (np.asarray(table[c], dtype=np.float64)[rows] for c in _COLUMNS[2:])
            time_s = (before_s + after_s) / 2
            if not np.isfinite(time_s).all() or (np.diff(time_s) < 0).any():
                raise DataError(
                    f"{file}: times of channel {name} do not rise; sort the recording by before_s"
                )
            kinds = {k for k, chosen in zip(table["kind"], rows, strict=True) if chosen}
            if not kinds <= {"counter", "gauge"} or len(kinds) != 1:
                raise DataError(f"{file}: kind of channel {name} is {sorted(kinds)}; write counter or gauge")
            domain = str(name).partition(":")[2] or str(name)
            instrument = Instrument(
                kind="gauge" if kinds == {"gauge"} else "counter",
                quantum=0.0,
                update_period_s=float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0,
                accuracy_relative=accuracy,
                range_j=span_j if kinds == {"counter"} else None,
                accuracy_source="given" if accuracy else "",
            )
            channel = Channel(f"replay:{domain}", domain, instrument, source="simulated")
            if channel.id in self._tracks:
                raise DataError(f"{file}: two channels are of the domain {domain}; keep one")
            self._tracks[channel.id] = (time_s, value)
            channels.append(channel)
        self._channels = tuple(channels)
        self._begin_s = min(float(time_s[0]) for time_s, _ in self._tracks.values())
        self._end_s = max(float(time_s[-1]) for time_s, _ in self._tracks.values())
        self._opened_s = clock.monotonic_s()
        self._closed = False

    def channels(self) -> tuple[Channel, ...]:
        """One for each channel of the recording: `replay:<domain>`."""
        return self._channels

    def read(self) -> tuple[Reading, ...]:
        """Each channel's latest value; `MeterEndedError` after the last of them all."""
        now_s = self._clock.monotonic_s()
        recorded_s = self._begin_s + (now_s - self._opened_s)
        if self._closed or recorded_s > self._end_s:
            raise MeterEndedError("the recording is at its end; open it again")
        readings = []
        for channel in self._channels:
            time_s, value = self._tracks[channel.id]
            i = int(np.searchsorted(time_s, recorded_s, side="right")) - 1
            if i >= 0:
                readings.append(Reading(channel.id, now_s, now_s, float(value[i]), float(time_s[i])))
        return tuple(readings)

    def close(self) -> None:
        """End the recording."""
        self._closed = True


def _recording(path: Path) -> dict[str, list[Any]]:
    import polars as pl
    from polars.exceptions import PolarsError

    if not path.is_file():
        raise UsageError(f"meter 'replay': there is no file {path}; give replay?file=RECORDING")
    try:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
        missing = [name for name in _COLUMNS if name not in frame.columns]
        if missing or frame.height == 0:
            wanted = f"no column {missing[0]!r}" if missing else "no rows"
            raise DataError(f"{path} has {wanted}; a recording has {', '.join(_COLUMNS)}")
        numbers = frame.select(*(pl.col(c).cast(pl.Float64).fill_null(math.nan) for c in _COLUMNS[2:]))
        return frame.select("channel", "kind").to_dict(as_series=False) | numbers.to_dict(as_series=False)
    except PolarsError as error:
        raise DataError(f"{path}: {error}; give a recording as CSV or Parquet") from error
