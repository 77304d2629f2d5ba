"""What every engine must do, the built-in ones and those of installed plugins."""

import functools
import math
import pickle
import time
from collections.abc import Mapping

import numpy as np
import pytest

from wattlas.core.errors import EngineError
from wattlas.engines.base import CompiledTraining, Engine, Loss, TrainingConfig, TrainingData
from wattlas.engines.data import load_training_data
from wattlas.engines.registry import engine_names, load_engine
from wattlas.networks.network import Network

ROWS, TEST_ROWS, INPUTS, BATCH, EPOCHS = 74, 21, 5, 16, 4
NETWORK = Network("rectangle", INPUTS, (8, 8, 3))
CONFIG = TrainingConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=1e-2)


@pytest.fixture(scope="module", params=engine_names())
def engine(request: pytest.FixtureRequest) -> Engine:
    try:
        return load_engine(request.param)
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def training(engine: Engine) -> CompiledTraining:
    """74 rows in batches of 16: the last batch is partial."""
    return engine.compile(NETWORK, classes(), CONFIG)


def classes(rows: int = ROWS, loss: Loss = "categorical_crossentropy") -> TrainingData:
    rng = np.random.default_rng(0)
    x = rng.random((rows + TEST_ROWS, INPUTS), dtype=np.float32)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, rows + TEST_ROWS)]
    return TrainingData("synthetic", loss, x[:rows], y[:rows], x[rows:], y[rows:], "")


def test_same_seed_same_run_bit_for_bit(training: CompiledTraining) -> None:
    first, again, other = training.run(3), training.run(3), training.run(4)
    for name in ("train_loss", "test_loss", "test_accuracy"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.isclose(first.train_loss, other.train_loss, rtol=1e-6).any()


def test_another_program_gives_the_same_run(engine: Engine, training: CompiledTraining) -> None:
    again = engine.compile(NETWORK, classes(), CONFIG).run(3)
    assert np.array_equal(training.run(3).train_loss, again.train_loss)


def test_arrays_and_window_of_a_run(training: CompiledTraining) -> None:
    called_s = time.monotonic()
    done: list[int] = []
    result = training.run(0, done.append)
    assert training.compile_start_s <= training.compile_end_s <= called_s
    assert called_s <= result.start_s < result.end_s <= time.monotonic()
    for values in (result.train_loss, result.test_loss, result.test_accuracy, result.epoch_end_s):
        assert values.shape == (EPOCHS + 1,)
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
    assert result.epoch_end_s[0] == result.start_s
    assert result.epoch_end_s[-1] == result.end_s
    assert (np.diff(result.epoch_end_s) > 0).all()
    # Whole rows are right.
    right = result.test_accuracy * TEST_ROWS
    assert right == pytest.approx(np.round(right), abs=1e-4)
    assert done == sorted(set(done))
    assert done[-1] == EPOCHS
    assert not result.diverged
    assert result.padded_rows_per_epoch in (0, 6)
    # It is sent from the process that trains.
    assert np.array_equal(pickle.loads(pickle.dumps(result)).train_loss, result.train_loss)


def test_versions_are_text(engine: Engine) -> None:
    versions = engine.versions()
    assert isinstance(versions, Mapping)
    assert {"platform", "layout", "shuffle", "denormals", "weights"} <= set(versions)
    assert all(isinstance(value, str) for value in versions.values())


def test_loss_at_the_start_is_that_of_guessing(training: CompiledTraining) -> None:
    result = training.run(0)
    assert result.train_loss[0] == pytest.approx(math.log(3), rel=0.2)
    assert result.test_loss[0] == pytest.approx(math.log(3), rel=0.2)


@functools.cache
def bundled(name: str) -> TrainingData:
    return load_training_data(name)


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "wine"])
def test_losses_fall_on_real_data(engine: Engine, name: str) -> None:
    """One for each loss: two classes, a number, three classes."""
    pytest.importorskip("sklearn")
    data = bundled(name)
    network = Network("rectangle", data.n_inputs, (16, data.n_outputs))
    config = TrainingConfig(epochs=60, batch_size=64, learning_rate=1e-2)
    result = engine.compile(network, data, config).run(0)
    assert result.train_loss[-1] < 0.5 * result.train_loss[0]
    assert result.test_loss[-1] < 0.5 * result.test_loss[0]
    if name == "diabetes":
        assert np.isnan(result.test_accuracy).all()
    else:
        assert result.test_accuracy[-1] > 0.9 > result.test_accuracy[0]


@pytest.mark.parametrize(("tested", "last"), [(True, 1), (False, 2)], ids=["test loss", "train loss"])
def test_a_training_that_diverges_stops_and_says_so(engine: Engine, tested: bool, last: int) -> None:
    """The one step of the first epoch throws the weights so far that squares overflow: the test loss after it
    does, and the train loss of the second epoch."""
    data, network = classes(loss="mean_squared_error"), Network("linear", INPUTS, (3,))
    config = TrainingConfig(epochs=50, batch_size=ROWS, learning_rate=1e30, evaluate_test=tested)
    result = engine.compile(network, data, config).run(0)
    assert result.diverged
    times = np.isfinite(result.epoch_end_s)
    assert times.tolist() == [True] * (last + 1) + [False] * (50 - last)
    losses = [result.test_loss, result.train_loss] if tested else [result.train_loss]
    assert np.isfinite([loss[:last] for loss in losses]).all()
    assert not np.isfinite(losses[0][last])
    assert np.isnan([loss[last + 1 :] for loss in losses]).all()
    assert result.start_s < result.epoch_end_s[last] <= result.end_s


def test_without_a_test_split_or_wish_no_test_loss(engine: Engine) -> None:
    whole = classes()
    empty = TrainingData(
        "a", whole.loss, whole.x_train, whole.y_train, whole.x_test[:0], whole.y_test[:0], ""
    )
    config = TrainingConfig(epochs=2, batch_size=BATCH, evaluate_test=False)
    unwanted = engine.compile(NETWORK, whole, config).run(0)
    absent = engine.compile(NETWORK, empty, TrainingConfig(epochs=2, batch_size=BATCH)).run(0)
    for result in (unwanted, absent):
        assert np.isnan([result.test_loss, result.test_accuracy]).all()
        assert not result.diverged
    assert np.array_equal(unwanted.train_loss, absent.train_loss)


@pytest.mark.parametrize("rows", [1, 10])
def test_fewer_rows_than_a_batch(engine: Engine, rows: int) -> None:
    config = TrainingConfig(epochs=2, batch_size=256, learning_rate=1e-3)
    result = engine.compile(NETWORK, classes(rows), config).run(0)
    # The first epoch is one step: its loss is that of the initial weights.
    assert result.train_loss[1] == pytest.approx(result.train_loss[0], rel=1e-5)
    assert result.train_loss[2] < result.train_loss[1]
    assert result.padded_rows_per_epoch == 0


@pytest.mark.parametrize(
    ("network", "match"),
    [
        (Network("r", INPUTS + 1, (8, 3)), "build the network for this dataset"),
        (Network("r", INPUTS, (8, 4)), "build the network for this dataset"),
        (Network("r", INPUTS, (8, 4, 3), residual=True), "hidden widths"),
    ],
    ids=["inputs", "outputs", "residual"],
)
def test_what_does_not_fit_is_refused(engine: Engine, network: Network, match: str) -> None:
    with pytest.raises(EngineError, match=match):
        engine.compile(network, classes(), CONFIG)


def test_data_are_left_as_they_were(engine: Engine) -> None:
    data = classes()
    engine.compile(NETWORK, data, CONFIG).run(0)
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(data, name), getattr(classes(), name))
