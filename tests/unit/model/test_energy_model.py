from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from wattlas.core.errors import DataError, ModelError, UsageError
from wattlas.dataset.machines import machine_from_json
from wattlas.model import EnergyModel
from wattlas.testing.tables import MACHINE_JSON, make_tables

True_ = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def fitted(noisy: pl.DataFrame) -> EnergyModel:
    return EnergyModel().fit(noisy)


@pytest.mark.parametrize("machine", ["eagle-cpu", "eagle-gpu"])
def test_recovers_known_coefficients(fitted: EnergyModel, true_values: True_, machine: str) -> None:
    model = fitted.machines_[machine]
    for name, value in true_values[machine].items():
        if name in model.law.free and name not in model.undetermined:
            off = abs(np.log(model.values[name] / value))
            assert off < max(4 * model.relative_u[name], 0.02), (name, model.values[name], value)
    # What the law's own data pin down must have been found out, not left to the prior.
    assert not {"step", "layer", "flop", "input_byte", "activation_byte"} & set(model.undetermined)
    assert model.log_sd == pytest.approx(0.05, rel=0.35)


def test_exact_data_give_exact_energies(
    grid: Callable[[str], pl.DataFrame], with_energies: Callable[..., pl.DataFrame], true_values: True_
) -> None:
    points = with_energies(grid("eagle-cpu"), true_values["eagle-cpu"])
    model = EnergyModel().fit(points)
    np.testing.assert_allclose(model.predict(points), points["energy_per_datum_j"], rtol=0.01)


def test_outliers_do_not_move_it(noisy: pl.DataFrame, fitted: EnergyModel) -> None:
    own = noisy.filter(pl.col("machine") == "eagle-cpu")
    wild = np.where(np.arange(own.height) % 20 == 0, 10.0, 1.0)
    again = EnergyModel().fit(own, own["energy_per_datum_j"].to_numpy() * wild)
    ratio = again.predict(own) / fitted.predict(own)
    assert abs(np.log(ratio)).max() < 0.1


def test_costs_by_level_are_kept_where_they_show(
    grid: Callable[[str], pl.DataFrame], with_energies: Callable[..., pl.DataFrame], true_values: True_
) -> None:
    name = "parameter_byte_beyond_L3"
    values = true_values["eagle-cpu"] | {"parameter_byte": 1e-8, name: 5e-6}
    points = with_energies(grid("eagle-cpu"), values, 0.03)
    model = EnergyModel().fit(points).machines_["eagle-cpu"]
    assert name in model.law.free
    assert model.values[name] == pytest.approx(5e-6, rel=0.2)
    plain = EnergyModel().fit(with_energies(grid("eagle-cpu"), true_values["eagle-cpu"], 0.03))
    assert plain.machines_["eagle-cpu"].held_out["kept"] == ["one cost per byte"]


def test_intervals_hold_energies_of_held_out_groups(noisy: pl.DataFrame) -> None:
    inside = []
    for dataset in ("201_pol", "sleep"):
        held = pl.col("dataset") == dataset
        test = noisy.filter(held)
        p = EnergyModel().fit(noisy.filter(~held)).predict_interval(test)
        observed = test["energy_per_datum_j"].to_numpy()
        inside.append((p.lower_j <= observed) & (observed <= p.upper_j))
        assert (p.lower_j < p.energy_j).all()
        assert (p.energy_j < p.upper_j).all()
    assert np.concatenate(inside).mean() > 0.9


def test_the_interval_widens_outside_the_range(noisy: pl.DataFrame) -> None:
    own = noisy.filter(pl.col("machine") == "eagle-gpu")
    shallow = pl.col("depth") <= 4
    model = EnergyModel().fit(own.filter(shallow))
    inside, outside = (
        model.predict_interval(own.filter(shallow)),
        model.predict_interval(own.filter(~shallow)),
    )
    assert not inside.extrapolated.any()
    assert outside.extrapolated.all()
    assert outside.log_sd.min() > inside.log_sd.min()
    narrow = model.predict_interval(own, coverage=0.5)
    assert (narrow.upper_j < model.predict_interval(own).upper_j).all()


def test_identifiability_says_what_goes_together(fitted: EnergyModel, noisy: pl.DataFrame) -> None:
    told = fitted.machines_["eagle-gpu"].identifiability
    # FLOPs are about six times the parameters in every network (times the batch).
    pair = next(each for each in told if each["coefficients"] == ["flop", "parameter_byte"])
    assert pair["correlation"] < -0.9
    assert pair["together_relative_u"] < 0.05
    one = noisy.filter((pl.col("depth") == 2) & (pl.col("machine") == "eagle-gpu"))
    shallow = EnergyModel().fit(one).machines_["eagle-gpu"]
    assert "layer" in shallow.undetermined or shallow.relative_u["layer"] > 0.3


def test_predictions_follow_rows_not_machines(fitted: EnergyModel, noisy: pl.DataFrame) -> None:
    order = np.random.default_rng(0).permutation(noisy.height)
    np.testing.assert_array_equal(fitted.predict(noisy[order]), fitted.predict(noisy)[order])


def test_parts_sum_to_predictions(fitted: EnergyModel, noisy: pl.DataFrame) -> None:
    parts = fitted.costs(noisy)
    np.testing.assert_allclose(parts.sum_horizontal(), fitted.predict(noisy), rtol=1e-12)
    on_gpu = (noisy["machine"] == "eagle-gpu").to_numpy()
    assert parts["sync_j"].is_null().to_numpy()[on_gpu].all()


