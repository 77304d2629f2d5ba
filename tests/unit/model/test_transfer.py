from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from wattlas.core.errors import ModelError, UsageError
from wattlas.hardware.catalogue import load_machine
from wattlas.hardware.machine import Machine
from wattlas.model import EnergyModel, load_model
from wattlas.model.d_optimal import d_optimal
from wattlas.model.experiment import CRITERIA, Criterion, design_experiment
from wattlas.model.features import features
from wattlas.model.grid import grid_points
from wattlas.model.law import SHAPES, columns, evaluate_law
from wattlas.model.representative import JUDGES, MISFIT, representative
from wattlas.model.transfer import calibrate, choose_source
from wattlas.networks.tasks import PAPER_TASKS

Points = pl.DataFrame
NEW = replace(load_machine("eagle-cpu"), name="new")


def on_new_machine(points: Points, spread: float, noise: float, seed: int) -> Points:
    """Energies of a machine whose prices are a third of those of `butter-e`'s CPU node, and scattered."""
    source = load_model("butter-e").machines_["eagle-cpu"]
    random = np.random.default_rng(seed)
    cost = np.array([name not in SHAPES for name in source.law.free])
    x = source.x + cost * (np.log(1 / 3) + spread * random.normal(size=len(source.x)))
    energy = evaluate_law(source.law, x, columns(source.law, features(points)))[0]
    return points.with_columns(
        energy_per_datum_j=pl.Series(energy * np.exp(noise * random.normal(size=points.height)))
    )


@pytest.fixture(scope="module")
def everything() -> Points:
    tasks = [PAPER_TASKS[name] for name in ("201_pol", "mnist", "sleep", "banana", "505_tecator")]
    return grid_points("new", tasks, depths=(2, 3, 5, 8, 12, 20))


def few_of(everything: Points, n: int, source: str = "eagle-cpu", machine: Machine = NEW) -> Points:
    return design_experiment(load_model("butter-e").machines_[source], everything, machine, n)


def chosen_energies(chosen: Points, everything: Points) -> Points:
    key = ["dataset", "shape", "depth", "log2_size"]
    return chosen.join(everything.select(*key, "energy_per_datum_j"), on=key, how="left")


def test_twenty_designed_runs_make_a_model_of_a_new_machine(everything: Points) -> None:
    measured = on_new_machine(everything, spread=0.6, noise=0.03, seed=3)
    few = chosen_energies(few_of(everything, 20), measured)
    base = load_model("butter-e").set_params(machines={"new": NEW})
    made = calibrate(base, few)
    assert set(made.machines_) == {"eagle-cpu", "eagle-gpu", "new"}
    p = made.predict_interval(measured)
    observed = measured["energy_per_datum_j"].to_numpy()
    # 3 % noise has a mean absolute error of 2.4 %.
    assert np.abs(p.energy_j / observed - 1).mean() < 0.04
    assert ((p.lower_j <= observed) & (observed <= p.upper_j)).mean() > 0.9
    assert made.machines_["new"].data["calibrated_from"] == "eagle-cpu of butter-e"
    # The model that it came from stays as it was.
    assert set(base.machines_) == {"eagle-cpu", "eagle-gpu"}


def test_the_same_machine_is_known_from_five_points(everything: Points) -> None:
    measured = on_new_machine(everything, spread=0.0, noise=0.01, seed=0)
    few = chosen_energies(few_of(everything, 5), measured)
    base = load_model("butter-e").set_params(machines={"new": NEW})
    moved, scratch = calibrate(base, few), EnergyModel(machines={"new": NEW}).fit(few)
    observed = measured["energy_per_datum_j"].to_numpy()

    def error(model: EnergyModel) -> float:
        return float(np.abs(model.predict(measured) / observed - 1).mean())

    assert error(moved) < 0.03
    assert error(moved) < error(scratch)
    assert moved.machines_["new"].data["likeness_sd"] <= 0.3


def test_designed_runs_tell_more_than_random_ones(everything: Points) -> None:
    measured = on_new_machine(everything, spread=0.6, noise=0.03, seed=1)
    base = load_model("butter-e").set_params(machines={"new": NEW})
    observed = measured["energy_per_datum_j"].to_numpy()

    def error(few: Points) -> float:
        return float(np.abs(calibrate(base, few).predict(measured) / observed - 1).mean())

    random = [error(measured.sample(10, seed=seed)) for seed in range(5)]
    assert error(chosen_energies(few_of(everything, 10), measured)) < np.median(random)


def test_design_is_the_best_of_all_pairs() -> None:
    slopes = np.random.default_rng(0).normal(size=(3, 12, 2))
    prior = np.eye(2)

    def worth(rows: list[int]) -> float:
        information = prior + np.einsum("kij,kil->kjl", slopes[:, rows], slopes[:, rows])
        return float(np.linalg.slogdet(information)[1].mean())

    best = max(([a, b] for a in range(12) for b in range(a)), key=worth)
    assert worth(d_optimal(slopes, prior, 2)) == pytest.approx(worth(best))


