"""Trains with plain PyTorch: eager, tensors preloaded, as a careful person writes it by hand."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wattlas.engines.base import Loss, TrainingConfig, TrainingData, TrainingResult, Weights
from wattlas.engines.numpy import initial_losses
from wattlas.engines.recorder import Recorder, check_training
from wattlas.engines.start import (
    Batches,
    initial_weights,
    shuffle_generator,
    tests_per_epoch,
)
from wattlas.networks.network import Network


def _logits(parameters: list[Any], x: Any, residual: bool) -> Any:
    last = len(parameters) // 2 - 1
    for index in range(last + 1):
        z = torch.nn.functional.linear(x, parameters[2 * index], parameters[2 * index + 1])
        if index < last:
            z = torch.relu(z)
            if residual and index > 0:
                z = z + x
        x = z
    return x


def _loss(loss: Loss, logits: Any, y: Any, reduction: str) -> Any:
    functional = torch.nn.functional
    if loss == "categorical_crossentropy":
        return functional.cross_entropy(logits, y, reduction=reduction)
    if loss == "binary_crossentropy":
        return functional.binary_cross_entropy_with_logits(logits, y, reduction=reduction)
    return functional.mse_loss(logits, y, reduction=reduction)


def _right(loss: Loss, logits: Any, y: Any) -> float:
    if loss == "categorical_crossentropy":
        return float((logits.argmax(dim=1) == y.argmax(dim=1)).sum())
    if loss == "binary_crossentropy":
        return float(((logits > 0) == (y > 0.5)).all(dim=1).sum())
    return float("nan")


class TorchTraining:
    """A training whose tensors are in place; nothing is compiled."""

    def __init__(self, network: Network, data: TrainingData, config: TrainingConfig) -> None:
        check_training(network, data)
        self.compile_start_s = self.compile_end_s = time.monotonic()
        self._network, self._data, self._config = network, data, config
        self._batches = Batches(len(data.x_train), config.batch_size)
        self._tests = tests_per_epoch(data, config)
        self._train = torch.tensor(data.x_train), torch.tensor(data.y_train)
        self._test = torch.tensor(data.x_test), torch.tensor(data.y_test)
        self._parameters: list[Any] = []

    def run(self, seed: int, on_epochs: Callable[[int], None] | None = None) -> TrainingResult:
        """Train from the weights of `seed`; see `CompiledTraining`."""
        config = self._config
        host = initial_weights(self._network, seed)
        arrays = [array for kernel, bias in host for array in (np.ascontiguousarray(kernel.T), bias)]
        parameters = self._parameters = [torch.tensor(array, requires_grad=True) for array in arrays]
        optimizer = _Adam(parameters, config)
        rng = shuffle_generator(seed)
        recorder = Recorder(config.epochs, initial_losses(self._network, self._data, config, host))
        recorder.start()
        for epoch in range(config.epochs):
            train = self._epoch(parameters, optimizer, self._batches.shuffled(rng, 1)[0])
            tested = self._evaluate(parameters) if self._tests else None
            recorder.add([train], tested and [tested[0]], tested and [tested[1]])
            if on_epochs:
                on_epochs(epoch + 1)
            if recorder.diverged:
                break
        return recorder.result(epochs_per_call=1, padding=0)

    def trained_weights(self) -> Weights:
        """Weights at the end of the last run."""
        arrays = [parameter.detach().numpy() for parameter in self._parameters]
        return [(kernel.T, bias) for kernel, bias in zip(arrays[::2], arrays[1::2], strict=True)]

    def _epoch(self, parameters: list[Any], optimizer: "_Adam", rows: NDArray[np.int32]) -> float:
        x, y = self._train
        order = torch.from_numpy(rows)
        values = []
        for step, count in enumerate(self._batches.counts.tolist()):
            batch = order[step, :count]
            logits = _logits(parameters, x[batch], self._network.residual)
            value = _loss(self._data.loss, logits, y[batch], "mean")
            value.backward()
            optimizer.step()
            values.append(value.detach())
        return float(np.dot(torch.stack(values).double().numpy(), self._batches.shares))

    @torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
    def _evaluate(self, parameters: list[Any]) -> tuple[float, float]:
        x, y = self._test
        size = self._config.batch_size
        total = right = 0.0
        for first in range(0, len(x), size):
            part = slice(first, first + size)
            logits = _logits(parameters, x[part], self._network.residual)
            total += float(_loss(self._data.loss, logits, y[part], "sum"))
            right += _right(self._data.loss, logits, y[part])
        # PyTorch sums squares and cross-entropies over the outputs too, where the others take their mean.
        outputs = 1 if self._data.loss == "categorical_crossentropy" else y.shape[1]
        return total / len(x) / outputs, right / len(x)


class _Adam:
    """PyTorch's Adam; for the `keras` convention its epsilon is set anew at each step."""

    def __init__(self, parameters: list[Any], config: TrainingConfig) -> None:
        self._config, self._steps = config, 0
        self._optimizer = torch.optim.Adam(
            parameters,
            lr=config.learning_rate,
            betas=(config.beta_1, config.beta_2),
            eps=config.epsilon,
            fused=True,
        )

    def step(self) -> None:
        """Apply the gradients and clear them."""
        self._steps += 1
        if self._config.epsilon_convention == "keras":
            # PyTorch divides by sqrt(v / c) + eps with c = 1 - beta_2^t; eps / sqrt(c) gives Keras's formula.
            root = (1 - self._config.beta_2**self._steps) ** 0.5
            self._optimizer.param_groups[0]["eps"] = self._config.epsilon / root
        self._optimizer.step()
        self._optimizer.zero_grad()


class TorchEngine:
    """PyTorch on the CPU, in eager mode."""

    name = "torch"

    def versions(self) -> Mapping[str, str]:
        """Versions, layout, threads, and what else changes the energy of the same training."""
        return {
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "platform": "cpu",
            "layout": "row-major",
            "weights": "glorot_uniform",
            "shuffle": "host",
            "denormals": "kept",
            "torch_threads": str(torch.get_num_threads()),
        }

    def compile(self, network: Network, data: TrainingData, config: TrainingConfig) -> TorchTraining:
        """Place the data; there is nothing to compile."""
        return TorchTraining(network, data, config)
