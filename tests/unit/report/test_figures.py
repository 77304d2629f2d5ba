"""Every figure through one suite, and the numbers of each against the tables they come from."""

import io
import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from wattlas.core.errors import ModelError, UnknownNameError
from wattlas.dataset.tables import Tables
from wattlas.report import ReportData, figure_names, load_figure
from wattlas.report.data import MAX_MARKS, sources_of, thin
from wattlas.report.drawing import csv_text, export, spec
from wattlas.report.figures.working_set import limits
from wattlas.report.page import SECTIONS

# The trend is of no dataset: it has tests of its own.
NAMES = tuple(name for name in figure_names() if name != "paper-trend")
REQUIRED = {"energy-per-datum", "working-set", "loss-energy", "model-error", "attribution"}
# Made from loss curves.
OF_LOSS = {"loss-energy", "paper-iso-loss", "paper-iso-loss-aggregate", "paper-minima"}


def test_the_figures_that_a_report_must_have():
    assert set(NAMES) >= REQUIRED
    with pytest.raises(UnknownNameError, match=r"unknown figure 'loss'.*known: .*working-set"):
        load_figure("loss")


@pytest.mark.parametrize("name", NAMES)
class TestEveryFigure:
    def test_its_table_says_where_energies_come_from(self, name: str, data: ReportData) -> None:
        table = load_figure(name).compute(data)
        assert table.height > 0
        assert table["source"].null_count() == 0
        assert set(table["source"]) == {"measured"}

    def test_it_says_in_words_what_it_shows(self, name: str, data: ReportData) -> None:
        figure = load_figure(name)
        text = figure.describe(figure.compute(data), data)
        assert text.endswith(".")
        assert any(character.isdigit() for character in text)
        assert "nan" not in text
        assert "None" not in text

    def test_it_stands_in_a_section_and_says_why_it_may_be_missing(self, name: str, data: ReportData) -> None:
        figure = load_figure(name)
        assert figure.name == name
        assert figure.section in SECTIONS
        assert figure.missing.endswith(".")

    def test_its_chart_has_units_and_tells_the_source(self, name: str, data: ReportData) -> None:
        figure = load_figure(name)
        chart = json.dumps(spec(figure, figure.compute(data), data))
        assert "measured" in chart
        assert '"title"' in chart

    def test_it_is_drawn(self, name: str, data: ReportData) -> None:
        figure = load_figure(name)
        table = figure.compute(data)
        drawing = ET.fromstring(export(figure, table, data, "svg"))
        marks = [e for e in drawing.iter("{http://www.w3.org/2000/svg}path") if e.get("aria-roledescription")]
        assert len(marks) > 1
        assert figure.title in "".join(drawing.itertext())
        assert export(figure, table, data, "png").startswith(b"\x89PNG")

    def test_its_csv_is_its_table(self, name: str, data: ReportData) -> None:
        figure = load_figure(name)
        table = figure.compute(data)
        read = pl.read_csv(io.BytesIO(export(figure, table, data, "csv")), infer_schema_length=None)
        assert read.columns == table.columns
        assert read.height == table.height
        assert read["source"].to_list() == table["source"].to_list()

    def test_unlike_sources_are_never_drawn_together(self, name: str, mixed_data: ReportData) -> None:
        figure = load_figure(name)
        table = figure.compute(mixed_data)
        if table["source"].n_unique() < 2:
            assert name == "drift"  # modelled runs were not repeated
            return
        chart = spec(figure, table, mixed_data)
        pick = next(p for p in chart["params"] if p["name"] == "pick_source")
        assert pick["bind"]["options"] == ["measured", "modelled"]  # no entry shows both
        assert pick["value"] == [{"source": "measured"}]
        picked: dict[str, object] = {"param": "pick_source"}
        if name.startswith("paper-") and not name.startswith("paper-qc"):
            picked = {"or": ["datum.origin === 'published'", picked]}
        assert {"filter": picked} in chart["transform"]
        assert "source: measured" in export(figure, table, mixed_data, "svg").decode()


def test_energy_per_datum_is_that_of_the_experiments(data: ReportData) -> None:
    table = load_figure("energy-per-datum").compute(data)
    experiments = data.tables.experiments
    assert table.height == experiments.height
    assert table["energy_per_datum_j"].sum() == pytest.approx(experiments["energy_per_datum_j"].sum())
    row = table.row(0, named=True)
    own = experiments.filter(pl.col("energy_per_datum_j") == row["energy_per_datum_j"]).row(0, named=True)
    u = own["u_energy_per_datum_j"]
    assert row["upper_j"] - row["energy_per_datum_j"] == pytest.approx(2 * u)
    assert row["lower_j"] == pytest.approx(row["energy_per_datum_j"] - 2 * u)


