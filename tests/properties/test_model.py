"""Properties of the energy model that hold for any energies."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattlas.model import EnergyModel
from wattlas.model.grid import grid_points
from wattlas.model.law import SHAPES
from wattlas.networks.tasks import PAPER_TASKS

TASKS = [PAPER_TASKS[name] for name in ("201_pol", "mnist")]
MACHINES = ("eagle-cpu", "eagle-gpu")
POINTS = {m: grid_points(m, TASKS, ("rectangle", "exponential"), (2, 5), range(8, 22, 4)) for m in MACHINES}
N = min(points.height for points in POINTS.values())
machines = st.sampled_from(MACHINES)
log_energies = st.lists(st.floats(-12.0, 2.0), min_size=N, max_size=N)
few = settings(max_examples=5, deadline=None)


def fit(points: pl.DataFrame, energy: np.ndarray) -> EnergyModel:
    return EnergyModel().fit(points[: len(energy)], energy)


def plausible(machine: str, seed: int) -> np.ndarray:
    f = POINTS[machine]["n_parameters"].to_numpy()[:N]
    return (0.002 + 1e-9 * f) * np.exp(np.random.default_rng(seed).normal(0, 0.05, N))


@few
@given(machines, log_energies)
def test_coefficients_are_never_negative(machine: str, logs: list[float]) -> None:
    model = fit(POINTS[machine], np.exp(logs)).machines_[machine]
    assert all(np.isfinite(value) and value >= 0 for value in model.values.values())
    assert (np.linalg.eigvalsh(model.covariance) > 0).all()
    p = EnergyModel()
    p.machines_ = {machine: model}
    prediction = p.predict_interval(POINTS[machine])
    assert (prediction.lower_j > 0).all()
    assert (prediction.lower_j < prediction.energy_j).all()
    assert np.isfinite(prediction.upper_j).all()


@few
@given(machines, st.integers(0, 100), st.floats(-14.0, 14.0))
def test_energies_times_k_give_costs_times_k(machine: str, seed: int, log_k: float) -> None:
    energy, k = plausible(machine, seed), np.exp(log_k)
    once, scaled = (fit(POINTS[machine], e).machines_[machine] for e in (energy, k * energy))
    assert once.law.free == scaled.law.free
    assert scaled.log_sd == pytest.approx(once.log_sd, rel=1e-3)
    for name, value in once.values.items():
        expected = value if name in SHAPES else k * value
        assert scaled.values[name] == pytest.approx(expected, rel=1e-3)


@few
@given(machines, st.integers(0, 100))
def test_the_order_of_points_does_not_matter(machine: str, seed: int) -> None:
    energy, points = plausible(machine, seed), POINTS[machine][:N]
    order = np.random.default_rng(seed).permutation(N)
    once, again = fit(points, energy), fit(points[order], energy[order])
    np.testing.assert_allclose(again.predict(points), once.predict(points), rtol=1e-3)


@few
@given(machines, st.integers(0, 100))
def test_energy_rises_with_depth_and_width(machine: str, seed: int) -> None:
    model = fit(POINTS[machine], plausible(machine, seed))

    def networks(widths: list[str]) -> dict[str, list[object]]:
        n = len(widths)
        counts = {"n_inputs": 26, "n_train_batches": 47, "n_test_batches": 12, "batch_size": 256}
        return {"machine": [machine] * n, "widths": list(widths), **{k: [v] * n for k, v in counts.items()}}

    deeper = model.predict(networks(["64 11", "64 64 11", "64 64 64 11"]))
    wider = model.predict(networks(["8 11", "64 11", "512 11", "40000 11"]))
    assert (np.diff(deeper) > 0).all()
    assert (np.diff(wider) > 0).all()
