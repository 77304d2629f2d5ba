"""What is odd about the samples of a run, as named flags; and the series without what is no reading."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.dataset.butter_e.integrate import Reading
from wattlas.dataset.butter_e.power_rows import PowerRows
from wattlas.dataset.butter_e.series import Series, Windows

Bools = NDArray[np.bool_]
GAP, ZERO_POWER, DUPLICATES, UNSORTED = "gap", "zero_power", "duplicate_samples", "unsorted_samples"
MALFORMED, REPEATED_HOUR, OTHER_JOB = "malformed_samples", "repeated_hour_unsure", "file_of_another_job"
# Ends of runs that tell what a reading is: with a step this big, and read this soon after.
_PLAIN_STEP_W, _SOON_S, _FEWEST_ENDS = 50.0, 20.0, 20


@dataclass(frozen=True)
class Cleaned:
    """The readings that count, and [m] flags of the runs by name."""

    series: Series
    flags: dict[str, Bools]


def clean(rows: PowerRows, series: Series, windows: Windows, unsure: Bools) -> Cleaned:
    """Leave out zero, impossible and repeated readings; flag the runs that had any in or just around them.

    `unsure` [n], in the order of the files, marks samples of the repeated hour whose pass is not known.
    """
    zero = ~(np.isfinite(series.power_w) & (series.power_w > 0))
    again = np.zeros(len(series.key), dtype=bool)
    again[1:] = series.key[1:] == series.key[:-1]
    known = windows.usable & (windows.group >= 0)
    group = np.where(known, windows.group, 0)
    start, end = (np.where(known, s, 0.0) for s in (windows.start_s, windows.end_s))
    nothing = np.zeros(len(group), dtype=np.int64)
    low = np.maximum(
        series.position(group, np.ceil(start).astype(np.int64)) - 1, series.position(group, nothing)
    )
    high = np.minimum(
        series.position(group, np.floor(end).astype(np.int64) + 1) + 1, series.position(group + 1, nothing)
    )

    def touched(mark: Bools) -> Bools:
        at = np.flatnonzero(mark)
        return np.asarray(known & (np.searchsorted(at, high) > np.searchsorted(at, low)))

    flags = {
        ZERO_POWER: touched(zero),
        DUPLICATES: touched(again),
        UNSORTED: known & np.isin(windows.group, _unsorted_groups(series)),
        MALFORMED: np.isin(windows.file, rows.malformed),
        REPEATED_HOUR: touched(unsure[series.order]) if unsure.any() else np.zeros(len(group), dtype=bool),
        OTHER_JOB: (windows.file >= 0) & (windows.group >= 0) & _absent(series, windows)
        | (windows.file >= 0) & (windows.group < 0),
    }
    bad = zero | again
    return Cleaned(series.select(~bad) if bad.any() else series, flags)


def what_a_reading_is(series: Series, windows: Windows) -> tuple[Reading, int]:
    """Whether a reading is of its instant or the mean of the minute before it, and how many runs tell.

    Read soon after the end of a run, an averaging meter still shows most of the run. With too few ends that
    step plainly it is taken as of its instant.
    """
    known = windows.usable & (windows.group >= 0)
    group, end = windows.group[known], windows.end_s[known]
    after = series.position(group, np.ceil(end).astype(np.int64))
    inside = (after > 0) & (after + 1 < len(series.group))
    after, group, end = after[inside], group[inside], end[inside]
    same = (series.group[after - 1] == group) & (series.group[after + 1] == group)
    after, end = after[same], end[same]
    soon = series.time_s[after] - end < _SOON_S
    before_w, at_w, later_w = (series.power_w[after[soon] + k] for k in (-1, 0, 1))
    plain = np.abs(before_w - later_w) > _PLAIN_STEP_W
    if plain.sum() < _FEWEST_ENDS:
        return "instantaneous", int(plain.sum())
    old_share = (at_w - later_w)[plain] / (before_w - later_w)[plain]
    return ("averaged" if np.median(old_share) > 0.5 else "instantaneous"), int(plain.sum())


def _unsorted_groups(series: Series) -> NDArray[np.int64]:
    # Sorted by time, the file's rows of one node are not in the file's order.
    back = (series.order[1:] < series.order[:-1]) & (series.group[1:] == series.group[:-1])
    return np.unique(series.group[1:][back])


def _absent(series: Series, windows: Windows) -> Bools:
    nothing = np.zeros(len(windows.group), dtype=np.int64)
    group = np.maximum(windows.group, 0)
    return np.asarray(series.position(group, nothing) == series.position(group + 1, nothing))
