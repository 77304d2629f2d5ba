"""Collects the losses of a training as its calls come back."""

import time

import numpy as np
from numpy.typing import ArrayLike

from wattlas.core.errors import EngineError
from wattlas.engines.base import TrainingData, TrainingResult
from wattlas.networks.network import Network


class Recorder:
    """Losses and times by epoch, NaN where an epoch was not reached."""

    def __init__(self, epochs: int, initial: tuple[float, float, float]) -> None:
        self.train, self.test, self.accuracy, self.end_s = (np.full(epochs + 1, np.nan) for _ in range(4))
        self.train[0], self.test[0], self.accuracy[0] = initial
        self.done = 0
        self.diverged = False
        self.start_s = self.stop_s = self.end_s[0] = time.monotonic()

    def start(self) -> None:
        """Open the training window now."""
        self.start_s = self.end_s[0] = time.monotonic()

    def add(self, train: ArrayLike, test: ArrayLike | None, accuracy: ArrayLike | None) -> None:
        """Append the epochs of one call, which ended now; times inside the call are interpolated.

        Of a call in which the training diverged, the epochs after that are dropped: the same losses are
        recorded however many epochs a call has.
        """
        self.stop_s, before = time.monotonic(), self.end_s[self.done]
        train = np.asarray(train, dtype=np.float64)
        bad = ~np.isfinite(train)
        if test is not None:
            bad |= ~np.isfinite(np.asarray(test, dtype=np.float64))
        self.diverged = bool(bad.any())
        kept = int(bad.argmax()) + 1 if self.diverged else len(train)
        part = slice(self.done + 1, self.done + 1 + kept)
        self.train[part] = train[:kept]
        self.end_s[part] = before + (self.stop_s - before) * np.arange(1, kept + 1) / len(train)
        if test is not None:
            self.test[part] = np.asarray(test)[:kept]
        if accuracy is not None:
            self.accuracy[part] = np.asarray(accuracy)[:kept]
        self.done += kept

    def result(
        self, epochs_per_call: int, padding: int, compile_cached: bool | None = None
    ) -> TrainingResult:
        """Close the window where the last call came back."""
        return TrainingResult(
            train_loss=self.train,
            test_loss=self.test,
            test_accuracy=self.accuracy,
            epoch_end_s=self.end_s,
            start_s=self.start_s,
            end_s=self.stop_s,
            diverged=self.diverged,
            epochs_per_call=epochs_per_call,
            padded_rows_per_epoch=padding,
            compile_cached=compile_cached,
        )


def check_training(network: Network, data: TrainingData) -> None:
    """Refuse a training whose parts do not fit each other.

    Raises:
        EngineError: the message says which.
    """
    if network.n_inputs != data.n_inputs or network.n_outputs != data.n_outputs:
        raise EngineError(
            f"the network takes {network.n_inputs} inputs to {network.n_outputs} outputs but {data.name!r} "
            f"has {data.n_inputs} and {data.n_outputs}; build the network for this dataset"
        )
    hidden = network.widths[:-1]
    if network.residual and len(set(hidden)) > 1:
        raise EngineError(
            "a residual network adds each hidden layer's input to its output, but its hidden widths "
            f"{hidden} differ; give them one width"
        )
    if len(data.x_train) == 0:
        raise EngineError(f"{data.name!r} has no training rows; give a smaller test fraction")