def test_standard_uncertainty(fitted: EnergyModel, noisy: pl.DataFrame) -> None:
    energy, u = fitted.predict(noisy, return_std=True)
    np.testing.assert_array_equal(energy, fitted.predict(noisy))
    assert ((u / energy > 0.04) & (u / energy < 0.2)).all()


def test_scikit_learn_can_use_it(noisy: pl.DataFrame) -> None:
    base = pytest.importorskip("sklearn.base")
    selection = pytest.importorskip("sklearn.model_selection")
    model = EnergyModel(name="mine", allow=("simulated",), seed=3)
    copy = base.clone(model)
    assert copy is not model
    assert copy.get_params() == {"name": "mine", "machines": None, "allow": ("simulated",), "seed": 3}
    assert base.is_regressor(model)
    x, y = noisy.drop("energy_per_datum_j"), noisy["energy_per_datum_j"].to_numpy()
    folds = selection.GroupKFold(2)
    scores = selection.cross_val_score(copy, x, y, groups=noisy["dataset"].to_numpy(), cv=folds)
    assert (scores > 0.8).all()


def test_arguments() -> None:
    model = EnergyModel(seed=1)
    assert model.set_params(seed=2) is model
    assert model.seed == 2
    with pytest.raises(UsageError, match="no argument 'alpha'"):
        model.set_params(alpha=1)


def test_fitting_again_gives_the_same(noisy: pl.DataFrame, fitted: EnergyModel) -> None:
    again = EnergyModel().fit(noisy)
    np.testing.assert_array_equal(again.predict(noisy), fitted.predict(noisy))


def test_points_of_a_dataset_with_its_own_machine() -> None:
    tables = make_tables(with_epochs=False)
    points = tables["experiments"]
    bench = machine_from_json(MACHINE_JSON)
    model = EnergyModel(machines={"bench": bench}).fit(points)
    ratio = model.predict(points) / points["energy_per_datum_j"].to_numpy()
    assert np.abs(ratio - 1).mean() < 0.02
    with pytest.raises(UsageError, match="no machine 'bench'"):
        EnergyModel().fit(points)


def test_modelled_energies_only_when_asked_for(noisy: pl.DataFrame) -> None:
    points = noisy.with_columns(source=pl.lit("modelled"))
    with pytest.raises(UsageError, match="--allow-modelled"):
        EnergyModel().fit(points)
    model = EnergyModel(allow=("modelled",)).fit(points)
    assert model.machines_["eagle-cpu"].data["sources"] == ["modelled"]


def test_what_cannot_be_done(noisy: pl.DataFrame, fitted: EnergyModel) -> None:
    with pytest.raises(ModelError, match="not fitted"):
        EnergyModel().predict(noisy)
    with pytest.raises(ModelError, match="too few"):
        EnergyModel().fit(noisy[:2])
    with pytest.raises(DataError, match="shape"):
        EnergyModel().fit(noisy, [1.0])
    with pytest.raises(UsageError, match="knows eagle-cpu, eagle-gpu and not the machine 'laptop'"):
        fitted.predict(noisy.with_columns(machine=pl.lit("laptop")))
    with pytest.raises(UsageError, match="polars frame"):
        fitted.predict([1.0])  # type: ignore[arg-type]


def test_a_mapping_of_columns_will_do(fitted: EnergyModel) -> None:
    points = {
        "machine": ["eagle-gpu"],
        "widths": ["107 107 10"],
        "n_inputs": [784],
        "n_train_batches": [219],
        "n_test_batches": [55],
        "batch_size": [256],
    }
    assert fitted.predict(points)[0] > 0


@pytest.mark.parametrize("n", [3, 5, 8])
def test_few_points_give_positive_coefficients(noisy: pl.DataFrame, n: int) -> None:
    model = EnergyModel().fit(noisy[:n])
    machine = model.machines_["eagle-cpu"]
    assert all(value > 0 and np.isfinite(value) for value in machine.values.values())
    assert np.isfinite(machine.log_sd)


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_get_params_invariance",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
    ],
)
def test_the_checks_of_scikit_learn_that_need_no_array(check: str) -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    # The others fit arrays of numbers; points are networks, each on a machine.
    if not hasattr(checks, check):
        pytest.skip(f"this scikit-learn has no {check}")
    getattr(checks, check)("EnergyModel", EnergyModel())


def test_a_test_set_far_larger_than_any_is_extrapolation(fitted: EnergyModel, noisy: pl.DataFrame) -> None:
    inside = fitted.predict_interval(noisy.with_columns(n_test_batches=0))
    assert not inside.extrapolated.any()
    many = fitted.predict_interval(noisy.with_columns(n_test_batches=100 * pl.col("n_train_batches")))
    assert many.extrapolated.all()
    assert (many.log_sd > 0.3).all()


def test_one_network_many_times_is_one_network(noisy: pl.DataFrame) -> None:
    with pytest.raises(ModelError, match=r"20 point\(s\) of 1 networks .* too few"):
        EnergyModel().fit(pl.concat([noisy[:1]] * 20))


@pytest.mark.parametrize("allow", ["modelled", ["guessed"]])
def test_sources_that_are_none(noisy: pl.DataFrame, allow: object) -> None:
    with pytest.raises(UsageError, match="allow is"):
        EnergyModel(allow=allow).fit(noisy)  # type: ignore[arg-type]
