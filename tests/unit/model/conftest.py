"""Points whose energies follow a known law."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest

from wattlas.hardware.catalogue import load_machine
from wattlas.model.features import features
from wattlas.model.grid import grid_points
from wattlas.model.law import Law, columns, evaluate_law
from wattlas.networks.tasks import PAPER_TASKS

CPU = {
    "step": 0.5,
    "layer": 0.08,
    "flop": 3e-10,
    "activation_byte": 3e-8,
    "input_byte": 2e-7,
    "sync": 0.2,
    "sync_half": 1500.0,
    "test_share": 0.4,
}
GPU = {
    "step": 1.2,
    "layer": 0.12,
    "flop": 4e-10,
    "activation_byte": 8e-9,
    "input_byte": 2e-7,
    "device_step": 1.5,
    "overlap": 5.0,
    "test_share": 0.4,
}


def truth(
    points: pl.DataFrame, values: Mapping[str, float], noise: float = 0.0, seed: int = 0
) -> pl.DataFrame:
    """`points` with energies of the law of `values`, and log-normal noise."""
    law = Law(tuple(values), {}, load_machine(points["machine"][0]).hierarchy)
    energy, _ = evaluate_law(law, law.logs(values), columns(law, features(points)))
    scatter = np.random.default_rng(seed).normal(0.0, noise, points.height) if noise else 0.0
    return points.with_columns(pl.Series("energy_per_datum_j", energy * np.exp(scatter)))


@pytest.fixture(scope="session")
def with_energies() -> Callable[..., pl.DataFrame]:
    return truth


@pytest.fixture(scope="session")
def true_values() -> dict[str, dict[str, float]]:
    return {"eagle-cpu": CPU, "eagle-gpu": GPU}


@pytest.fixture(scope="session")
def grid() -> Callable[[str], pl.DataFrame]:
    """Some 230 networks: four tasks, three shapes, depths 2 to 10, sizes 2^6 to 2^22."""
    tasks = [PAPER_TASKS[name] for name in ("201_pol", "mnist", "sleep", "banana")]

    def make(machine: str) -> pl.DataFrame:
        shapes = ("rectangle", "trapezoid", "exponential")
        return grid_points(machine, tasks, shapes, (2, 4, 10), range(6, 23, 2))

    return make


@pytest.fixture(scope="session")
def noisy(grid: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Both machines, with 5 % noise."""
    return pl.concat([truth(grid("eagle-cpu"), CPU, 0.05), truth(grid("eagle-gpu"), GPU, 0.05, seed=1)])
