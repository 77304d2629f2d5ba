from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from wattlas.hardware.catalogue import load_machine
from wattlas.model import EnergyModel
from wattlas.model.attribution import attribute
from wattlas.model.features import features
from wattlas.model.law import Law
from wattlas.model.machine_model import MachineModel
from wattlas.model.spill import lies_in
from wattlas.model.timing import Timing, fit_timing

CPU = load_machine("eagle-cpu")
IDLE_W, TRAINING_W = 220.0, 326.31


def model(values: dict[str, float], timing: Timing | None) -> MachineModel:
    law = Law(tuple(values), {}, CPU.hierarchy)
    n = len(values)
    return MachineModel(law, law.logs(values), np.eye(n) * 1e-4, 0.05, 10, {}, timing=timing)


def test_causes_sum_to_the_prediction_and_idle_is_its_share_of_power(
    noisy: pl.DataFrame, grid: Callable[[str], pl.DataFrame]
) -> None:
    fitted = EnergyModel(seed=1).fit(noisy)
    parts = fitted.attribute(noisy)
    assert set(parts.columns) == {f"{c}_j" for c in ("idle", "launch", "compute", "L1", "L2", "L3", "RAM")}
    assert parts.fill_null(0.0).min_horizontal().min() >= 0.0
    np.testing.assert_allclose(parts.sum_horizontal(), fitted.predict(noisy), rtol=1e-12)
    on_cpu = (noisy["machine"] == "eagle-cpu").to_numpy()
    # The catalogue's powers stand for every second.
    share = parts["idle_j"].to_numpy()[on_cpu] / fitted.predict(noisy)[on_cpu]
    np.testing.assert_allclose(share, IDLE_W / TRAINING_W, rtol=1e-12)
    # A GPU node's three levels: there is no L3.
    assert parts["L3_j"].is_null().to_numpy()[~on_cpu].all()
    assert fitted.predict_interval(noisy).seconds[on_cpu] == pytest.approx(
        fitted.predict(noisy)[on_cpu] / TRAINING_W
    )


def test_each_cost_goes_to_its_cause(grid: Callable[[str], pl.DataFrame]) -> None:
    f = features(grid("eagle-cpu"))
    for name, cause in {"step": "launch", "layer": "launch", "flop": "compute"}.items():
        parts = attribute(model({name: 1e-9}, None), f)
        assert all((part > 0).all() == (key == cause) for key, part in parts.items()), name
        assert not parts["idle"].any()


def test_bytes_go_to_the_level_that_they_lie_in(grid: Callable[[str], pl.DataFrame]) -> None:
    f = features(grid("eagle-cpu"))
    parts = attribute(model({"parameter_byte": 1e-9}, None), f)
    nearest = {level: part > 0.99 * sum(parts.values()) for level, part in parts.items()}
    # Working set b of a core; 32 KiB of L1, 1 MiB of L2, 24.75 MiB of L3. Edges are a factor of six wide.
    b = 8 * f.n_parameters + (f.activation_bytes + f.input_bytes) / 36
    assert (b < 32_768 / 6).sum() > 10
    assert nearest["L1"][b < 32_768 / 6].all()
    share = parts["RAM"] / sum(parts.values())
    far = 8 * f.n_parameters > 27.1e6
    assert far.any()
    assert (share[far] > 0.5).all()
    # Two L3s share the activations.
    b = 8 * f.n_parameters + (f.activation_bytes + f.input_bytes) / 2
    assert (share[b < 27e6 / 6] < 0.01).all()
    for shares in lies_in(CPU.hierarchy, f).values():
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert (shares >= 0).all()


def test_a_cost_beyond_a_level_is_paid_outside_of_it(grid: Callable[[str], pl.DataFrame]) -> None:
    f = features(grid("eagle-cpu"))
    parts = attribute(model({"step": 1e-9, "parameter_byte_beyond_L2": 1e-9}, None), f)
    assert not parts["L1"].any()
    assert not parts["L2"].any()
    assert parts["L3"].any()
    assert parts["RAM"].any()


def test_the_law_of_seconds_is_found_where_power_is_known(grid: Callable[[str], pl.DataFrame]) -> None:
    points = grid("eagle-cpu")
    f = features(points)
    # A step idles at 200 W, an operation draws 400 W: power rises with size from the one to the other.
    seconds = (2e-3 + 1e-12 * f.flops) / f.batch_size
    energy = (200 * 2e-3 + 400 * 1e-12 * f.flops) / f.batch_size
    points = points.with_columns(
        energy_per_datum_j=pl.Series(energy), mean_power_w=pl.Series(energy / seconds), idle_power_w=150.0
    )
    machine = replace(CPU, idle_power_w=None, training_power_w=None)
    fitted = EnergyModel(machines={"eagle-cpu": machine}).fit(points).machines_["eagle-cpu"]
    assert fitted.timing is not None
    assert fitted.timing.idle_w == 150.0
    assert "these points" in fitted.timing.source
    np.testing.assert_allclose(fitted.predict(f).seconds, seconds, rtol=0.03)
    idle = attribute(fitted, f)["idle"]
    np.testing.assert_allclose(idle, 150 * seconds, rtol=0.03)


def test_without_any_power_there_is_no_idle_part_and_no_time(grid: Callable[[str], pl.DataFrame]) -> None:
    points = grid("eagle-cpu")
    machine = replace(CPU, training_power_w=None)
    assert (
        fit_timing(points, np.ones(points.height), Law(("step",), {}, CPU.hierarchy), None, machine) is None
    )  # type: ignore[arg-type]
    f = features(points)
    assert np.isnan(model({"step": 1.0}, None).predict(f).seconds).all()


def test_idle_is_never_more_than_the_whole(grid: Callable[[str], pl.DataFrame]) -> None:
    f = features(grid("eagle-cpu"))
    hot = model({"step": 1.0}, Timing(100.0, 300.0, "wrong powers"))
    parts = attribute(hot, f)
    np.testing.assert_allclose(parts["idle"], 1 / 256)
    assert not parts["launch"].any()
