"""Engines against the NumPy reference, that against scikit-learn, encodings against published facts."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattlas.core.errors import EngineError
from wattlas.engines.base import EpsilonConvention, Loss, TrainingConfig, TrainingData, Weights
from wattlas.engines.data import DataSource, load_training_data
from wattlas.engines.encoding import Column, encode_inputs
from wattlas.engines.numpy import Adam, NumpyEngine, initial_losses, loss_and_gradient
from wattlas.engines.registry import load_engine
from wattlas.engines.start import initial_weights
from wattlas.networks import PAPER_TASKS, build_network
from wattlas.networks.network import Network

LOSSES: tuple[Loss, ...] = ("mean_squared_error", "binary_crossentropy", "categorical_crossentropy")
# 74 rows in batches of 16 are 5 steps, the last of 10 rows: 20 steps in 4 epochs.
ROWS, BATCH, EPOCHS = 74, 16, 4
# An epsilon as large as the gradients' roots, so that where it is added shows.
EPSILON = 1e-3


def synthetic(loss: Loss) -> TrainingData:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS + 21, 6)).astype(np.float32)
    y = rng.normal(size=(ROWS + 21, 3))
    if loss == "binary_crossentropy":
        y = y > 0
    elif loss == "categorical_crossentropy":
        y = np.eye(3)[y.argmax(axis=1)]
    y = y.astype(np.float32)
    return TrainingData("synthetic", loss, x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:], "")


def config(convention: EpsilonConvention = "keras") -> TrainingConfig:
    return TrainingConfig(
        EPOCHS, batch_size=BATCH, learning_rate=1e-3, epsilon=EPSILON, epsilon_convention=convention
    )


def difference(first: Weights, second: Weights) -> float:
    pairs = zip(first, second, strict=True)
    return max(float(np.abs(a - b).max()) for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module", params=["jax", "torch"])
def engine(request: pytest.FixtureRequest) -> Any:
    try:
        return load_engine(request.param)
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("widths", "residual", "convention"),
    [
        ((3,), False, "standard"),
        ((24, 12, 3), False, "keras"),
        ((9, 9, 9, 9, 3), True, "keras"),
        ((9, 9, 9, 9, 3), True, "standard"),
    ],
    ids=["linear", "trapezoid", "residual", "residual-standard"],
)
def test_twenty_steps_agree_to_rounding(
    engine: Any, loss: Loss, widths: tuple[int, ...], residual: bool, convention: EpsilonConvention
) -> None:
    network, data = Network("", 6, widths, residual), synthetic(loss)
    reference = NumpyEngine().compile(network, data, config(convention))
    training = engine.compile(network, data, config(convention))
    expected, found = reference.run(11), training.run(11)
    # Twenty steps of 1e-3 move weights by up to 2e-2.
    moved = difference(initial_weights(network, 11), reference.trained_weights())
    assert moved > 5e-3
    assert difference(reference.trained_weights(), training.trained_weights()) < 2e-6
    for name in ("train_loss", "test_loss", "test_accuracy"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5, nan_ok=True)


def test_conventions_of_epsilon_differ_by_more_than_rounding() -> None:
    """What makes the test above able to fail: the other convention is far outside its tolerance."""
    network, data = Network("", 6, (24, 12, 3)), synthetic("categorical_crossentropy")
    trained = []
    for convention in ("keras", "standard"):
        training = NumpyEngine().compile(network, data, config(convention))
        training.run(11)
        trained.append(training.trained_weights())
    assert difference(*trained) > 1e-3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", LOSSES)
def test_twenty_steps_are_those_of_scikit_learn(loss: Loss) -> None:
    """Its perceptron in full batches: another's network, losses, gradients and Adam (Keras's convention)."""
    neural = pytest.importorskip("sklearn.neural_network")
    data = synthetic(loss)
    x, y = data.x_train.astype(float), data.y_train.astype(float)
    if loss == "categorical_crossentropy":
        model, labels = neural.MLPClassifier, y.argmax(axis=1)
    elif loss == "binary_crossentropy":
        y = y[:, :1]
        model, labels = neural.MLPClassifier, y[:, 0]
    else:
        y = y[:, :1]
        model, labels = neural.MLPRegressor, y[:, 0]
    options = {"alpha": 0, "batch_size": len(x), "shuffle": False, "random_state": 5, "epsilon": EPSILON}

    def trained(steps: int, rate: float) -> Any:
        widths = {"hidden_layer_sizes": (12, 7)}
        return model(max_iter=steps, learning_rate_init=rate, **widths, **options).fit(x, labels)

    start, end = trained(1, 1e-300), trained(20, 1e-3)
    weights: Any = [(k.copy(), b.copy()) for k, b in zip(start.coefs_, start.intercepts_, strict=True)]
    # Its squared error is halved, and with it the gradient: half the epsilon gives the same steps.
    scale = 2 if loss == "mean_squared_error" else 1
    adam = Adam(weights, TrainingConfig(1, learning_rate=1e-3, epsilon=EPSILON * scale))
    losses = []
    for _ in range(20):
        value, gradients = loss_and_gradient(weights, x, y, loss, residual=False)
        losses.append(value / scale)
        adam.update(weights, gradients)
    assert losses == pytest.approx(end.loss_curve_, rel=1e-6)
    assert difference(weights, list(zip(end.coefs_, end.intercepts_, strict=True))) < 1e-8


# Columns `x0`… and `target` of the copies beside the checkout.
FILES = {
    "201_pol": (26, 11),
    "294_satellite_image": (36, 6),
    "505_tecator": (124, 1),
    "529_pollen": (4, 1),
    "537_houses": (8, 1),
    "banana": (2, 1),
    "nursery": (26, 4),
    "splice": (287, 3),
    "wine_quality_white": (11, 7),
}


def held(shared: Path, name: str) -> Path:
    path = shared / "datasets" / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


@pytest.mark.parametrize("name", FILES)
def test_inputs_and_outputs_of_the_paper_s_data(shared: Path, name: str) -> None:
    data = load_training_data(DataSource(name, held(shared, name)))
    task = PAPER_TASKS[name]
    assert (data.n_inputs, data.n_outputs) == FILES[name] == (task.n_inputs, task.n_outputs)
    assert data.loss == task.loss
    # This copy of splice has two rows more.
    assert data.n_observations == task.n_observations + (2 if name == "splice" else 0)


def test_mnist_is_scaled_and_not_encoded(shared: Path) -> None:
    data = load_training_data(DataSource("mnist", held(shared, "mnist_5k"), image=True))
    assert (data.n_inputs, data.n_outputs, data.loss) == (784, 10, "categorical_crossentropy")
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)


def test_connect_4_has_its_126_inputs(shared: Path) -> None:
    """42 squares of three states. This copy keeps one of a position and its mirror image: three squares have
    two states there, and all have three again once the images are beside it."""
    table = pl.read_parquet(held(shared, "connect_4"))
    y = load_training_data(DataSource("connect_4", held(shared, "connect_4")))
    assert (y.n_inputs, y.n_outputs, y.loss) == (120, 3, "categorical_crossentropy")
    squares = table.drop("target").to_numpy().astype(str)
    # Columns of six squares each, from left to right.
    mirrored = squares.reshape(len(squares), 7, 6)[:, ::-1].reshape(len(squares), 42)
    both = np.concatenate([squares, mirrored])
    assert encode_inputs([Column(f"x{i}", both[:, i]) for i in range(42)]).shape[1] == 126


def test_adult_s_texts_are_one_hot_and_its_numbers_scaled(shared: Path) -> None:
    """122 as the copy's README says; with the texts as PMLB's codes, 42 countries are one scaled column."""
    path = held(shared, "adult")
    data = load_training_data(DataSource("adult", path))
    assert (data.n_inputs, data.n_outputs, data.loss) == (122, 1, "binary_crossentropy")
    coded = pl.read_parquet(path).drop("target").with_columns(pl.col(pl.String).rank("dense"))
    columns = [Column(name, coded[name].to_numpy().astype(float)) for name in coded.columns]
    assert encode_inputs(columns).shape[1] == PAPER_TASKS["adult"].n_inputs == 81


def test_loss_of_pol_starts_at_ln_11(shared: Path) -> None:
    """The published first loss of 201_pol, by which it is known to be a classification."""
    data = load_training_data(DataSource("201_pol", held(shared, "201_pol")))
    network = build_network("rectangle", 4, 2**14, data.n_inputs, data.n_outputs)
    losses = [initial_losses(network, data, TrainingConfig(1), initial_weights(network, s)) for s in range(5)]
    assert np.mean(losses, axis=0)[:2] == pytest.approx(math.log(11), rel=0.05)