def test_cache_lines_agree_with_the_level_that_each_set_lands_in(data: ReportData) -> None:
    assert limits(data.machines["bench"]) == [("L1d", 32768), ("L2", 1081344), ("L3", 17858560)]
    table = load_figure("working-set").compute(data)
    points = table.filter(pl.col("level").is_null())
    keys = ["dataset", "shape", "depth", "size"]
    joined = points.join(data.tables.experiments, on=keys, validate="1:1")
    ends = [0.0, *(limit for _, limit in limits(data.machines["bench"])), math.inf]
    levels = ["L1d", "L2", "L3", "RAM"]
    seen: set[str] = set()
    for name in "lfbd":
        for occupied, level in joined.select(f"{name}_bytes", f"ws_{name}_level").rows():
            k = levels.index(level)
            assert ends[k] < occupied <= ends[k + 1]
            seen.add(level)
    assert len(seen) >= 3
    lines = table.filter(pl.col("level").is_not_null())
    assert lines["level"].to_list() == ["L1d", "L2", "L3"]
    assert lines["source"].to_list() == ["measured"] * 3


def test_without_a_known_machine_there_is_no_line(data: ReportData) -> None:
    unknown = replace(data, machines={})
    figure = load_figure("working-set")
    table = figure.compute(unknown)
    assert table["limit_bytes"].null_count() == table.height
    assert "not known, so no line is drawn" in figure.describe(table, unknown)
    row = table.row(0, named=True)
    keys = ["dataset", "shape", "depth", "size"]
    own = data.tables.experiments.filter(pl.all_horizontal(pl.col(k) == row[k] for k in keys))
    assert row["f_bytes"] == own["ws_f_bytes"][0]
    export(figure, table, unknown, "svg")


def test_the_front_of_the_figure_is_not_beaten_by_any_design(data: ReportData) -> None:
    table = load_figure("loss-energy").compute(data)
    for group in table.partition_by("dataset"):
        front = group.filter(pl.col("kind") == "front").select("loss", "energy_j").rows()
        others = group.filter(pl.col("kind") != "front").select("loss", "energy_j").rows()
        assert len(front) > 3
        for loss, energy in others:
            assert not any(loss < l * (1 - 1e-9) and energy < e * (1 - 1e-9) for l, e in front)  # noqa: E741
        pareto = group.filter(pl.col("kind") == "pareto").select("loss", "energy_j").rows()
        for point in pareto:
            assert any(point == pytest.approx(on) for on in front)


def scaled(data: ReportData, factor: float) -> ReportData:
    experiments = data.tables.experiments.with_columns(pl.col("energy_per_datum_j", "energy_j") * factor)
    return replace(data, tables=replace(data.tables, experiments=experiments))


def test_many_cases_of_advice_share_the_marks(data: ReportData) -> None:
    many = SimpleNamespace(advice=data.advice * 200)
    table = load_figure("loss-energy").compute(many)  # type: ignore[arg-type]
    drawn = table.filter(pl.col("kind") != "pareto")
    assert drawn["dataset"].n_unique() == 2
    assert drawn.height <= MAX_MARKS


@pytest.mark.parametrize(("height", "limit"), [(5, 5), (5, 10), (7, 3), (1000, 999), (3, 2)])
def test_thinning_keeps_order_and_both_ends(height: int, limit: int) -> None:
    kept = thin(pl.DataFrame({"i": range(height)}), limit)["i"].to_list()
    assert len(kept) == len(set(kept)) == min(height, limit)
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (0, height - 1)


def test_model_error_is_predicted_over_actual(data: ReportData) -> None:
    figure = load_figure("model-error")
    table = figure.compute(data)
    assert table.height == data.tables.experiments.height
    assert set(table["predicted_source"]) == {"modelled"}
    assert sources_of(table) == ("measured", "modelled")
    assert table["ratio"].median() == pytest.approx(1.0, abs=0.05)
    assert table["n"].sum() == table.height
    assert table.filter(
        ~pl.col("ratio").is_between(pl.col("bin_lower") * 0.999, pl.col("bin_upper") * 1.001)
    ).is_empty()
    # Where the actual energies are half, what is predicted for the same networks is twice as much.
    halved = figure.compute(scaled(data, 0.5))
    assert halved["ratio"].to_list() == pytest.approx([2 * r for r in table["ratio"]])
    assert "held out of its fit" in figure.describe(table, data)


