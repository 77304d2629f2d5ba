"""What an engine is given and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import DataError, EngineError
from wattlas.networks.network import Network

Loss = Literal["mean_squared_error", "binary_crossentropy", "categorical_crossentropy"]
# Adam divides by sqrt(v) + epsilon. `keras` adds epsilon before the bias correction of v is applied,
# `standard` (Kingma and Ba, algorithm 1) after it. The paper's stack is Keras.
EpsilonConvention = Literal["keras", "standard"]
# Kernel (n_in, n_out) and bias (n_out,) of each layer, on the host.
Weights = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class TrainingData:
    """An encoded dataset, split. Arrays are row-major float32: x (n, n_inputs), y (n, n_outputs)."""

    name: str
    loss: Loss
    x_train: NDArray[np.float32]
    y_train: NDArray[np.float32]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.float32]
    fingerprint: str

    def __post_init__(self) -> None:
        arrays = (self.x_train, self.y_train, self.x_test, self.y_test)
        (x, y, x_test, y_test) = (array.shape for array in arrays)
        if any(array.ndim != 2 or array.dtype != np.float32 for array in arrays):
            raise DataError(f"the arrays of {self.name!r} must be float32 in two dimensions; convert them")
        if (x[0], x_test[0], x[1], y[1]) != (y[0], y_test[0], x_test[1], y_test[1]):
            raise DataError(
                f"the arrays of {self.name!r} do not fit each other: {x} and {y} to train on, {x_test} and "
                f"{y_test} to test; give as many rows of x as of y, and the same columns in both splits"
            )

    @property
    def n_inputs(self) -> int:
        """Network inputs after encoding."""
        return int(self.x_train.shape[1])

    @property
    def n_outputs(self) -> int:
        """Network outputs."""
        return int(self.y_train.shape[1])

    @property
    def n_observations(self) -> int:
        """Rows of both splits together."""
        return len(self.x_train) + len(self.x_test)


@dataclass(frozen=True)
class TrainingConfig:
    """Every choice of a training but the network, the data and the seed."""

    epochs: int
    batch_size: int = 256
    learning_rate: float = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    epsilon_convention: EpsilonConvention = "keras"
    evaluate_test: bool = True

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise EngineError(
                f"epochs is {self.epochs} and batch size {self.batch_size}; both must be at least 1"
            )
        for name in ("learning_rate", "epsilon"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise EngineError(f"{name} is {value}; it must be above 0 and finite")
        for name in ("beta_1", "beta_2"):
            if not 0 <= getattr(self, name) < 1:
                raise EngineError(f"{name} is {getattr(self, name)}; it must be in [0, 1)")
        if self.epsilon_convention not in get_args(EpsilonConvention):
            raise EngineError(
                f"epsilon_convention is {self.epsilon_convention!r}; give one of "
                f"{', '.join(get_args(EpsilonConvention))}"
            )


@dataclass(frozen=True)
class TrainingResult:
    """What a training did. Epoch arrays have `epochs + 1` entries; entry 0 is before the first step.

    Attributes:
        train_loss, test_loss: mean loss per datum. The train loss of an epoch is the mean over the epoch's
            steps as they were taken; entry 0 is the loss of the initial weights.
        test_accuracy: fraction right, NaN for regression.
        epoch_end_s: monotonic time at which each epoch was known to be over. Where several epochs run in one
            call, the times inside the call are interpolated and `epochs_per_call` says so.
        start_s, end_s: the training window [start, end), monotonic, compile and data transfer excluded,
            shuffles included. It ends when the last call came back: with the last epoch, or, of a diverged
            training, with the call in which it diverged.
        diverged: a loss became NaN or infinite. Training stopped there: this epoch is the last with a time,
            and every later entry is NaN.
        padded_rows_per_epoch: rows of no weight with which the last training batch was filled up.
        compile_cached: the program was read from a cache, not compiled; None where nothing is compiled.
    """

    train_loss: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    epoch_end_s: NDArray[np.float64]
    start_s: float
    end_s: float
    diverged: bool
    epochs_per_call: int
    padded_rows_per_epoch: int
    compile_cached: bool | None = None


class CompiledTraining(Protocol):
    """A training that is ready to start: compiled, the data in place."""

    compile_start_s: float
    compile_end_s: float

    def run(self, seed: int, on_epochs: Callable[[int], None] | None = None) -> TrainingResult:
        """Train from the weights of `seed`; the same seed gives the same losses bit for bit.

        `on_epochs` is called with the number of epochs done after each call into the engine.
        """
        ...


class Engine(Protocol):
    """Something that trains fully connected networks."""

    name: str

    def versions(self) -> Mapping[str, str]:
        """Library versions, layout and whatever else changes the energy of the same training."""
        ...

    def compile(self, network: Network, data: TrainingData, config: TrainingConfig) -> CompiledTraining:
        """Make a training ready, outside of any energy window."""
        ...
