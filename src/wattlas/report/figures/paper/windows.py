"""Running median and quartiles of an energy over a working set, in windows of its log2."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Half a window and the step between windows, in log2 of bytes; a window of fewer points says nothing.
HALF, STEP, FEWEST = 0.5, 0.01, 100
# Windows in the moving average, an odd number; the facts do not say how many there were. ± a quarter in log2.
SMOOTHED = 51
# Of the windows, every so many is drawn.
EVERY = 10


def running_quartiles(
    x: Floats,
    y: Floats,
    half: float = HALF,
    step: float = STEP,
    fewest: int = FEWEST,
    smoothed: int = SMOOTHED,
) -> pl.DataFrame:
    """Quartiles of y [n] in windows x ± `half`, `step` apart, then a moving average of them.

    Columns: `x`, `q25`, `median`, `q75`, and `run`, which counts up where windows of fewer than `fewest`
    points lie between. The average is over the windows at hand, of one run, at most (smoothed - 1) / 2 to
    each side.
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    centres = np.arange(x[0] + half, x[-1] - half + step / 2, step) if x.size else x
    first, last = np.searchsorted(x, centres - half, "left"), np.searchsorted(x, centres + half, "right")
    enough = last - first >= fewest
    run = np.cumsum(np.diff(enough.astype(np.int64), prepend=0) == 1)
    quartiles = np.array(
        [np.quantile(y[a:b], (0.25, 0.5, 0.75)) for a, b in zip(first[enough], last[enough], strict=True)]
    ).reshape(-1, 3)
    run = run[enough]
    parts = [_smooth(quartiles[run == k], smoothed) for k in np.unique(run)]
    smooth = np.concatenate(parts) if parts else quartiles
    return pl.DataFrame(
        {"x": centres[enough], "q25": smooth[:, 0], "median": smooth[:, 1], "q75": smooth[:, 2], "run": run}
    )


def _smooth(values: Floats, width: int) -> Floats:
    """Moving average down [n, 3], narrower at the ends."""
    total = np.cumsum(np.vstack([np.zeros((1, values.shape[1])), values]), axis=0)
    index = np.arange(len(values))
    low, high = np.maximum(index - width // 2, 0), np.minimum(index + width // 2 + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low)[:, None])
