"""The plan: everything the spec asks for, each network once, in an order that confounds nothing."""

from dataclasses import replace

import pytest

from wattlas.campaign.facts import dataset_facts
from wattlas.campaign.plan import Plan, make_plan
from wattlas.campaign.spec import SweepSpec, parse_spec
from wattlas.core.errors import SpecError

SPEC = """
[campaign]
name = "test"
seed = 7
[networks]
shapes = ["rectangle", "trapezoid", "exponential"]
depths = [2, 4]
log2_sizes = [5, 10, 12]
[[datasets]]
name = "mnist"
[[datasets]]
name = "537_houses"
[training]
epochs = 3
[runs]
repetitions = 3
"""


def planned(text: str = SPEC, machine: str = "here") -> tuple[SweepSpec, Plan]:
    spec = parse_spec(text)
    return spec, make_plan(spec, dataset_facts(spec), machine)


def test_every_combination_is_run_left_out_or_merged() -> None:
    spec, plan = planned()
    assert len(plan.experiments) + len(plan.left_out) + plan.merged == 2 * 3 * 2 * 3
    assert len(plan.runs) == spec.runs.repetitions * len(plan.experiments)
    assert len({run.run_id for run in plan.runs}) == len(plan.runs)


def test_depth_two_shapes_coincide_and_are_one_experiment() -> None:
    _, plan = planned()
    houses = [e for e in plan.experiments if e.dataset == "537_houses" and e.network.depth == 2]
    assert {e.network.shape for e in houses} == {"rectangle"}
    assert len({e.network.widths for e in houses}) == len(houses)


def test_what_no_network_meets_is_left_out_with_its_reason() -> None:
    _, plan = planned()
    small = [x for x in plan.left_out if x.dataset == "mnist" and x.size == 32]
    assert len(small) == 6
    assert all("closest network" in x.reason for x in small)


def test_only_impossible_sizes_is_an_error() -> None:
    text = SPEC.replace("[5, 10, 12]", "[5]").replace('[[datasets]]\nname = "537_houses"\n', "")
    with pytest.raises(SpecError, match="no network meets any of the sizes"):
        planned(text)


def test_repetitions_are_blocks_shuffled_by_the_campaign_seed() -> None:
    _, plan = planned()
    n = len(plan.experiments)
    assert [run.repetition for run in plan.runs] == [0] * n + [1] * n + [2] * n
    blocks = [[run.experiment.experiment_id for run in plan.runs[i * n : (i + 1) * n]] for i in range(3)]
    assert blocks[0] != blocks[1]
    assert sorted(blocks[0]) == sorted(blocks[1]) == sorted(blocks[2])
    assert planned()[1] == plan
    assert planned(SPEC.replace("seed = 7", "seed = 8"))[1].runs != plan.runs


def test_as_written_keeps_the_order_of_the_spec() -> None:
    _, plan = planned(SPEC + 'order = "as-written"\n')
    assert [run.experiment for run in plan.runs[: len(plan.experiments)]] == list(plan.experiments)


def test_ids_depend_on_the_configuration_and_on_nothing_else() -> None:
    _, plan = planned()
    _, other_seed = planned(SPEC.replace("seed = 7", "seed = 8").replace('name = "test"', 'name = "other"'))
    assert {r.run_id: r.seed for r in plan.runs} == {r.run_id: r.seed for r in other_seed.runs}
    _, other_machine = planned(machine="there")
    assert {e.experiment_id for e in other_machine.experiments} == {e.experiment_id for e in plan.experiments}
    assert not {r.run_id for r in other_machine.runs} & {r.run_id for r in plan.runs}
    for old, new in [("epochs = 3", "epochs = 4"), ("epochs = 3", "epochs = 3\nbatch_size = 64")]:
        _, changed = planned(SPEC.replace(old, new))
        assert not {e.experiment_id for e in changed.experiments} & {
            e.experiment_id for e in plan.experiments
        }


def test_every_repetition_has_its_own_seed_and_widening_a_spec_keeps_its_runs() -> None:
    _, plan = planned()
    assert len({run.seed for run in plan.runs}) == len(plan.runs)
    assert all(0 <= run.seed < 2**31 for run in plan.runs)
    _, wider = planned(
        SPEC.replace("repetitions = 3", "repetitions = 4").replace("[5, 10, 12]", "[5, 10, 12, 14]")
    )
    assert {r.run_id for r in plan.runs} < {r.run_id for r in wider.runs}


def test_the_closer_size_names_a_merged_network() -> None:
    spec = parse_spec(SPEC.replace("log2_sizes = [5, 10, 12]", "sizes = [1100, 1024]"))
    facts = dataset_facts(spec)
    plan = make_plan(spec.model_copy(update={"datasets": spec.datasets[1:]}), facts, "here")
    for experiment in plan.experiments:
        n = experiment.network.n_parameters
        others = [s for s in (1100, 1024) if s != experiment.size]
        same = [
            e
            for e in plan.experiments
            if replace(e.network, shape="") == replace(experiment.network, shape="")
        ]
        assert len(same) == 1
        assert all(abs(n - experiment.size) / experiment.size <= 0.2 for _ in others)
