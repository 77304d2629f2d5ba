"""What is JAX's own: epochs a call, padding, the compile's window and cache."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wattlas.core.errors import EngineError
from wattlas.engines.base import TrainingConfig, TrainingData
from wattlas.networks.network import Network

pytest.importorskip("jax", reason="JAX is not installed: pip install 'wattlas[train]'")

from wattlas.engines.jax import JaxEngine, epochs_per_call

NETWORK = Network("rectangle", 5, (8, 8, 3))


def classes(rows: int = 74) -> TrainingData:
    rng = np.random.default_rng(0)
    x = rng.random((rows, 5), dtype=np.float32)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, rows)]
    return TrainingData("a", "categorical_crossentropy", x, y, x[:21], y[:21], "")


def test_epochs_per_call_change_nothing() -> None:
    config = TrainingConfig(epochs=7, batch_size=16, learning_rate=1e-2)
    runs = []
    for calls in (1, 3, 7):
        training = JaxEngine(epochs_per_call=calls).compile(NETWORK, classes(), config)
        seen: list[int] = []
        result = training.run(5, seen.append)
        assert seen == {1: [1, 2, 3, 4, 5, 6, 7], 3: [3, 6, 7], 7: [7]}[calls]
        assert result.epochs_per_call == calls
        weights = [array for layer in training.trained_weights() for array in layer]
        runs.append((result.train_loss, result.test_loss, *weights))
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            assert np.array_equal(a, b)
    with pytest.raises(EngineError, match="epochs_per_call is 0"):
        JaxEngine(epochs_per_call=0)


def test_epochs_per_call_follow_the_work() -> None:
    small, large = Network("r", 8, (19, 19, 19, 4)), Network("r", 8, (1020, 1020, 1020, 4))
    assert 10 <= epochs_per_call(small, 41, 10_366, 3000) <= 100
    assert epochs_per_call(small, 41, 10_366, 5) == 5
    assert epochs_per_call(large, 41, 10_366, 3000) == 1
    # Permutations of many rows must not fill the memory.
    assert epochs_per_call(small, 1, 1 << 25, 3000) == 1


def test_the_row_that_fills_up_the_last_batch_has_no_weight() -> None:
    """17 rows in batches of 16: the second has one row and 15 copies of row 0."""
    rng = np.random.default_rng(1)
    x, y = rng.random((17, 5), dtype=np.float32), rng.random((17, 3), dtype=np.float32)
    # Row 0 is far off: with any weight in the second batch it would drive the loss.
    y[0] = 1000
    data = TrainingData("a", "mean_squared_error", x, y, x, y, "")
    config = TrainingConfig(epochs=1, batch_size=16, learning_rate=1e-6)
    result = JaxEngine().compile(NETWORK, data, config).run(0)
    assert result.padded_rows_per_epoch == 15
    # Weights hardly move: the epoch's mean is the initial loss of all 17 rows, each counted once.
    assert result.train_loss[1] == pytest.approx(result.train_loss[0], rel=1e-4)
    assert result.test_loss == pytest.approx(result.train_loss, rel=1e-4)


def test_relu_has_no_slope_at_zero() -> None:
    """Rows of zeros leave every hidden unit at exactly 0: no gradient may reach the first biases."""
    x, y = np.zeros((8, 5), np.float32), np.ones((8, 3), np.float32)
    data = TrainingData("a", "mean_squared_error", x, y, x, y, "")
    training = JaxEngine().compile(NETWORK, data, TrainingConfig(epochs=2, learning_rate=1e-2))
    training.run(0)
    weights = training.trained_weights()
    assert not weights[0][1].any()
    assert not weights[1][1].any()
    assert weights[2][1].all()


def test_the_training_window_opens_after_the_compile() -> None:
    before_s = time.monotonic()
    training = JaxEngine().compile(NETWORK, classes(), TrainingConfig(epochs=2))
    compiled_s = time.monotonic()
    result = training.run(0)
    assert before_s <= training.compile_start_s < training.compile_end_s <= compiled_s
    assert compiled_s <= result.start_s < result.end_s <= time.monotonic()


def test_a_program_from_the_cache_is_told_from_a_compile(tmp_path: Path) -> None:
    code = """
import numpy as np
from wattlas.engines.base import TrainingConfig, TrainingData
from wattlas.engines.jax import JaxEngine
from wattlas.networks.network import Network
x = np.ones((8, 2), np.float32)
data = TrainingData("a", "mean_squared_error", x, x, x, x, "")
training = JaxEngine({!r}).compile(Network("r", 2, (2,)), data, TrainingConfig(epochs=1))
print(training.run(0).compile_cached)
"""
    command = [sys.executable, "-c", code.format(str(tmp_path))]
    outputs = [
        subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ)).stdout
        for _ in range(2)
    ]
    assert [output.strip() for output in outputs] == ["False", "True"]
