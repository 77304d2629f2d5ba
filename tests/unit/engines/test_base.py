"""What an engine is given is checked where it is made."""

from typing import Any

import numpy as np
import pytest

from wattlas.core.errors import DataError, EngineError
from wattlas.engines.base import TrainingConfig, TrainingData


def arrays(**changed: Any) -> dict[str, Any]:
    zeros = {"x_train": (8, 3), "y_train": (8, 2), "x_test": (4, 3), "y_test": (4, 2)}
    return {name: np.zeros(shape, np.float32) for name, shape in zeros.items()} | changed


def test_data_tell_their_widths() -> None:
    data = TrainingData("a", "mean_squared_error", **arrays(), fingerprint="")
    assert (data.n_inputs, data.n_outputs, data.n_observations) == (3, 2, 12)


@pytest.mark.parametrize(
    "changed",
    [
        {"x_train": np.zeros((8, 3))},
        {"x_train": np.zeros((7, 3), np.float32)},
        {"x_test": np.zeros((4, 2), np.float32)},
        {"y_test": np.zeros((4, 1), np.float32)},
        {"y_train": np.zeros(8, np.float32)},
    ],
    ids=["float64", "rows", "columns", "outputs", "flat"],
)
def test_arrays_that_do_not_fit_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="'a'"):
        TrainingData("a", "mean_squared_error", **arrays(**changed), fingerprint="")


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"epsilon": -1e-7},
        {"beta_1": 1.0},
        {"beta_2": -0.1},
        {"epsilon_convention": "torch"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_senseless_configurations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=next(iter(wrong)).split("_")[0]):
        TrainingConfig(**{"epochs": 1, **wrong})
