"""Collects the losses of a training as its calls come back."""

import time

import numpy as np
from numpy.typing import ArrayLike

from wattlas.core.errors import EngineError
from wattlas.engines.base import TrainingConfig, TrainingData, TrainingResult
from wattlas.networks.network import Network


class Recorder:
    """Losses and times by epoch, NaN where an epoch was not reached."""

    def __init__(self, epochs: int, initial: tuple[float, float, float]) -> None:
        self.train, self.test, self.accuracy, self.end_s = (np.full(epochs + 1, np.nan) for _ in range(4))
        self.train[0], self.test[0], self.accuracy[0] = initial
        self.done = 0
        self.diverged = False
        self.start_s = self.end_s[0] = time.monotonic()

    def start(self) -> None:
        """Open the training window now."""
        self.start_s = self.end_s[0] = time.monotonic()

    def add(self, train: ArrayLike, test: ArrayLike | None, accuracy: ArrayLike | None) -> None:
        """Append the epochs of one call, which ended now; times inside the call are interpolated."""
        now, before = time.monotonic(), self.end_s[self.done]
        train = np.asarray(train, dtype=np.float64)
        part = slice(self.done + 1, self.done + 1 + len(train))
        self.train[part] = train
        self.end_s[part] = before + (now - before) * np.arange(1, len(train) + 1) / len(train)
        if test is not None:
            self.test[part] = test
            self.diverged = not np.isfinite(self.test[part]).all()
        if accuracy is not None:
            self.accuracy[part] = accuracy
        self.diverged = self.diverged or not np.isfinite(train).all()
        self.done += len(train)

    def result(
        self, epochs_per_call: int, padding: int, compile_cached: bool | None = None
    ) -> TrainingResult:
        """Close the window at the end of the last epoch that was reached."""
        return TrainingResult(
            train_loss=self.train,
            test_loss=self.test,
            test_accuracy=self.accuracy,
            epoch_end_s=self.end_s,
            start_s=self.start_s,
            end_s=float(self.end_s[self.done]),
            diverged=self.diverged,
            epochs_per_call=epochs_per_call,
            padded_rows_per_epoch=padding,
            compile_cached=compile_cached,
        )


def check_training(network: Network, data: TrainingData, config: TrainingConfig) -> None:
    """Refuse a training whose parts do not fit each other.

    Raises:
        EngineError: the message says which.
    """
    if network.n_inputs != data.n_inputs or network.n_outputs != data.n_outputs:
        raise EngineError(
            f"the network takes {network.n_inputs} inputs to {network.n_outputs} outputs but {data.name!r} has "
            f"{data.n_inputs} and {data.n_outputs}; build the network for this dataset"
        )
    if config.epochs < 1 or config.batch_size < 1:
        raise EngineError(
            f"epochs is {config.epochs} and batch size {config.batch_size}; both must be at least 1"
        )
    if len(data.x_train) == 0:
        raise EngineError(f"{data.name!r} has no training rows; give a smaller test fraction")
