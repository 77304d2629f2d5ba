"""The reference engine: plain NumPy, written to be read and to check the others against.

Row-major, with the gradient by hand. It takes weights and batches from `start`, as every engine does.
"""

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from wattlas.engines.base import Loss, TrainingConfig, TrainingData, TrainingResult, Weights
from wattlas.engines.recorder import Recorder, check_training
from wattlas.engines.start import (
    Batches,
    adam_steps,
    initial_weights,
    shuffle_generator,
    tests_per_epoch,
)
from wattlas.networks.network import Network

_Array = NDArray[np.floating]
# Rows of one pass when losses of a whole split are computed.
_CHUNK_ROWS = 1024


def forward(weights: Weights, x: _Array, residual: bool) -> tuple[list[_Array], list[NDArray[np.bool_]]]:
    """Input of every layer and, last, the logits: the outputs before the loss's sigmoid or softmax.

    The second list has, of every hidden layer, where its ReLU let through.
    """
    activations: list[_Array] = [x]
    active: list[NDArray[np.bool_]] = []
    for index, (kernel, bias) in enumerate(weights):
        z = activations[-1] @ kernel + bias
        if index < len(weights) - 1:
            active.append(z > 0)
            z = np.maximum(z, 0)
            if residual and index > 0:
                z = z + activations[-1]
        activations.append(z)
    return activations, active


def row_losses(loss: Loss, logits: _Array, y: _Array) -> _Array:
    """(n,) loss of each row; over several outputs the mean, and for categories the cross-entropy."""
    result: _Array
    if loss == "categorical_crossentropy":
        top = logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
        result = log_sum - (y * logits).sum(axis=1)
    elif loss == "binary_crossentropy":
        # log(1 + exp(z)) - y z, without overflow.
        result = (np.maximum(logits, 0) - logits * y + np.log1p(np.exp(-np.abs(logits)))).mean(axis=1)
    else:
        result = ((logits - y) ** 2).mean(axis=1)
    return result


def correct(loss: Loss, logits: _Array, y: _Array) -> NDArray[np.bool_] | None:
    """(n,) whether each row is classified right; None for regression."""
    result: NDArray[np.bool_]
    if loss == "categorical_crossentropy":
        result = logits.argmax(axis=1) == y.argmax(axis=1)
        return result
    if loss == "binary_crossentropy":
        result = ((logits > 0) == (y > 0.5)).all(axis=1)
        return result
    return None


def loss_and_gradient(
    weights: Weights, x: _Array, y: _Array, loss: Loss, residual: bool
) -> tuple[float, list[tuple[_Array, _Array]]]:
    """Mean loss of a batch and its gradient by every kernel and bias."""
    activations, active = forward(weights, x, residual)
    logits = activations[-1]
    value = float(row_losses(loss, logits, y).mean())
    if loss == "categorical_crossentropy":
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        delta = exp / exp.sum(axis=1, keepdims=True) - y
    elif loss == "binary_crossentropy":
        # 1 / (1 + exp(-z)) in a form that does not overflow.
        delta = ((1 + np.tanh(logits / 2)) / 2 - y) / y.shape[1]
    else:
        delta = 2 * (logits - y) / y.shape[1]
    delta = delta / len(x)
    gradients: list[tuple[_Array, _Array]] = []
    skipped: _Array | None = None
    for index in reversed(range(len(weights))):
        gradients.append((activations[index].T @ delta, delta.sum(axis=0)))
        if index == 0:
            break
        upstream = delta @ weights[index][0].T
        if skipped is not None:
            upstream = upstream + skipped
        # The layer before is a residual one if it is hidden and not the first.
        skipped = upstream if residual and index - 1 > 0 else None
        delta = upstream * active[index - 1]
    return value, gradients[::-1]


def mean_losses(weights: Weights, x: _Array, y: _Array, loss: Loss, residual: bool) -> tuple[float, float]:
    """Mean loss and fraction right of a whole split, NaN where there are no rows or no classes."""
    total, right = 0.0, 0.0
    for first in range(0, len(x), _CHUNK_ROWS):
        part = slice(first, first + _CHUNK_ROWS)
        logits = forward(weights, x[part], residual)[0][-1]
        total += float(row_losses(loss, logits, y[part]).sum(dtype=np.float64))
        hits = correct(loss, logits, y[part])
        right += np.nan if hits is None else float(hits.sum())
    return (total / len(x), right / len(x)) if len(x) else (np.nan, np.nan)


