"""Advice against cases worked out by hand."""

import json
import math
from dataclasses import replace

import polars as pl
import pytest

from wattlas.advice import Advice, Design, Limits, Target, advise
from wattlas.core.errors import DataError, UnknownNameError, UsageError
from wattlas.dataset.tables import Tables


def ask(tables: Tables, loss: float, **options: object) -> Advice:
    return advise(tables, "digits", Target(loss=loss), **options)  # type: ignore[arg-type]


def best(tables: Tables, loss: float) -> Design:
    return ask(tables, loss).designs[0]


def test_log_energy_is_linear_in_log_loss_between_two_epochs(case):
    # 0.2 is half way from 0.4 to 0.1 in log loss, and so is 20 J from 10 J to 40 J in log energy.
    design = best(case([[(0.4, 10.0), (0.1, 40.0)]]), 0.2)
    assert design.energy_j == pytest.approx(20.0)
    assert design.epoch_reached == pytest.approx(1.5)
    assert design.epochs == 2
    assert design.loss == 0.2
    assert design.evidence == "measured"
    assert design.source == "measured"


@pytest.mark.parametrize(("loss", "energy_j", "epochs"), [(0.4, 10.0, 1), (0.1, 40.0, 2), (0.6, 10.0, 1)])
def test_a_level_at_an_epoch_or_within_the_first_costs_whole_epochs(case, loss, energy_j, epochs):
    design = best(case([[(0.4, 10.0), (0.1, 40.0)]]), loss)
    assert design.energy_j == pytest.approx(energy_j)
    assert design.epochs == epochs


def test_the_loss_is_the_best_so_far(case):
    # Epoch 2 is worse than epoch 1, and its energy is spent all the same: from (0.4, 20 J) to (0.1, 40 J).
    design = best(case([[(0.4, 10.0), (0.9, 20.0), (0.1, 40.0)]]), 0.2)
    assert design.energy_j == pytest.approx(math.sqrt(20 * 40))
    assert design.epochs == 3
    # What was reached once stays reached.
    assert best(case([[(0.4, 10.0), (0.9, 20.0)]]), 0.4).energy_j == pytest.approx(10.0)


def test_an_epoch_without_a_loss_does_not_improve(case):
    assert best(case([[(0.4, 10.0), (None, 20.0), (0.1, 40.0)]]), 0.2).energy_j == pytest.approx(
        math.sqrt(800)
    )
    assert best(case([[(0.4, 10.0), (math.nan, 20.0), (0.1, 40.0)]]), 0.4).energy_j == pytest.approx(10.0)


def test_the_curve_is_the_median_over_repetitions(case):
    runs = [
        [(0.4, 10.0), (0.1, 40.0)],
        [(0.9, 10.0), (0.1, 90.0)],
        [(0.3, 1.0), (0.02, 40.0)],
    ]
    design = best(case(runs), 0.2)  # medians: (0.4, 10 J), (0.1, 40 J)
    assert design.energy_j == pytest.approx(20.0)
    assert (design.n_runs, design.n_reached) == (3, 3)


def test_the_median_of_two_repetitions_is_their_geometric_mean(case):
    design = best(case([[(0.4, 10.0), (0.1, 20.0)], [(0.4, 10.0), (0.1, 80.0)]]), 0.1)
    assert design.energy_j == pytest.approx(40.0)


def test_energy_that_was_not_recorded_for_epochs_is_taken_in_proportion(case):
    tables = case([[(0.4, 10.0), (0.1, 40.0)]])
    no_energy = tables.epochs.with_columns(pl.lit(None, dtype=pl.Float64).alias("energy_j"))
    design = best(replace(tables, epochs=no_energy), 0.2)
    assert design.energy_j == pytest.approx(math.sqrt(20 * 40))  # 40 J in two epochs: 20 J after the first
    assert design.evidence == "interpolated"


def test_modelled_energy_is_never_evidence_of_a_measurement(case):
    tables = case([[(0.4, 10.0), (0.1, 40.0)]], source="modelled")
    document = ask(tables, 0.2).document()
    assert document["source"] == "modelled"
    for design in (*document["designs"], *document["pareto"], document["baseline"], *document["baselines"]):
        assert (design["source"], design["evidence"]) == ("modelled", "interpolated")


