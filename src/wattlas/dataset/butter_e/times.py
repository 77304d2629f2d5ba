"""Wall time of the nodes to UTC: the published `Z` is false, the clock is Denver's, with its changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

ZONE = ZoneInfo("America/Denver")
_HOUR_S = 3600


def changes(first_local_s: int, last_local_s: int) -> list[tuple[int, int, int]]:
    """(UTC second, offset before, offset after) of the zone's changes over a span of wall time, in s."""
    at = int(first_local_s) - 24 * _HOUR_S
    found = []
    while at < last_local_s + 24 * _HOUR_S:
        before, after = _offset_s(at), _offset_s(at + 24 * _HOUR_S)
        if before != after:
            low, high = at, at + 24 * _HOUR_S
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset_s(middle) == before else (low, middle)
            found.append((high, before, after))
        at += 24 * _HOUR_S
    return found


def to_utc(local_s: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n] UTC seconds of wall time, the repeated hour taken as its first pass.

    A time in the hour that the clock jumps over is read with the offset before the jump.
    """
    if len(local_s) == 0:
        return local_s
    low, high = int(local_s.min()), int(local_s.max())
    utc = local_s - _offset_s(low - 24 * _HOUR_S)
    for moment, before, after in changes(low, high):
        # Forward: wall time goes on at moment + after. Back: the second pass ends at moment + before.
        since = moment + max(before, after)
        np.add(utc, before - after, out=utc, where=local_s >= since)
    return utc


def mend_repeated_hour(
    utc_s: NDArray[np.int64], group: NDArray[np.int64], local_s: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Move samples of the repeated hour to its second pass where they belong there; in place.

    `group` [n] is equal for samples of one node in one file, which follow one another in the order of the
    file. In such a series the second pass begins where wall time goes back. If it never does, the pass is the
    one that leaves no gap to the samples before and after.

    Returns:
        [n] true where that could not be told and the first pass was taken.
    """
    unsure = np.zeros(len(utc_s), dtype=bool)
    if len(utc_s) == 0:
        return unsure
    for moment, before, after in changes(int(local_s.min()), int(local_s.max())):
        length = before - after
        if length <= 0:
            continue
        begin = moment + after
        near = np.flatnonzero((local_s >= begin - _HOUR_S) & (local_s < begin + length + _HOUR_S))
        near = near[np.argsort(group[near], kind="stable")]
        for rows in np.split(near, np.flatnonzero(np.diff(group[near])) + 1):
            wall = local_s[rows]
            own = (wall >= begin) & (wall < begin + length)
            hour = rows[own]
            if len(hour) == 0:
                continue
            back = np.flatnonzero(np.diff(local_s[hour]) < -length // 6)
            if len(back):
                utc_s[hour[back[0] + 1 :]] += length
                continue
            position = np.flatnonzero(own)
            gap_before = wall[position[0]] - wall[position[0] - 1] if position[0] else length
            tail = position[-1] + 1
            gap_after = wall[tail] - wall[position[-1]] if tail < len(wall) else length
            # One pass only. Continuing from before, it is the first; running into 2 o'clock, the second.
            if gap_after < gap_before:
                utc_s[hour] += length
            elif gap_after == gap_before:
                unsure[hour] = True
    return unsure


def _offset_s(utc_s: int) -> int:
    offset = (datetime.fromtimestamp(utc_s, UTC)).astimezone(ZONE).utcoffset()
    assert isinstance(offset, timedelta)
    return int(offset.total_seconds())