def initial_losses(
    network: Network, data: TrainingData, config: TrainingConfig, weights: Weights
) -> tuple[float, float, float]:
    """Train loss, test loss and test accuracy of the initial weights, for the first entry of every engine."""
    with np.errstate(over="ignore", invalid="ignore"):
        train, _ = mean_losses(weights, data.x_train, data.y_train, data.loss, network.residual)
        if not config.evaluate_test:
            return train, np.nan, np.nan
        return (train, *mean_losses(weights, data.x_test, data.y_test, data.loss, network.residual))


class NumpyTraining:
    """A training of the reference engine; nothing is compiled."""

    def __init__(self, network: Network, data: TrainingData, config: TrainingConfig) -> None:
        check_training(network, data)
        self.compile_start_s = self.compile_end_s = time.monotonic()
        self._network, self._data, self._config = network, data, config
        self._batches = Batches(len(data.x_train), config.batch_size)
        self._evaluates = tests_per_epoch(data, config) is not None
        self._weights: Weights = []

    def run(self, seed: int, on_epochs: Callable[[int], None] | None = None) -> TrainingResult:
        """Train from the weights of `seed`; see `CompiledTraining`."""
        config, data = self._config, self._data
        weights = self._weights = initial_weights(self._network, seed)
        adam = Adam(weights, config)
        rng = shuffle_generator(seed)
        recorder = Recorder(config.epochs, initial_losses(self._network, data, config, weights))
        recorder.start()
        # Losses that overflow are recorded as a divergence, not printed.
        with np.errstate(over="ignore", invalid="ignore"):
            for epoch in range(config.epochs):
                train = self._epoch(weights, adam, self._batches.shuffled(rng, 1)[0])
                test = accuracy = None
                if self._evaluates:
                    loss, hits = mean_losses(
                        weights, data.x_test, data.y_test, data.loss, self._network.residual
                    )
                    test, accuracy = [loss], [hits]
                recorder.add([train], test, accuracy)
                if on_epochs:
                    on_epochs(epoch + 1)
                if recorder.diverged:
                    break
        return recorder.result(epochs_per_call=1, padding=0)

    def trained_weights(self) -> Weights:
        """Weights at the end of the last run."""
        return self._weights

    def _epoch(self, weights: Weights, adam: "Adam", rows: NDArray[np.int32]) -> float:
        data, total = self._data, 0.0
        for step, count in enumerate(self._batches.counts):
            batch = rows[step, :count]
            value, gradients = loss_and_gradient(
                weights, data.x_train[batch], data.y_train[batch], data.loss, self._network.residual
            )
            adam.update(weights, gradients)
            total += value * self._batches.shares[step]
        return total


class Adam:
    """Adam with either convention of epsilon, in place."""

    def __init__(self, weights: Weights, config: TrainingConfig) -> None:
        self._config, self._steps = config, 0
        self._moments = [[(np.zeros_like(w), np.zeros_like(w)) for w in layer] for layer in weights]

    def update(self, weights: Weights, gradients: list[tuple[_Array, _Array]]) -> None:
        """One step of every kernel and bias."""
        # Python floats: 1 - beta in float32 would be off by 5e-5 of itself.
        rate_1, rate_2 = 1 - self._config.beta_1, 1 - self._config.beta_2
        (step,), (epsilon,) = adam_steps(self._config, self._steps, 1)
        self._steps += 1
        for layer, slopes, moments in zip(weights, gradients, self._moments, strict=True):
            for w, gradient, (m, v) in zip(layer, slopes, moments, strict=True):
                m += (gradient - m) * rate_1
                v += (gradient * gradient - v) * rate_2
                w -= step * m / (np.sqrt(v) + epsilon)


class NumpyEngine:
    """Plain NumPy: the reference, and what is left where nothing else is installed."""

    name = "numpy"

    def versions(self) -> Mapping[str, str]:
        """NumPy's version, layout, and what else changes the energy of the same training."""
        return {
            "numpy": np.__version__,
            "platform": "cpu",
            "layout": "row-major",
            "weights": "glorot_uniform",
            "shuffle": "host",
            "denormals": "kept",
        }

    def compile(self, network: Network, data: TrainingData, config: TrainingConfig) -> NumpyTraining:
        """Check the parts; there is nothing to compile."""
        return NumpyTraining(network, data, config)