def test_a_diverged_run_counts_as_it_is_and_a_failed_one_not_at_all(case):
    tables = case([[(0.4, 10.0), (0.1, 40.0)], [(0.4, 10.0), (None, 40.0)], [(0.4, 10.0), (0.1, 40.0)]])
    runs = tables.runs.with_columns(pl.Series("status", ["done", "diverged", "done"]))
    design = best(replace(tables, runs=runs), 0.2)
    assert (design.n_runs, design.n_reached) == (3, 2)
    runs = tables.runs.with_columns(pl.Series("status", ["done", "failed", "done"]))
    assert best(replace(tables, runs=runs), 0.2).n_runs == 2


def test_the_interval_of_one_experiment_is_students(case):
    # ln E = ln 20 ± 0.1: s² = 0.02 with one degree of freedom, t = 12.7062, half width t √(0.02 / 2).
    low, high = 20 * math.exp(-0.1), 20 * math.exp(0.1)
    design = best(case([[(0.4, 10.0), (0.1, low)], [(0.4, 10.0), (0.1, high)]]), 0.1)
    assert design.energy_j == pytest.approx(20.0)
    assert design.lower_j == pytest.approx(20 * math.exp(-1.27062), rel=1e-4)
    assert design.upper_j == pytest.approx(20 * math.exp(1.27062), rel=1e-4)


def test_scatter_is_pooled_over_experiments(case):
    # Two experiments of two runs, ± 0.1 and ± 0.3: s² = (0.02 + 0.18) / 2 with two degrees, t = 4.30265.
    def pair(half: float) -> list[list[tuple[float, float]]]:
        return [[(0.4, 1.0), (0.1, 20 * math.exp(sign * half))] for sign in (-1, 1)]

    advice = ask(case(pair(0.1), pair(0.3)), 0.1)
    assert advice.scatter.log_sd == pytest.approx(math.sqrt(0.1))
    assert (advice.scatter.degrees, advice.scatter.origin) == (2, "repetitions")
    half = 4.30265 * math.sqrt(0.1 / 2)
    assert advice.designs[0].upper_j == pytest.approx(20 * math.exp(half), rel=1e-4)


def test_the_instrument_is_in_the_interval(case):
    design = best(case([[(0.4, 10.0), (0.1, 20.0)]] * 3, u_relative=0.05), 0.1)
    assert design.upper_j == pytest.approx(20 * math.exp(1.96 * 0.05), rel=1e-6)
    assert design.lower_j == pytest.approx(20 * math.exp(-1.96 * 0.05), rel=1e-6)


def test_without_repetitions_neighbouring_sizes_bound_the_scatter(case):
    # ln E = 0, 0.3, 0 over three doublings: the middle one is 0.3 off its neighbours' line, variance 1.5 s².
    sizes = [[[(0.4, 0.5), (0.1, math.exp(x))]] for x in (0.0, 0.3, 0.0)]
    scatter = ask(case(*sizes), 0.1).scatter
    assert scatter.origin == "neighbours"
    assert scatter.log_sd == pytest.approx(0.3 / math.sqrt(1.5))


def test_one_run_has_no_interval(case):
    advice = ask(case([[(0.4, 10.0), (0.1, 40.0)]]), 0.2)
    assert (advice.designs[0].lower_j, advice.designs[0].upper_j) == (None, None)
    assert advice.document()["scatter"] == {"log_sd": None, "origin": "unknown"}


SMALL = [[(0.4, 50.0), (0.1, 100.0)]]
LARGE = [[(0.4, 10.0), (0.1, 25.0)]]
LARGER = [[(0.1, 30.0), (0.05, 60.0)]]


def test_designs_are_ranked_and_compared_with_the_smallest_network(case):
    advice = ask(case(SMALL, LARGE, LARGER), 0.1)
    assert [d.energy_j for d in advice.designs] == pytest.approx([25.0, 30.0, 100.0])
    by_name = {b.name: b for b in advice.baselines}
    assert advice.baseline is by_name["fewest_parameters"]
    assert advice.baseline.design.energy_j == pytest.approx(100.0)
    assert advice.baseline.saving == pytest.approx(0.75)
    assert by_name["lowest_loss"].design.energy_j == pytest.approx(30.0)
    assert by_name["lowest_loss"].saving == pytest.approx(1 - 25 / 30)
    assert advice.document()["saving"] == pytest.approx(0.75)


