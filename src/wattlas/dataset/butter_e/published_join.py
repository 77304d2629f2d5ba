"""The published energy join, slips included; `integrate` is ours.

Of the rows of the run's node between start and end, both included, f and l are the *file positions* of the
first and the last, and

    E = w[f-1] (t_f - start) + 60 sum_{f <= i < l} w[i] + w[l] (end - t_l)

whatever node the rows between belong to; before a file's first row comes its last one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.dataset.butter_e.power_rows import PowerRows
from wattlas.dataset.butter_e.series import Series, Windows

HELD_S = 60.0
NO_FILE, NO_SAMPLES, MISSING_SAMPLES, ZERO_POWER = "no_file", "no_samples", "missing_samples", "zero_power"
# What the published tables call them.
ERRORS = {
    NO_FILE: "No energy data found for given SLURM job id.",
    NO_SAMPLES: "Missing all energy data points for this run.",
    MISSING_SAMPLES: "Missing at least one energy data point for this run.",
    ZERO_POWER: "At least one of the energy measurements for this run was 0 watts.",
}


@dataclass(frozen=True)
class Joined:
    """[m] `status` (done, or a key of `ERRORS`) and the energy in J, NaN where the join failed."""

    status: NDArray[np.object_]
    energy_j: NDArray[np.float64]


def published_join(rows: PowerRows, series: Series, windows: Windows) -> Joined:
    """The published energies, for all runs at once."""
    m = len(windows.start_s)
    duration_s = windows.end_s - windows.start_s
    known = windows.usable & (windows.group >= 0)
    group = np.where(known, windows.group, 0)
    start_s, end_s = (np.where(known, s, 0.0) for s in (windows.start_s, windows.end_s))
    a = series.position(group, np.ceil(start_s).astype(np.int64))
    b = series.position(group, np.floor(end_s).astype(np.int64) + 1)
    n = np.where(known, b - a, 0)
    some = np.flatnonzero(n > 0)
    status = np.full(m, "done", dtype=object)
    energy_j = np.full(m, np.nan)
    if len(some):
        # Least and greatest position of each run; in sorted files those of its first and last sample. In the
        # order of their beginnings, so that what lies between two windows is gone through once.
        some = some[np.argsort(a[some], kind="stable")]
        ends = np.column_stack((a[some], b[some])).ravel()
        position = np.append(series.order, 0)
        f = np.minimum.reduceat(position, ends)[::2]
        last = np.maximum.reduceat(position, ends)[::2]
        file = windows.file[some]
        before = np.where(f == rows.first[file], rows.first[file + 1] - 1, f - 1)
        held = np.concatenate(([0.0], np.cumsum(rows.power_w)))
        zeros = np.concatenate(([0], np.cumsum(rows.power_w == 0)))
        time_s = np.empty(len(rows.power_w))
        time_s[series.order] = series.time_s
        energy_j[some] = (
            rows.power_w[before] * (time_s[f] - start_s[some])
            + HELD_S * (held[last] - held[f])
            + rows.power_w[last] * (end_s[some] - time_s[last])
        )
        status[some[zeros[last + 1] > zeros[f]]] = ZERO_POWER
    status[n < duration_s / HELD_S - 1] = MISSING_SAMPLES
    status[n == 0] = NO_SAMPLES
    status[windows.file < 0] = NO_FILE
    return Joined(status, np.where(status == "done", energy_j, np.nan))
