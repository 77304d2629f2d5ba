from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from wattlas.hardware.catalogue import load_machine
from wattlas.hardware.placement import place_sets
from wattlas.model.choice import base_law
from wattlas.model.features import features
from wattlas.model.law import SHAPES, Law, beyond, columns, describe, evaluate_law, parts_of
from wattlas.model.points import check_points
from wattlas.model.spill import spilled
from wattlas.networks.network import Network
from wattlas.networks.working_sets import working_sets

LEVELS = {
    "parameter_byte_beyond_L2": 2e-8,
    "activation_byte_beyond_L1": 3e-9,
    "epoch": 0.3,
    "parameter_byte": 1e-8,
}


@pytest.mark.parametrize("machine", ["eagle-cpu", "eagle-gpu"])
def test_gradient_is_the_derivative(
    machine: str, grid: Callable[[str], pl.DataFrame], true_values: dict[str, dict[str, float]]
) -> None:
    values = true_values[machine] | LEVELS
    law = Law(tuple(values), {}, load_machine(machine).hierarchy)
    c = columns(law, features(grid(machine)))
    x = law.logs(values)
    _, gradient = evaluate_law(law, x, c)
    for k in range(len(x)):
        step = np.zeros(len(x))
        step[k] = 1e-6
        numeric = (evaluate_law(law, x + step, c)[0] - evaluate_law(law, x - step, c)[0]) / 2e-6
        np.testing.assert_allclose(gradient[:, k], numeric, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("machine", ["eagle-cpu", "eagle-gpu"])
def test_parts_sum_to_the_energy(
    machine: str, grid: Callable[[str], pl.DataFrame], true_values: dict[str, dict[str, float]]
) -> None:
    values = true_values[machine] | LEVELS
    law = Law(tuple(values), {}, load_machine(machine).hierarchy)
    c = columns(law, features(grid(machine)))
    energy, _ = evaluate_law(law, law.logs(values), c)
    parts = parts_of(law, law.logs(values), c)
    assert set(parts) == set(values) - set(SHAPES)
    np.testing.assert_allclose(sum(parts.values()), energy, rtol=1e-12)
    assert all((part >= 0).all() for part in parts.values())


def test_energy_by_hand() -> None:
    # 2 inputs, layers of 3 and 1: P = 13; forward 13; backward 8 + 12 - ... see `networks.work`.
    points = check_points(
        pl.DataFrame(
            {
                "machine": ["m"],
                "widths": ["3 1"],
                "n_inputs": [2],
                "batch_size": [4],
                "n_train_batches": [10],
                "n_test_batches": [5],
            }
        )
    )
    f = features(points)
    values = {
        "step": 1.0,
        "layer": 0.5,
        "activation_byte": 0.01,
        "input_byte": 0.1,
        "epoch": 3.0,
        "test_share": 0.5,
    }
    law = Law(tuple(values), {}, ())
    energy, _ = evaluate_law(law, law.logs(values), columns(law, f))
    host, activations, inputs = 1.0 + 2 * 0.5, 0.01 * 4 * 4 * (3 + 1), 0.1 * 4 * 4 * 2
    train = host + activations + inputs
    test = 0.5 * host + activations / 3 + inputs
    assert energy[0] == pytest.approx((train + 0.5 * test + 3.0 / 10) / 4, rel=1e-12)


def test_every_coefficient_has_unit_and_meaning() -> None:
    for machine in ("eagle-cpu", "eagle-gpu"):
        law = base_law(load_machine(machine))
        for name in (*law.free, *law.fixed, *(beyond("parameter_byte", level.name) for level in law.levels)):
            unit, meaning = describe(name)
            assert unit
            assert meaning
    assert describe("parameter_byte_beyond_L2")[0] == "J/B"


@pytest.mark.parametrize("machine", ["eagle-cpu", "eagle-gpu"])
def test_spill_agrees_with_placement_away_from_edges(
    machine: str, grid: Callable[[str], pl.DataFrame]
) -> None:
    levels = load_machine(machine).hierarchy
    points = grid(machine)
    parameter, activation = spilled(levels, features(points))
    order = [level.name for level in levels]
    compared = 0
    for i, row in enumerate(points.iter_rows(named=True)):
        placed = place_sets(
            levels, working_sets(Network(row["shape"], row["n_inputs"], tuple(row["widths"])), 256)
        )
        for fractions, name in ((parameter, "b"), (activation, "l")):
            at = order.index(placed[name].level_name or order[-1])
            for k, level in enumerate(order[:-1]):
                fraction = fractions[level][i]
                if abs(fraction - 0.5) > 0.45:
                    compared += 1
                    assert (fraction > 0.5) == (at > k), (row["widths"], name, level)
    assert compared > points.height


def test_nothing_is_beyond_the_last_level() -> None:
    levels = load_machine("eagle-gpu").hierarchy
    parameter, _ = spilled(levels, features(check_points(_one())))
    assert list(parameter) == ["L1", "L2"]
    assert spilled((), features(check_points(_one()))) == ({}, {})


def _one() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "machine": ["m"],
            "widths": [[3]],
            "n_inputs": [2],
            "batch_size": [4],
            "n_train_batches": [1],
            "n_test_batches": [0],
        }
    )