def test_fewest_flops_counts_the_epochs_to_the_target(case):
    slow_and_small = [[(0.9, 1.0), (0.8, 2.0), (0.1, 40.0)]]
    quick = [[(0.1, 30.0), (0.09, 31.0), (0.08, 32.0)]]
    advice = ask(case(slow_and_small, quick), 0.1)
    flops = {b.name: b.design for b in advice.baselines}["fewest_flops"]

    def work(design: Design) -> float:
        return design.configuration["flops_per_datum"] * design.epoch_reached  # type: ignore[no-any-return]

    assert work(flops) == min(work(d) for d in advice.designs)
    assert flops.n_parameters == max(d.n_parameters for d in advice.designs)


def test_the_saving_leaves_out_what_the_instrument_shares(case):
    # All of the 5 % is accuracy in one case, none of it in the other; scatter is known to be nil.
    tables = case([SMALL[0]] * 2, [LARGE[0]] * 2, u_relative=0.05)

    def width(accuracy: float) -> float:
        terms = pl.concat_str(pl.lit('{"accuracy": '), pl.col("u_energy_j") * accuracy, pl.lit("}"))
        headline = ask(
            replace(tables, channels=tables.channels.with_columns(terms.alias("terms"))), 0.1
        ).baseline
        assert headline.saving_lower is not None
        assert headline.saving_upper is not None
        return headline.saving_upper - headline.saving_lower

    assert width(1.0) == pytest.approx(0.0, abs=1e-6)
    # 1 - 0.25 exp(± 1.96 √2 0.05)
    assert width(0.0) == pytest.approx(0.25 * 2 * math.sinh(1.96 * math.sqrt(2) * 0.05), rel=1e-3)


def test_the_best_is_its_own_baseline_without_a_saving(case):
    headline = ask(case(LARGE, SMALL), 0.1).baseline
    assert (headline.saving, headline.saving_lower, headline.saving_upper) == (0.0, 0.0, 0.0)


def test_limits_are_kept(case):
    tables = case(SMALL, LARGE, LARGER)
    smallest = tables.experiments["n_parameters"].min()
    advice = ask(tables, 0.1, limits=Limits(max_parameters=smallest))  # type: ignore[arg-type]
    assert [d.energy_j for d in advice.designs] == pytest.approx([100.0])
    assert {d.n_parameters for d in advice.pareto} == {smallest}
    advice = ask(tables, 0.1, limits=Limits(max_energy_j=29.0))
    assert [d.energy_j for d in advice.designs] == pytest.approx([25.0])
    assert max(d.energy_j for d in advice.pareto) <= 29.0
    assert advice.baseline.design.energy_j == pytest.approx(100.0)  # a baseline knows no limits
    with pytest.raises(DataError, match=r"none within the limits; they take at least 25 J"):
        ask(tables, 0.1, limits=Limits(max_energy_j=20.0))


def test_pareto_has_each_design_at_its_lowest_loss_on_the_front(case):
    advice = ask(case(SMALL, LARGE, LARGER), 0.1)
    assert [(d.loss, d.energy_j) for d in advice.pareto] == [
        (pytest.approx(0.1), pytest.approx(25.0)),
        (pytest.approx(0.05), pytest.approx(60.0)),
    ]
    assert list(advice.front.energy_j) == pytest.approx([10.0, 25.0, 60.0])
    assert sorted((d.loss for d in advice.bests), reverse=True) == pytest.approx([0.1, 0.1, 0.05])


def both(*tables: Tables) -> Tables:
    return Tables(**{name: pl.concat([getattr(t, name) for t in tables]) for name in vars(tables[0])})


