"""Advice for another machine."""

import json
from pathlib import Path

import numpy as np
import pytest

from wattlas.advice import Target, advise
from wattlas.advice.change import Change, energy_ratio, quantities
from wattlas.advice.what_if import fitted_model, what_if
from wattlas.cli.main import main
from wattlas.core.errors import UsageError
from wattlas.dataset.tables import Tables
from wattlas.hardware.catalogue import load_machine
from wattlas.model.features import features
from wattlas.model.grid import grid_points
from wattlas.model.law import Law
from wattlas.model.machine_model import MachineModel
from wattlas.model.timing import Timing
from wattlas.networks.tasks import PAPER_TASKS
from wattlas.testing.tables import make_tables, write_tables

# Training alone, so that a datum is a step over the batch.
POINTS = grid_points(
    "eagle-cpu", [PAPER_TASKS["mnist"]], ["rectangle"], [2, 6], range(6, 24, 3)
).with_columns(n_test_batches=0)


def model(**values: float) -> MachineModel:
    law = Law(tuple(values), {}, load_machine("eagle-cpu").hierarchy)
    n = len(values)
    return MachineModel(
        law, law.logs(values), np.eye(n) * 1e-4, 0.05, 10, {}, timing=Timing(300.0, 200.0, "made")
    )


def test_a_price_scales_its_part_alone() -> None:
    m = model(step=0.5, flop=1e-10)
    f = features(POINTS)
    ratio = energy_ratio(m, [Change.parse("flop *= 0.5")], POINTS)
    operations = 1e-10 * f.flops / f.batch_size
    np.testing.assert_allclose(
        ratio, (0.5 / f.batch_size + operations / 2) / (0.5 / f.batch_size + operations)
    )
    free = energy_ratio(m, [Change.parse("flop=0")], POINTS)
    np.testing.assert_allclose(free * (0.5 / f.batch_size + operations), 0.5 / f.batch_size)


def test_less_idle_power_saves_its_difference_times_the_time() -> None:
    m = model(step=0.5, flop=1e-10)
    # Every second draws 300 W, 200 W of them idle: 50 W less is a sixth.
    np.testing.assert_allclose(energy_ratio(m, [Change.parse("idle_power_w-=50")], POINTS), 250 / 300)


def test_a_larger_cache_spares_what_spilled_from_it() -> None:
    m = model(step=1e-3, parameter_byte=1e-9, parameter_byte_beyond_L2=1e-8)
    f = features(POINTS)
    for text, levels in {
        "L2.capacity_bytes*=4": {"L2": 4 * 2**20},
        "l2.capacity_bytes=8388608": {"L2": 8 * 2**20},
    }.items():
        ratio = energy_ratio(m, [Change.parse(text)], POINTS)
        capacity = 32_768 + levels["L2"]
        b = 8 * f.n_parameters + (f.activation_bytes + f.input_bytes) / 36
        old = (b / (32_768 + 2**20)) ** (1 / 0.35)
        new = (b / capacity) ** (1 / 0.35)

        def energy(odds: np.ndarray) -> np.ndarray:
            return np.asarray(1e-3 + f.parameter_bytes * (1e-9 + 1e-8 * odds / (1 + odds)))

        np.testing.assert_allclose(ratio, energy(new) / energy(old))
        assert (ratio <= 1).all()
        assert ratio.min() < 0.5
    both = energy_ratio(
        m, [Change.parse("l2.capacity_bytes*=2"), Change.parse("l2.capacity_bytes*=2")], POINTS
    )
    np.testing.assert_allclose(both, energy_ratio(m, [Change.parse("l2.capacity_bytes*=4")], POINTS))


def test_what_the_model_has_no_cost_for_changes_nothing() -> None:
    m = model(step=1.0)
    np.testing.assert_array_equal(energy_ratio(m, [Change.parse("l3.units*=2")], POINTS), 1.0)


@pytest.mark.parametrize("text", ["l2.capacity_bytes", "flop*=x", "flop/=0", "flop*=", "*=2", "flop*=inf"])
def test_no_change(text: str) -> None:
    with pytest.raises(UsageError, match="is no change of a machine"):
        Change.parse(text)


def test_quantities_that_are_not_there_or_cannot_be() -> None:
    m = model(step=1.0)
    with pytest.raises(UsageError, match=r"no quantity 'l9.capacity_bytes'; it has L1.capacity_bytes"):
        Change.parse("l9.capacity_bytes*=2").apply(m)
    with pytest.raises(UsageError, match="no negative quantities"):
        Change.parse("idle_power_w-=500").apply(m)
    for name in quantities(m):
        Change.parse(f"{name}*=2").apply(m)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(**make_tables(log2_sizes=(6, 9, 12, 15), depths=(2, 4, 8), epochs=20))


def test_advice_with_free_operations_takes_no_heed_of_size(tables: Tables) -> None:
    target = Target(within_percent=10.0)
    before = advise(tables, "digits", target)
    fitted = fitted_model(tables, "bench", "measured", before.domain)
    changed = what_if(
        tables, before, fitted, [Change.parse("flop=0"), Change.parse("parameter_byte=0")], target
    )
    assert changed.largest <= 1.0
    assert changed.energy_ratio <= 1.0
    losses = {d.configuration["experiment_id"]: d.epochs for d in before.designs}
    # Losses and epochs are as they were: only energies are others.
    assert {d.configuration["experiment_id"]: d.epochs for d in changed.after.designs} == losses
    document = changed.document()
    assert document["source"] == "modelled"
    assert document["note"] is None
    half = what_if(tables, before, fitted, [Change.parse("l3.units*=2")], target)
    assert half.same_design
    assert half.energy_ratio == 1.0
    assert "nothing changes" in half.document()["note"]


def test_the_command(tmp_path: Path, tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    write_tables(make_tables(log2_sizes=(6, 9, 12, 15), depths=(2, 4, 8), epochs=20), tmp_path)
    arguments = ["advise", str(tmp_path), "--dataset", "digits", "--within", "10", "--what-if", "flop*=0.1"]
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["what_if"]["changes"] == ["flop*=0.1"]
    assert document["what_if"]["energy_ratio"] < 1
    assert document["what_if"]["designs"]
    assert main(arguments) == 0
    assert "What if flop*=0.1 (modelled)" in capsys.readouterr().out
    assert main([*arguments, "--model", "butter-e"]) == 2
    assert "knows eagle-cpu, eagle-gpu and not 'bench'" in capsys.readouterr().err
    assert main([*arguments[:-1], "flip*=2"]) == 2
    assert "no quantity 'flip'" in capsys.readouterr().err