def test_the_first_representative_run_leaves_least_variance() -> None:
    f = features(grid_points("new", [PAPER_TASKS["mnist"]], ["rectangle"], [2, 6], range(8, 22)))
    assert len(f) < JUDGES
    slopes = np.random.default_rng(0).normal(size=(1, len(f), 2))
    logs = np.log(np.column_stack([f.n_parameters, f.depth, f.widest, f.n_inputs]))
    spread = logs.std(axis=0)
    logs = (logs - logs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    distance = ((logs[:, None] - logs[None]) ** 2).sum(axis=2)
    prior = slopes[0] @ slopes[0].T + MISFIT**2 * np.exp(-distance / 2)

    def left(rows: list[int]) -> float:
        own = prior[np.ix_(rows, rows)] + 0.1**2 * np.eye(len(rows))
        return float(np.trace(prior - prior[:, rows] @ np.linalg.inv(own) @ prior[rows]))

    first, second = representative(slopes, f, 0.1, 2)
    everywhere = range(len(f))
    assert left([first]) == pytest.approx(min(left([k]) for k in everywhere))
    assert left([first, second]) == pytest.approx(min(left([first, k]) for k in everywhere if k != first))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_either_criterion_makes_a_design(everything: Points, criterion: Criterion) -> None:
    source = load_model("butter-e").machines_["eagle-cpu"]
    runs = design_experiment(source, everything, NEW, 6, criterion)
    assert runs.height == runs.select("dataset", "shape", "depth", "log2_size").n_unique() == 6


def test_a_design_is_distinct_runs_most_informative_first(everything: Points) -> None:
    runs = few_of(everything, 12)
    assert runs.height == 12
    assert few_of(everything, 3).equals(runs.head(3))
    assert runs.select("dataset", "shape", "depth", "log2_size").is_unique().all()
    assert (runs["machine"] == "new").all()
    assert runs.equals(few_of(everything, 12))
    with pytest.raises(UsageError, match="runs of"):
        few_of(everything, everything.height + 1)


def test_which_machine_to_start_from(noisy: Points) -> None:
    model = load_model("butter-e")
    assert choose_source(model, NEW) == "eagle-cpu"
    assert choose_source(model, replace(load_machine("eagle-gpu"), name="new")) == "eagle-gpu"
    assert choose_source(model, load_machine("eagle-cpu"), "eagle-gpu") == "eagle-gpu"
    with pytest.raises(UsageError, match="no machine 'x'"):
        choose_source(model, NEW, "x")
    del model.machines_["eagle-gpu"]
    with pytest.raises(UsageError, match="no machine of the kind"):
        choose_source(model, replace(load_machine("eagle-gpu"), name="new"))


def test_a_one_core_machine_has_no_synchronisation(everything: Points) -> None:
    processors = (replace(NEW.processors[0], cores=1, sockets=1),)
    core = replace(NEW, processors=processors)
    few = on_new_machine(everything, 0.0, 0.01, 0).sample(20, seed=0)
    made = calibrate(load_model("butter-e").set_params(machines={"new": core}), few)
    assert "sync" not in made.machines_["new"].law.free


def test_too_few_points(everything: Points) -> None:
    few = on_new_machine(everything, 0.0, 0.0, 0).head(2)
    with pytest.raises(ModelError, match="too few to calibrate"):
        calibrate(load_model("butter-e").set_params(machines={"new": NEW}), few)


def test_modelled_energies_are_asked_for(
    everything: Points, with_energies: Callable[..., pl.DataFrame]
) -> None:
    few = on_new_machine(everything, 0.0, 0.0, 0).head(9).with_columns(source=pl.lit("modelled"))
    base = load_model("butter-e").set_params(machines={"new": NEW})
    with pytest.raises(UsageError, match="--allow-modelled"):
        calibrate(base, few)


def test_a_wild_run_does_not_make_unlike_machines_alike(everything: Points) -> None:
    # No price of synchronisation here, operations ten times as dear, and one run in twenty wild.
    source = load_model("butter-e").machines_["eagle-cpu"]
    odd = {"sync": -5.0, "flop": 2.3, "activation_byte": -2.0}
    x = source.x + np.array([odd.get(name, 0.0) for name in source.law.free])
    energy = evaluate_law(source.law, x, columns(source.law, features(everything)))[0]
    random = np.random.default_rng(0)
    measured = everything.with_columns(
        energy_per_datum_j=pl.Series(energy * np.exp(0.03 * random.normal(size=len(energy))))
    )
    few = chosen_energies(few_of(everything, 20), measured)
    wild = few["energy_per_datum_j"].to_numpy().copy()
    wild[11] /= 4
    few = few.with_columns(energy_per_datum_j=pl.Series(wild))
    made = calibrate(load_model("butter-e").set_params(machines={"new": NEW}), few)
    assert made.machines_["new"].data["likeness_sd"] >= 1.0
    assert np.abs(made.predict(measured) / energy - 1).mean() < 0.06
