"""Readings as they come in, by channel, and the part of them that a window needs."""

from array import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from wattlas.meters.base import Channel, Reading
from wattlas.power.samples import Samples

# A window is given neighbours over so many update periods or polling intervals on both sides.
_MARGIN_PERIODS = 3.0


class Recording:
    """Every channel's readings in order of time. Not locked: one writer, or a caller that locks."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = {channel.id: channel for channel in channels}
        self._columns = {channel.id: (array("d"), array("d"), array("d")) for channel in channels}

    def add(self, readings: Iterable[Reading]) -> None:
        """Append readings, none of them earlier than those of its channel before."""
        for reading in readings:
            before_s, after_s, value = self._columns[reading.channel]
            before_s.append(reading.before_s)
            after_s.append(reading.after_s)
            value.append(reading.value)

    def forget(self, before_s: float) -> None:
        """Drop readings that no window from `before_s` on needs."""
        for name, columns in self._columns.items():
            # The copy is cut from what came before, so that memory is given back.
            first = self._first(name, before_s, 0.0)
            self._columns[name] = tuple(column[first:] for column in columns)  # type: ignore[assignment]

    def samples(self, start_s: float, end_s: float, interval_s: float) -> Mapping[str, Samples]:
        """Samples of [start_s, end_s] and their neighbours on both sides, of channels that have any."""
        found = {}
        for name, columns in self._columns.items():
            first = self._first(name, start_s, interval_s)
            before_s = np.frombuffer(columns[0]) if len(columns[0]) else np.empty(0)
            last_s = end_s + self._margin_s(name, interval_s)
            stop = min(int(np.searchsorted(before_s, last_s, side="right")) + 1, len(before_s))
            if stop > first:
                parts = [np.array(column[first:stop]) for column in columns]
                found[name] = Samples(name, self._channels[name].instrument, *parts)
            # A buffer that is looked at cannot grow.
            del before_s
        return found

    def _first(self, name: str, start_s: float, interval_s: float) -> int:
        column = self._columns[name][0]
        if not len(column):
            return 0
        times_s = np.frombuffer(column)
        first = int(np.searchsorted(times_s, start_s - self._margin_s(name, interval_s), side="left"))
        del times_s
        return max(first - 1, 0)

    def _margin_s(self, name: str, interval_s: float) -> float:
        instrument = self._channels[name].instrument
        return _MARGIN_PERIODS * max(instrument.update_period_s, interval_s) + instrument.lag_s