@pytest.mark.parametrize("kind", ["source", "machine", "domain"])
def test_unlike_energies_are_never_mixed(case, kind):
    first, second = case(SMALL), case([[(0.4, 1.0), (0.1, 2.0)]])
    other = {"source": "modelled", "machine": "other", "domain": "node"}[kind]

    def relabel(frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.with_columns(pl.col("run_id") + "x") if "run_id" in frame.columns else frame
        return frame.with_columns(pl.lit(other).alias(kind)) if kind in frame.columns else frame

    second = Tables(**{name: relabel(frame) for name, frame in vars(second).items()})
    tables = both(first, second)
    with pytest.raises(UsageError, match=f"choose one with --{kind}"):
        ask(tables, 0.1)
    assert best_of(tables, kind, other) == pytest.approx(2.0)
    assert best_of(tables, kind, str(first.experiments[kind][0])) == pytest.approx(100.0)
    with pytest.raises(UnknownNameError, match=f"unknown {kind} 'nope'"):
        best_of(tables, kind, "nope")


def best_of(tables: Tables, kind: str, name: str) -> float:
    return ask(tables, 0.1, **{kind: name}).designs[0].energy_j


def test_a_domain_that_is_not_known_is_one_like_another(case):
    tables = case(LARGE)
    unknown = pl.lit(None, dtype=pl.String).alias("domain")
    tables = replace(
        tables, runs=tables.runs.with_columns(unknown), experiments=tables.experiments.with_columns(unknown)
    )
    assert ask(tables, 0.1).domain is None


def test_an_unknown_dataset_is_named_with_the_known_ones(case):
    with pytest.raises(UnknownNameError, match=r"unknown dataset 'digit'; did you mean 'digits'\?"):
        advise(case(LARGE), "digit", Target(loss=0.1))


@pytest.mark.parametrize("loss", [0.19382082, 0.1, 123456.0, 1e-9])
def test_the_best_loss_seen_that_an_error_names_can_be_reached(case, loss):
    tables = case([[(2 * loss, 10.0), (loss, 40.0)]], initial=10 * loss)
    with pytest.raises(DataError, match="reached a test loss of") as caught:
        ask(tables, loss / 2)
    said = float(str(caught.value).split("best loss seen is ")[1].split(",")[0])
    assert said == pytest.approx(loss, rel=1e-3)
    assert len(ask(tables, said).designs) == 1


def test_a_target_before_any_training_is_refused(case):
    with pytest.raises(UsageError, match="reached before any training"):
        ask(case(LARGE, initial=0.5), 0.6)


def test_runs_without_epochs_cannot_advise(case):
    tables = case(LARGE)
    with pytest.raises(DataError, match="no finished run of digits on bench has epochs"):
        ask(replace(tables, epochs=tables.epochs.clear()), 0.1)


def test_within_a_margin_of_the_best_seen(case):
    advice = advise(case(SMALL, LARGER), "digits", Target(within_percent=100.0))
    assert advice.target == pytest.approx(0.1)
    # A margin of nothing is the best loss itself, which rounding must not lose.
    assert advise(
        case([[(0.3, 1.0), (0.1, 2.0)]]), "digits", Target(within_percent=0.0)
    ).target == pytest.approx(0.1)


@pytest.mark.parametrize(
    "given", [{}, {"loss": 0.1, "within_percent": 1.0}, {"loss": -0.1}, {"loss": math.nan}]
)
def test_a_target_is_one_number(given):
    with pytest.raises(UsageError):
        Target(**given)


@pytest.mark.parametrize("given", [{"max_energy_j": 0.0}, {"max_energy_j": math.nan}, {"max_parameters": -1}])
def test_a_limit_is_above_zero(given):
    with pytest.raises(UsageError, match="give a number above 0"):
        Limits(**given)


def test_document(case):
    document = json.loads(json.dumps(ask(case(SMALL, LARGE, LARGER), 0.1).document(), allow_nan=False))
    assert {"designs", "pareto", "baseline", "saving", "source", "machine", "target"} <= set(document)
    fields = {"shape", "depth", "size", "widths", "n_parameters", "epochs", "energy_j", "lower_j", "upper_j"}
    for design in (*document["designs"], *document["pareto"], document["baseline"]):
        assert fields | {"loss", "evidence", "source"} <= set(design)
        assert isinstance(design["epochs"], int)
        assert design["evidence"] in ("measured", "interpolated", "extrapolated")
