"""The part of a plan that a table of runs names."""

from pathlib import Path

import pytest

from wattlas.campaign.facts import dataset_facts
from wattlas.campaign.only import only
from wattlas.campaign.plan import Plan, make_plan
from wattlas.campaign.spec import parse_spec
from wattlas.core.errors import SpecError

SPEC = """
[campaign]
name = "test"
[networks]
shapes = ["rectangle", "rectangle_residual"]
depths = [2, 4]
log2_sizes = [8, 10]
[[datasets]]
name = "banana"
[training]
epochs = 3
[runs]
repetitions = 2
"""


@pytest.fixture
def plan() -> Plan:
    spec = parse_spec(SPEC)
    return make_plan(spec, dataset_facts(spec), "here")


def row(plan: Plan, k: int) -> str:
    e = plan.experiments[k]
    return f"{e.dataset},{e.network.shape},{' '.join(map(str, e.network.widths))}"


def test_the_runs_of_the_table_alone(plan: Plan, tmp_path: Path) -> None:
    residual = next(k for k, e in enumerate(plan.experiments) if e.network.residual)
    table = tmp_path / "runs.csv"
    table.write_text("\n".join(["dataset,shape,widths", row(plan, 0), row(plan, residual)]))
    kept = only(plan, table)
    wanted = {plan.experiments[k].experiment_id for k in (0, residual)}
    assert {e.experiment_id for e in kept.experiments} == wanted
    # A run is the same run, whichever part of the sweep it is asked for in.
    assert {r.run_id for r in kept.runs} == {
        r.run_id for r in plan.runs if r.experiment.experiment_id in wanted
    }
    assert len(kept.runs) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dataset,shape\nbanana,rectangle", "no column 'widths'"),
        ("dataset,shape,widths\nbanana,rectangle,7 7 7", "row 1: the sweep has no rectangle of widths 7 7 7"),
    ],
)
def test_a_table_of_another_sweep(plan: Plan, tmp_path: Path, text: str, told: str) -> None:
    table = tmp_path / "runs.csv"
    table.write_text(text)
    with pytest.raises(SpecError, match=told):
        only(plan, table)
    with pytest.raises(SpecError, match="cannot read the runs"):
        only(plan, tmp_path / "none.csv")
