"""Floating-point work of training: one multiply-accumulate counts as 1, as in the published analysis.

For widths w[1] … w[D] after w[0] inputs, and P trainable parameters, per datum:

    forward  = sum_i (w[i-1] w[i] + w[i])                                     = P
    layers   = sum_i (2 w[i] + w[i-1] w[i] + [i > 1] w[i-1] w[i])
    backward = layers + P (1 + B) / B       (summing a batch's gradients, and the step)

Multiply by 2 for the count that takes a multiply-accumulate as two operations. w[0] is the number of inputs
after encoding; the published features used the raw feature count there.
"""

from dataclasses import dataclass

from wattlas.core.errors import UsageError
from wattlas.networks.network import Network

DEFAULT_BATCH_SIZE = 256


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
    if batch_size < 1:
        raise UsageError(f"batch size is {batch_size}; give a whole number of at least 1")
    parameters = network.n_parameters
    weights = parameters - sum(network.widths)
    # The first layer passes no gradient on to the inputs.
    layers = 2 * sum(network.widths) + 2 * weights - network.n_inputs * network.widths[0]
    return Work(float(parameters), layers + parameters * (1 + batch_size) / batch_size)