def test_model_error_leaves_out_machines_that_the_model_does_not_know(data: ReportData) -> None:
    figure = load_figure("model-error")

    def with_machine(names: pl.Expr) -> ReportData:
        experiments = data.tables.experiments.with_columns(names.alias("machine"))
        return replace(data, tables=replace(data.tables, experiments=experiments))

    with pytest.raises(ModelError, match="knows the machines bench, not other"):
        figure.compute(with_machine(pl.lit("other")))
    half = with_machine(pl.when(pl.col("dataset") == "wine").then(pl.lit("other")).otherwise(pl.lit("bench")))
    table = figure.compute(half)
    assert set(table["dataset"]) == {"digits"}
    n = data.tables.experiments.filter(pl.col("dataset") == "wine").height
    assert f"{n} experiments are of machines that the model does not know" in figure.describe(table, half)


def test_causes_sum_to_what_the_model_predicts(data: ReportData) -> None:
    table = load_figure("attribution").compute(data)
    whole = table.group_by("dataset", "size_bin").agg(
        pl.col("energy_per_datum_j").sum(), pl.col("experiments").first(), pl.col("ratio_of_whole").sum()
    )
    assert whole["ratio_of_whole"].to_list() == pytest.approx([1.0] * whole.height)
    assert whole["experiments"].sum() == data.tables.experiments.height
    predicted = load_figure("model-error").compute(data)["predicted_energy_per_datum_j"].sum()
    total = (whole["energy_per_datum_j"] * whole["experiments"]).sum()
    assert total == pytest.approx(predicted)


@pytest.mark.parametrize("name", ["model-error", "attribution"])
def test_without_a_model_there_is_nothing_to_compare_or_split(name: str, data: ReportData) -> None:
    assert load_figure(name).compute(replace(data, model_path=None)).is_empty()


def test_drift_is_against_the_median_of_the_experiment(data: ReportData) -> None:
    table = load_figure("drift").compute(data)
    runs = data.tables.runs
    assert table.height == runs.height
    pairs = runs.group_by("experiment_id").agg(pl.col("energy_j"))["energy_j"].to_list()
    expected = sorted(x / ((a + b) / 2) for a, b in pairs for x in (a, b))
    assert sorted(table["ratio"]) == pytest.approx(expected)


def test_runs_within_one_second_stay_apart(data: ReportData) -> None:
    table = load_figure("drift").compute(data)
    starts = pl.read_csv(io.StringIO(csv_text(table)))["start_utc"]
    assert starts.n_unique() == table["start_utc"].dt.truncate("1ms").n_unique()
    assert starts[0].endswith("Z")


def test_causes_that_are_nil_are_not_drawn(data: ReportData) -> None:
    terms = pl.concat_str(pl.lit('{"gaps": 0.0, "accuracy": '), pl.col("u_energy_j"), pl.lit("}")).alias(
        "terms"
    )
    tables = replace(data.tables, channels=data.tables.channels.with_columns(terms))
    table = load_figure("uncertainty").compute(replace(data, tables=tables))
    assert set(table["cause"]) == {"accuracy"}


def test_uncertainty_is_the_share_of_each_cause(data: ReportData) -> None:
    table = load_figure("uncertainty").compute(data)
    accuracy = table.filter(pl.col("cause") == "accuracy")["u_percent"].to_list()
    assert accuracy == pytest.approx([1.8, 1.8])  # 0.9 of 2 %


def many(data: ReportData, copies: int) -> ReportData:
    """The experiments and runs many times over, as of so many datasets."""

    def repeat(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
        return pl.concat(
            frame.with_columns(pl.concat_str(pl.col(n), pl.lit(f" {i}")) for n in names)
            for i in range(copies)
        )

    tables: dict[str, Any] = dict(vars(data.tables))
    tables["experiments"] = repeat(tables["experiments"], "experiment_id", "dataset")
    tables["runs"] = repeat(tables["runs"], "run_id", "experiment_id", "dataset")
    tables["epochs"] = tables["epochs"].clear()
    return replace(data, tables=Tables(**tables))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in OF_LOSS])
def test_a_large_dataset_stays_small_on_the_page(name: str, data: ReportData) -> None:
    large = many(data, 150)
    assert large.tables.experiments.height > MAX_MARKS
    figure = load_figure(name)
    table = figure.compute(large)
    assert 0 < table.height <= MAX_MARKS + 10
    assert len(csv_text(table)) < 1.5e6
    if name == "model-error":
        assert table["n"].sum() == pytest.approx(large.tables.experiments.height)
