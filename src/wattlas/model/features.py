"""What a training step of a network does, from its widths: layers, work, bytes; for many networks at once."""

from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

Vector = NDArray[np.float64]
BYTES = 4.0


@dataclass(frozen=True)
class Features:
    """Columns over n points, of one training step of a whole batch unless they say otherwise.

    Work counts a multiply-accumulate as one operation (`networks.work`). `macs` (n, deepest) is each layer's
    per datum, 0 where there is no such layer. Activation bytes are those of all layers' outputs, interlayer
    bytes those of the largest pair of neighbours, parameter bytes 4 P.
    """

    batch_size: Vector
    train_batches: Vector
    test_batches: Vector
    depth: Vector
    n_parameters: Vector
    n_inputs: Vector
    widest: Vector
    macs: Vector
    flops: Vector
    forward_flops: Vector
    parameter_bytes: Vector
    activation_bytes: Vector
    input_bytes: Vector
    interlayer_bytes: Vector

    def __len__(self) -> int:
        return len(self.depth)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Features":
        """The features of some rows."""
        return Features(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def features(points: pl.DataFrame) -> Features:
    """Features of checked points (`points.check_points`)."""
    widths, depth = _padded(points["widths"])
    inputs, batch, train_batches, test_batches = (
        points[name].cast(pl.Float64).to_numpy()
        for name in ("n_inputs", "batch_size", "n_train_batches", "n_test_batches")
    )
    before = np.concatenate([inputs[:, None], widths[:, :-1]], axis=1)
    before[widths == 0] = 0.0
    macs = before * widths
    units = widths.sum(axis=1)
    weights = macs.sum(axis=1)
    parameters = weights + units
    # `networks.work`, times the batch.
    backward = 2 * units + 2 * weights - macs[:, 0] + parameters * (1 + batch) / batch
    return Features(
        batch_size=batch,
        train_batches=train_batches,
        test_batches=test_batches,
        depth=depth,
        n_parameters=parameters,
        n_inputs=inputs,
        widest=widths.max(axis=1),
        macs=macs,
        flops=batch * (parameters + backward),
        forward_flops=batch * parameters,
        parameter_bytes=BYTES * parameters,
        activation_bytes=BYTES * batch * units,
        input_bytes=BYTES * batch * inputs,
        interlayer_bytes=BYTES * batch * (before + widths).max(axis=1),
    )


def _padded(widths: pl.Series) -> tuple[Vector, Vector]:
    """Widths as an (n, deepest) array, 0 after each network's end, and the depths."""
    lengths = widths.list.len().to_numpy().astype(np.int64)
    padded = np.zeros((len(lengths), int(lengths.max())))
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = widths.explode().to_numpy()
    return padded, lengths.astype(np.float64)
