"""What a training step of a network does: layers, work, bytes.

Of many networks at once, from their widths (`features`), or of one of any kind, from its layers.
"""

from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.networks.layers import LayeredNetwork
from wattlas.networks.work import passes

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

    @property
    def batches_per_step(self) -> Vector:
        """Batches, training and test, for each training step; 1 where nothing is tested."""
        return 1.0 + self.test_batches / self.train_batches

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
    units, weights = widths.sum(axis=1), macs.sum(axis=1)
    return _features(
        (batch, train_batches, test_batches),
        macs=macs,
        depth=depth,
        n_parameters=weights + units,
        n_inputs=inputs,
        widest=widths.max(axis=1),
        pair=(before + widths).max(axis=1),
        units=units,
        biases=units,
        weights=weights,
        # The first layer passes no gradient on to the inputs.
        gradient_macs=2 * weights - macs[:, 0],
    )


def layered_features(
    network: LayeredNetwork, batch_size: int, n_train_batches: int, n_test_batches: int
) -> Features:
    """Features of one network, a single row; the same as `features` where it is fully connected."""

    def row(value: float) -> Vector:
        return np.array([value], dtype=np.float64)

    return _features(
        (row(batch_size), row(n_train_batches), row(n_test_batches)),
        macs=np.array([[layer.macs for layer in network.layers]], dtype=np.float64),
        depth=row(len(network.layers)),
        n_parameters=row(network.n_parameters),
        n_inputs=row(network.n_inputs),
        widest=row(max(layer.outputs for layer in network.layers)),
        pair=row(network.widest_pair),
        units=row(network.units),
        biases=row(network.biases),
        weights=row(network.macs),
        gradient_macs=row(network.gradient_macs),
    )


def _features(
    counts: tuple[Vector, Vector, Vector],
    *,
    macs: Vector,
    depth: Vector,
    n_parameters: Vector,
    n_inputs: Vector,
    widest: Vector,
    pair: Vector,
    units: Vector,
    biases: Vector,
    weights: Vector,
    gradient_macs: Vector,
) -> Features:
    """Features from elements and operations per datum: `weights` and `gradient_macs` are sums over layers."""
    batch, train_batches, test_batches = counts
    forward, backward = passes(weights, gradient_macs, units, biases, n_parameters, batch)
    return Features(
        batch_size=batch,
        train_batches=train_batches,
        test_batches=test_batches,
        depth=depth,
        n_parameters=n_parameters,
        n_inputs=n_inputs,
        widest=widest,
        macs=macs,
        flops=batch * (forward + backward),
        forward_flops=batch * forward,
        parameter_bytes=BYTES * n_parameters,
        activation_bytes=BYTES * batch * units,
        input_bytes=BYTES * batch * n_inputs,
        interlayer_bytes=BYTES * batch * pair,
    )


def _padded(widths: pl.Series) -> tuple[Vector, Vector]:
    """Widths as an (n, deepest) array, 0 after each network's end, and the depths."""
    lengths = widths.list.len().to_numpy().astype(np.int64)
    padded = np.zeros((len(lengths), int(lengths.max())))
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = widths.explode().to_numpy()
    return padded, lengths.astype(np.float64)
