"""Floating-point work of training: one multiply-accumulate counts as 1, as in the published analysis.

For widths w[1] … w[D] after w[0] inputs, and P trainable parameters, per datum:

    forward  = sum_i (w[i-1] w[i] + w[i])                                     = P
    layers   = sum_i (2 w[i] + w[i-1] w[i] + [i > 1] w[i-1] w[i])
    backward = layers + P (1 + B) / B       (summing a batch's gradients, and the step)

Any network is the same with M_i multiply-accumulates, U_i outputs, b_i of them with a bias, and g_i factors
that need a gradient (`networks.layers`):

    forward  = sum_i (M_i + b_i)
    layers   = sum_i (U_i + b_i + g_i M_i)

Multiply by 2 for the count that takes a multiply-accumulate as two operations. w[0] is the number of inputs
after encoding; the published features used the raw feature count there.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import UsageError
from wattlas.networks.layers import LayeredNetwork
from wattlas.networks.network import Network

DEFAULT_BATCH_SIZE = 256
Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class Work:
    """Operations per datum (multiply-accumulate = 1) of the forward and of the backward pass."""

    forward_flops: float
    backward_flops: float

    def flops_per_datum(self, n_train_batches: int | None = None, n_test_batches: int | None = None) -> float:
        """Work of an epoch per training datum: forward + backward + forward · (test / training batches).

        Without batch counts, that of the training steps alone.

        Raises:
            UsageError: one count without the other, or no training batch.
        """
        training = self.forward_flops + self.backward_flops
        if n_train_batches is None and n_test_batches is None:
            return training
        if n_train_batches is None or n_test_batches is None or n_train_batches < 1 or n_test_batches < 0:
            raise UsageError(
                f"{n_train_batches} training and {n_test_batches} test batches make no epoch; give both"
            )
        return training + self.forward_flops * n_test_batches / n_train_batches


def work(network: Network, batch_size: int = DEFAULT_BATCH_SIZE) -> Work:
    """Work per datum of one training step of `batch_size`.

    Raises:
        UsageError: batch size below 1.

    >>> from wattlas.networks.network import Network
    >>> work(Network("rectangle", 2, (3, 1)), batch_size=1)
    Work(forward_flops=13.0, backward_flops=46.0)
    """
    parameters, units = network.n_parameters, sum(network.widths)
    weights = parameters - units
    # The first layer passes no gradient on to the inputs.
    gradients = 2 * weights - network.n_inputs * network.widths[0]
    return _work(weights, gradients, units, units, parameters, batch_size)


def layered_work(network: LayeredNetwork, batch_size: int = DEFAULT_BATCH_SIZE) -> Work:
    """`work` of a network of any kind.

    Raises:
        UsageError: batch size below 1.
    """
    n = network
    return _work(n.macs, n.gradient_macs, n.units, n.biases, n.n_parameters, batch_size)


def passes(
    macs: Number, gradient_macs: Number, units: Number, biases: Number, parameters: Number, batch_size: Number
) -> tuple[Number, Number]:
    """Operations per datum of the forward and of the backward pass: the formula above, of one or of many."""
    layers = units + biases + gradient_macs
    return macs + biases, layers + parameters * (1 + batch_size) / batch_size


def _work(macs: int, gradient_macs: int, units: int, biases: int, parameters: int, batch_size: int) -> Work:
    if batch_size < 1:
        raise UsageError(f"batch size is {batch_size}; give a whole number of at least 1")
    forward, backward = passes(macs, gradient_macs, units, biases, parameters, batch_size)
    return Work(float(forward), backward)
