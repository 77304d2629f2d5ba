"""The reference engine against finite differences, closed forms and itself."""

import math
from typing import Any

import numpy as np
import pytest

from wattlas.engines.base import Loss, TrainingConfig, TrainingData
from wattlas.engines.numpy import correct, initial_losses, loss_and_gradient, mean_losses, row_losses
from wattlas.engines.start import initial_weights
from wattlas.networks.network import Network

LOSSES: tuple[Loss, ...] = ("mean_squared_error", "binary_crossentropy", "categorical_crossentropy")


def targets(loss: Loss, rows: int, outputs: int, rng: np.random.Generator) -> Any:
    if loss == "mean_squared_error":
        return rng.normal(size=(rows, outputs))
    if loss == "binary_crossentropy":
        return rng.integers(0, 2, (rows, outputs)).astype(float)
    return np.eye(outputs)[rng.integers(0, outputs, rows)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("widths", "residual"),
    [((3,), False), ((5, 3), False), ((6, 4, 3), False), ((5, 5, 5, 5, 3), True)],
    ids=["linear", "shallow", "deep", "residual"],
)
def test_gradient_is_that_of_finite_differences(loss: Loss, widths: tuple[int, ...], residual: bool) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(7, 4)), targets(loss, 7, 3, rng)
    # float64, with biases that are not zero.
    weights: Any = [
        (kernel.astype(float), rng.normal(size=bias.shape) * 0.3)
        for kernel, bias in initial_weights(Network("", 4, widths), 1)
    ]
    value, gradients = loss_and_gradient(weights, x, y, loss, residual)
    assert value == pytest.approx(mean_losses(weights, x, y, loss, residual)[0], rel=1e-12)
    h = 1e-6
    for layer, slopes in zip(weights, gradients, strict=True):
        for array, slope in zip(layer, slopes, strict=True):
            assert slope.shape == array.shape
            for index in np.ndindex(array.shape):
                kept = array[index]
                array[index] = kept + h
                above = mean_losses(weights, x, y, loss, residual)[0]
                array[index] = kept - h
                below = mean_losses(weights, x, y, loss, residual)[0]
                array[index] = kept
                assert slope[index] == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-8)


def test_a_tiny_relu_beside_a_large_skip_keeps_its_slope() -> None:
    """In float32 1 + 1e-9 is 1: the slope must come from the ReLU, not from a difference of sums."""
    one = np.ones((1, 1), np.float32)
    zero = np.zeros(1, np.float32)
    weights = [(one, zero), (one * np.float32(1e-9), zero), (one, zero)]
    _, gradients = loss_and_gradient(weights, one, 0 * one, "mean_squared_error", residual=True)
    # d/dw of (x + w x)^2 at x = 1.
    assert gradients[1][0][0, 0] == pytest.approx(2.0)


def test_losses_in_closed_form() -> None:
    logits = np.array([[0.0, 0.0], [math.log(3), 0.0]])
    classes, halves = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    assert row_losses("categorical_crossentropy", logits, classes) == pytest.approx(
        [math.log(2), math.log(4)]
    )
    # -ln sigmoid(ln 3) = ln(4 / 3); the mean over two outputs.
    assert row_losses("binary_crossentropy", logits, halves) == pytest.approx(
        [math.log(2), (math.log(4 / 3) + math.log(2)) / 2]
    )
    assert row_losses("mean_squared_error", logits, classes) == pytest.approx(
        [0.5, (math.log(3) ** 2 + 1) / 2]
    )


def test_losses_of_huge_logits_are_finite() -> None:
    logits = np.array([[1000.0, -1000.0]], np.float32)
    right, wrong = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert row_losses("categorical_crossentropy", logits, right) == pytest.approx([0])
    assert row_losses("categorical_crossentropy", logits, wrong) == pytest.approx([2000])
    assert row_losses("binary_crossentropy", logits, right) == pytest.approx([0])
    assert row_losses("binary_crossentropy", logits, wrong) == pytest.approx([1000])


def test_rows_that_are_right() -> None:
    logits = np.array([[0.1, -0.2], [-0.1, 0.4], [0.2, 0.3]])
    y = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = [correct(loss, logits, y) for loss in ("categorical_crossentropy", "binary_crossentropy")]
    assert [None if hits is None else hits.tolist() for hits in found] == [[True, True, False]] * 2
    assert correct("mean_squared_error", logits, y) is None


@pytest.mark.parametrize("loss", LOSSES)
def test_a_split_in_chunks_is_the_mean_of_its_rows(loss: Loss) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2500, 4)), targets(loss, 2500, 3, rng)
    weights = initial_weights(Network("", 4, (8, 3)), 0)
    value, right = mean_losses(weights, x, y, loss, residual=False)
    hidden = np.maximum(x @ weights[0][0], 0)
    rows = row_losses(loss, hidden @ weights[1][0], y)
    assert value == pytest.approx(rows.mean())
    hits = correct(loss, hidden @ weights[1][0], y)
    assert np.isnan(right) if hits is None else right == pytest.approx(hits.mean())


def test_no_test_rows_have_no_loss() -> None:
    x, y = np.ones((3, 2), np.float32), np.ones((3, 1), np.float32)
    data = TrainingData("a", "mean_squared_error", x, y, x[:0], y[:0], "")
    network = Network("", 2, (2, 1))
    weights = initial_weights(network, 0)
    with_test = initial_losses(network, data, TrainingConfig(1), weights)
    without = initial_losses(network, data, TrainingConfig(1, evaluate_test=False), weights)
    assert with_test[0] == without[0] > 0
    assert np.isnan([*with_test[1:], *without[1:]]).all()
