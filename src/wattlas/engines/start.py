"""What every engine starts from: weights, shuffles and step sizes made on the host, the same for all."""

import math

import numpy as np
from numpy.typing import NDArray

from wattlas.engines.base import TrainingConfig, TrainingData, Weights
from wattlas.networks.network import Network

# Streams of one seed that must not share numbers.
_WEIGHTS, _SHUFFLES = 0, 1


def initial_weights(network: Network, seed: int) -> Weights:
    """Kernel (n_in, n_out) and bias of each layer: Glorot uniform and zeros, as Keras starts.

    Kernels are uniform in ±sqrt(6 / (n_in + n_out)).
    """
    rng = np.random.default_rng([_WEIGHTS, seed])
    before = (network.n_inputs, *network.widths[:-1])
    weights: Weights = []
    for n_in, n_out in zip(before, network.widths, strict=True):
        limit = np.float32(math.sqrt(6 / (n_in + n_out)))
        kernel = (rng.random((n_in, n_out), dtype=np.float32) * 2 - 1) * limit
        weights.append((kernel, np.zeros(n_out, np.float32)))
    return weights


class Batches:
    """Rows of each step: a fresh permutation an epoch, the last batch filled up with row 0 at weight 0.

    Attributes:
        size: rows of a batch: the batch size, or all rows where there are fewer.
        steps: of an epoch.
        padding: rows added to the last batch.
        weights: (steps, size) weight of each row in its batch's mean: 1 / rows, and 0 for padding.
        shares: (steps,) fraction of the epoch's rows in each batch.
    """

    def __init__(self, rows: int, batch_size: int) -> None:
        self.rows = rows
        self.size = max(1, min(batch_size, rows))
        self.steps = -(-rows // self.size)
        self.padding = self.steps * self.size - rows
        counts = np.full(self.steps, self.size)
        counts[-1:] -= self.padding
        real = np.arange(self.size) < counts[:, None]
        self.weights: NDArray[np.float32] = (real / np.maximum(counts, 1)[:, None]).astype(np.float32)
        self.shares: NDArray[np.float64] = counts / max(rows, 1)
        self.counts: NDArray[np.int64] = counts

    def in_order(self) -> NDArray[np.int32]:
        """(steps, size) rows as they stand, for evaluation."""
        rows: NDArray[np.int32] = self._padded(np.arange(self.rows, dtype=np.int32)[None])[0]
        return rows

    def shuffled(self, rng: np.random.Generator, epochs: int) -> NDArray[np.int32]:
        """(epochs, steps, size) rows, a permutation for each epoch."""
        order = np.arange(self.rows, dtype=np.int32)
        return self._padded(np.stack([rng.permutation(order) for _ in range(epochs)]))

    def _padded(self, orders: NDArray[np.int32]) -> NDArray[np.int32]:
        padded = np.zeros((len(orders), self.steps * self.size), np.int32)
        padded[:, : self.rows] = orders
        return padded.reshape(len(orders), self.steps, self.size)


def shuffle_generator(seed: int) -> np.random.Generator:
    """The generator from which the shuffles of a run are drawn, one epoch after the other."""
    return np.random.default_rng([_SHUFFLES, seed])


def adam_steps(
    config: TrainingConfig, first: int, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Step size a[t] and epsilon e[t] of steps `first` + 1 … `first` + `count`, from float64.

    Both conventions are w -= a m / (sqrt(v) + e) with a = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t);
    e is epsilon for `keras` and epsilon sqrt(1 - beta_2^t) for `standard`.
    """
    t = np.arange(first + 1, first + count + 1, dtype=np.float64)
    root = np.sqrt(1 - config.beta_2**t)
    step = config.learning_rate * root / (1 - config.beta_1**t)
    epsilon = config.epsilon * (root if config.epsilon_convention == "standard" else np.ones_like(t))
    return step.astype(np.float32), epsilon.astype(np.float32)


def tests_per_epoch(data: TrainingData, config: TrainingConfig) -> Batches | None:
    """The batches of a test evaluation; None if there is none."""
    if not config.evaluate_test or len(data.x_test) == 0:
        return None
    return Batches(len(data.x_test), config.batch_size)
