"""What is recorded of calls that come back, and which trainings are refused."""

import numpy as np
import pytest

from wattlas.core.errors import EngineError
from wattlas.engines.base import TrainingData
from wattlas.engines.recorder import Recorder, check_training
from wattlas.networks.network import Network

NAN, INF = float("nan"), float("inf")


def test_times_inside_a_call_are_interpolated() -> None:
    recorder = Recorder(6, (1.0, 1.1, 0.5))
    recorder.start()
    recorder.add([0.9, 0.8, 0.7, 0.6], [1.0, 0.9, 0.8, 0.7], [0.5, 0.6, 0.7, 0.8])
    recorder.add([0.5, 0.4], [0.6, 0.5], [0.9, 1.0])
    result = recorder.result(4, 3, compile_cached=True)
    assert result.train_loss.tolist() == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert result.test_loss.tolist() == [1.1, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert result.test_accuracy.tolist() == [0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert result.epoch_end_s[0] == result.start_s
    assert result.epoch_end_s[-1] == result.end_s
    gaps = np.diff(result.epoch_end_s)
    assert gaps[:4] == pytest.approx(np.full(4, gaps[:4].mean()), abs=1e-9)
    assert (result.epochs_per_call, result.padded_rows_per_epoch, result.compile_cached) == (4, 3, True)
    assert not result.diverged


@pytest.mark.parametrize(
    ("train", "test"),
    [([0.9, INF, NAN], [0.9, 0.8, NAN]), ([0.9, 0.8, 0.7], [0.9, NAN, 0.6])],
    ids=["train", "test"],
)
def test_nothing_is_recorded_after_the_epoch_that_diverged(train: list[float], test: list[float]) -> None:
    recorder = Recorder(9, (1.0, 1.0, 0.5))
    recorder.add(train, test, [0.5, 0.6, 0.7])
    result = recorder.result(3, 0)
    assert result.diverged
    assert recorder.done == 2
    assert np.isfinite(result.epoch_end_s[:3]).all()
    assert result.train_loss[1] == 0.9
    for values in (result.train_loss, result.test_loss, result.test_accuracy, result.epoch_end_s):
        assert np.isnan(values[3:]).all()
    # The window holds the whole call, whose energy was spent.
    assert result.end_s > result.epoch_end_s[2]


def test_without_a_test_there_is_no_test_loss() -> None:
    recorder = Recorder(2, (1.0, NAN, NAN))
    recorder.add([0.5, 0.4], None, None)
    result = recorder.result(2, 0)
    assert np.isnan(result.test_loss).all()
    assert not result.diverged


def test_what_does_not_fit_is_refused() -> None:
    x, y = np.zeros((8, 3), np.float32), np.zeros((8, 2), np.float32)
    data = TrainingData("a", "mean_squared_error", x, y, x, y, "")
    check_training(Network("r", 3, (4, 4, 2), residual=True), data)
    for network, match in (
        (Network("r", 2, (4, 2)), "2 inputs to 2 outputs but 'a' has 3 and 2"),
        (Network("r", 3, (4, 1)), "3 inputs to 1 outputs"),
        (Network("r", 3, (4, 1, 2), residual=True), r"\(4, 1\) differ"),
    ):
        with pytest.raises(EngineError, match=match):
            check_training(network, data)
    empty = TrainingData("a", "mean_squared_error", x[:0], y[:0], x, y, "")
    with pytest.raises(EngineError, match="no training rows"):
        check_training(Network("r", 3, (4, 2)), empty)
