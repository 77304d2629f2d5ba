"""The paper's figures against numbers worked out apart: plain Python, known slopes, known curves."""

import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wattlas.cli.main import main
from wattlas.core.errors import DataError, UsageError
from wattlas.report import ReportData, load_figure
from wattlas.report.data import load_report_data
from wattlas.report.drawing import export, spec
from wattlas.report.figures.paper.iso_loss import DRAWN
from wattlas.report.figures.paper.least_energy import along_levels
from wattlas.report.figures.paper.medians import marginal
from wattlas.report.figures.paper.model_error import normal_curve
from wattlas.report.figures.paper.over_sets import occupied
from wattlas.report.figures.paper.trend import growth
from wattlas.report.figures.paper.windows import running_quartiles
from wattlas.report.figures.working_set import occupied as occupied_one
from wattlas.report.loss_levels import loss_levels
from wattlas.report.published import Published
from wattlas.testing.tables import BATCH_SIZE, Law, make_tables

KINDS = ["machine", "source", "domain"]


def rows_of(data: ReportData) -> list[dict[str, object]]:
    experiments = data.tables.experiments.filter(pl.col("n_observations") > 500)
    return list(experiments.iter_rows(named=True))


def test_medians_are_those_of_plain_python(data: ReportData) -> None:
    table = load_figure("paper-energy-by-size").compute(data)
    experiments = rows_of(data)
    for size in {r["size"] for r in experiments}:
        of_size = [r for r in experiments if r["size"] == size]
        values = [float(str(r["energy_per_datum_j"])) for r in of_size]
        row = table.filter((pl.col("size") == size) & (pl.col("group") == "all")).row(0, named=True)
        assert row["energy_per_datum_j"] == pytest.approx(statistics.median(values))
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        assert (row["lower_j"], row["upper_j"]) == pytest.approx((low, high))
        assert row["experiments"] == len(values)
        deep = [float(str(r["energy_per_datum_j"])) for r in of_size if r["depth"] == 4]
        group = table.filter((pl.col("size") == size) & (pl.col("group") == "depth 4")).row(0, named=True)
        assert group["energy_per_datum_j"] == pytest.approx(statistics.median(deep))
    assert set(table["group"]) == {"all", "depth 2", "depth 4"}  # the dataset has no depth 8 nor 16


def test_an_epoch_takes_its_data_times_the_energy_of_one(data: ReportData) -> None:
    table = load_figure("paper-energy-per-epoch").compute(data).filter(pl.col("group") == "all")
    # 80 % of 1797 in batches of 256: six, the last one counted as full; 178 observations are too few.
    assert table["training_set_size"].to_list() == [6 * BATCH_SIZE]
    per_epoch = [float(str(r["energy_j"])) / int(str(r["epochs"])) for r in rows_of(data)]
    assert table["energy_per_epoch_j"][0] == pytest.approx(statistics.median(per_epoch))


def test_flops_are_binned_to_the_nearest_fifth_of_a_decade(data: ReportData) -> None:
    table = load_figure("paper-energy-by-flops").compute(data).filter(pl.col("group") == "all")
    bins: dict[int, int] = {}
    for row in rows_of(data):
        k = round(math.log10(float(str(row["flops_per_datum"]))) * 5)
        bins[k] = bins.get(k, 0) + 1
    assert table["flops_bin"].to_list() == pytest.approx([10 ** (k / 5) for k in sorted(bins)])
    assert table["experiments"].to_list() == [bins[k] for k in sorted(bins)]


def test_machines_sources_and_domains_are_not_pooled(mixed_data: ReportData) -> None:
    table = load_figure("paper-energy-by-depth").compute(mixed_data).filter(pl.col("group") == "all")
    for source in ("measured", "modelled"):
        own = [
            float(str(r["energy_per_datum_j"]))
            for r in rows_of(mixed_data)
            if r["source"] == source and r["depth"] == 3
        ]
        row = table.filter((pl.col("source") == source) & (pl.col("depth") == 3))
        assert row["energy_per_datum_j"].to_list() == pytest.approx([statistics.median(own)])


def test_marginal_is_the_slope_that_the_data_were_made_with() -> None:
    frame = pl.DataFrame(
        [
            {"shape": s, "size": n, "energy_j": 3.0 * i + slope * n}
            for i, (s, slope) in enumerate([("a", 1e-9), ("b", 2e-9), ("c", 4e-9)])
            for n in (2**21, 2**22, 2**23)
        ]
    )
    # Two slopes a shape, none across shapes: quartiles of 1, 1, 2, 2, 4, 4.
    assert marginal(frame, ["shape"], "size", "energy_j") == pytest.approx((1.25e-9, 2e-9, 3.5e-9))
    assert marginal(frame.filter(pl.col("size") == 2**21), ["shape"], "size", "energy_j") is None


def test_what_a_layer_adds_is_what_the_law_says() -> None:
    law = Law(step_j=1e-2, layer_j=3e-3, flop_j=0.0, scatter=0.0)
    tables = make_tables(datasets={"digits": (1797, 64, 10)}, depths=(2, 3, 4), repetitions=1, law=law)
    slopes = marginal(tables["experiments"], ["dataset", "shape", "size"], "depth", "energy_per_datum_j")
    assert slopes == pytest.approx([3e-3 / BATCH_SIZE] * 3)


def test_running_quartiles_of_a_window_are_those_of_its_points() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(10, 14, 3000), rng.lognormal(0, 1, 3000)
    table = running_quartiles(x, y, smoothed=1)
    for row in table[:: table.height // 7].iter_rows(named=True):
        inside = sorted(float(v) for v, at in zip(y, x, strict=True) if abs(at - row["x"]) <= 0.5)
        expected = statistics.quantiles(inside, n=4, method="inclusive")
        assert (row["q25"], row["median"], row["q75"]) == pytest.approx(expected)


def test_windows_of_too_few_points_part_the_line() -> None:
    x = np.concatenate([np.linspace(0, 4, 1000), np.linspace(9, 13, 1000)])
    table = running_quartiles(x, np.where(x < 6, 1.0, 5.0))
    assert table["run"].n_unique() == 2
    assert not table.filter(pl.col("x").is_between(4.8, 8.2)).height
    # No average is over the gap.
    assert set(table["median"].round(9)) == {1.0, 5.0}
    assert running_quartiles(np.linspace(0, 2, 90), np.ones(90)).is_empty()


def test_occupied_bytes_are_those_of_the_walk_one_by_one(data: ReportData) -> None:
    experiments = data.tables.experiments
    table = occupied(experiments, data.machines)
    for row in table.iter_rows(named=True):
        expected = occupied_one(row, data.machines[row["machine"]])
        assert {k: row[k] for k in expected} == pytest.approx(expected)


def test_share_at_a_level_is_where_the_known_curve_has_that_loss() -> None:
    law = Law(scatter=0.0)
    tables = make_tables(
        datasets={"digits": (1797, 64, 10)},
        shapes=("rectangle",),
        depths=(2,),
        epochs=400,
        repetitions=1,
        law=law,
    )
    levels = loss_levels(tables["experiments"], tables["runs"], tables["epochs"], None)
    assert levels.share.shape == (6, 200)
    tau = 1.0 + 0.5 * 2
    checked = 0
    for i, row in enumerate(levels.experiments.iter_rows(named=True)):
        floor = law.floor * (2**18 / row["n_parameters"]) ** 0.125
        at_end, after_first = (floor + (1 - floor) / (1 + e / tau) for e in (400, 1))
        for level in range(0, 200, 23):
            loss = levels.experiments.select(levels.loss(level))["loss_low"][i]
            share = levels.share[i, level]
            if not at_end * (1 - 1e-9) <= loss <= after_first * (1 + 1e-9):
                assert math.isnan(share)
                continue
            epoch = tau * ((1 - floor) / (loss - floor) - 1)
            assert share * 400 == pytest.approx(epoch, rel=0.04)
            checked += 1
    assert checked > 20


def test_curves_of_an_import_count_plateaus_at_their_middle(tmp_path: Path) -> None:
    tables = make_tables(
        datasets={"digits": (1797, 64, 10)},
        shapes=("rectangle",),
        depths=(2,),
        log2_sizes=(8,),
        repetitions=1,
    )
    path = tmp_path / "curves.parquet"
    pl.DataFrame(
        {
            "experiment_id": [7],
            "epoch": [[1, 2, 4, 8, 12]],
            "test_loss_best_quantile_50": [[1.0, 0.5, 0.25, 0.25, 0.125]],
        }
    ).write_parquet(path)
    experiments = tables["experiments"].with_columns(pl.lit(7).alias("butter_experiment_id"))
    levels = loss_levels(experiments, tables["runs"], tables["epochs"].clear(), path)
    assert levels.share[0, 0] == pytest.approx(1.0)  # the loss of epoch 12 of 12
    assert levels.share[0, 199] == pytest.approx(1 / 12)
    # Log loss is a third of the way up at 0.25, which took sqrt(4 · 8) epochs in the middle of its plateau.
    third = float(np.exp(np.interp(199 / 3, np.arange(200), np.log(levels.share[0]))))
    assert third == pytest.approx(math.sqrt(32) / 12, rel=1e-3)


def test_levels_drawn_are_thirty_of_two_hundred_without_the_lowest() -> None:
    assert len(DRAWN) == 29
    assert DRAWN[0] > 0
    assert DRAWN[-1] == 199


def test_energy_to_a_loss_is_its_share_of_the_experiment(data: ReportData) -> None:
    table = load_figure("paper-iso-loss").compute(data).filter(pl.col("kind") == "curve")
    row = table.row(table.height // 2, named=True)
    own = data.tables.experiments.filter(
        pl.all_horizontal(pl.col(k) == row[k] for k in ("dataset", "shape", "depth", "size"))
    ).row(0, named=True)
    work = own["flops_per_datum"] * own["n_train_batches"] * own["batch_size"] * own["epochs"]
    assert row["flops"] / row["energy_j"] == pytest.approx(work / own["energy_j"])
    assert own["energy_j"] / own["epochs"] * (1 - 1e-9) <= row["energy_j"] <= own["energy_j"] * (1 + 1e-9)


def test_the_least_of_each_family_is_one(data: ReportData) -> None:
    rows = along_levels(data)
    families = rows.group_by(*KINDS, "dataset", "shape", "depth").agg(
        pl.col("relative_energy").min(), pl.col("loss").n_unique(), pl.len()
    )
    assert set(families["relative_energy"]) == {1.0}
    assert set(families["loss"]) == {1}
    minima = load_figure("paper-minima").compute(data)
    for name in "flb":
        counted = minima.filter(pl.col("working_set") == name)
        assert counted["n"].sum() == families.height
        assert counted["share"].sum() == pytest.approx(1.0)


def test_machines_have_their_own_minima(data: ReportData) -> None:
    """Slip 19 of the published figure: CPU and GPU in one histogram, twice."""
    experiments = data.tables.experiments
    first = pl.col("dataset") == "digits"
    machine = pl.when(first).then(pl.lit("one")).otherwise(pl.lit("two")).alias("machine")
    tables = replace(
        data.tables,
        experiments=experiments.with_columns(machine),
        runs=data.tables.runs.with_columns(machine),
    )
    table = load_figure("paper-minima").compute(replace(data, tables=tables))
    counts = (
        table.filter(pl.col("working_set") == "f").group_by("machine").agg(pl.col("n").sum()).sort("machine")
    )
    assert counts.rows() == [("one", 9), ("two", 9)]  # 3 shapes × 3 depths of a dataset each


def test_the_normal_curve_has_the_height_of_least_squares() -> None:
    x = np.linspace(0.5, 1.5, 201)
    bell = 0.3 * np.exp(-(((x - 1) / 0.1) ** 2) / 2)
    assert normal_curve(x, bell, 1.0, 0.1) == pytest.approx(bell)
    noisy = bell + np.random.default_rng(0).normal(0, 0.02, x.size)
    best = normal_curve(x, noisy, 1.0, 0.1)
    for factor in (0.99, 1.01):
        assert ((noisy - best * factor) ** 2).sum() > ((noisy - best) ** 2).sum()


def test_mean_and_deviation_are_those_of_the_ratios_in_bins(data: ReportData) -> None:
    table = load_figure("paper-model-error").compute(data)
    ratios = load_figure("model-error").compute(data)["ratio"].to_list()
    inside = [r for r in ratios if 0.470219 <= r <= 1.964925]
    assert table["n"].sum() == len(inside)
    assert table["outside"][0] == len(ratios) - len(inside)
    assert table["ratio_mean"][0] == pytest.approx(statistics.fmean(inside))
    assert table["ratio_sd"][0] == pytest.approx(statistics.pstdev(inside))
    assert set(table["predicted_source"]) == {"modelled"}


@pytest.mark.parametrize("name", ["paper-qc-run-time", "paper-qc-deviation", "paper-qc-energy"])
def test_quality_control_counts_what_it_removed(name: str, data: ReportData) -> None:
    figure = load_figure(name)
    table = figure.compute(data)
    runs = data.tables.runs
    # One in ten of the runs deviates by 4.5.
    removed = sum(1 for i in range(runs.height) if 0.5 * (i % 10) > 4)
    counts = dict(table.group_by("state").agg(pl.col("n").sum()).rows())
    assert counts == {"kept": pytest.approx(runs.height - removed), "removed": pytest.approx(removed)}
    assert f"QC removed {removed} of {runs.height}" in figure.describe(table, data)


def test_deviations_beyond_the_axis_stand_in_its_last_bin(data: ReportData) -> None:
    far = data.tables.runs.with_columns(pl.col("run_time_deviation") * 100)
    table = load_figure("paper-qc-deviation").compute(replace(data, tables=replace(data.tables, runs=far)))
    assert table["n"].sum() == far.height
    assert table["run_time_deviation_to"].max() == pytest.approx(2.5 * 4)
    assert set(table["limit"]) == {4.0}


def test_a_dataset_without_quality_control_says_so(data: ReportData) -> None:
    plain = data.tables.runs.drop("qc_flags", "excluded", "run_time_deviation")
    without = replace(data, tables=replace(data.tables, runs=plain))
    for name in ("paper-qc-run-time", "paper-qc-deviation", "paper-qc-energy"):
        figure = load_figure(name)
        assert figure.compute(without).is_empty()
        assert "no quality-control columns" in figure.missing


def test_the_trend_is_not_drawn_without_its_data(data: ReportData) -> None:
    figure = load_figure("paper-trend")
    assert figure.compute(data).is_empty()
    assert "ship neither with Wattlas nor with the published curves" in figure.missing
    for word in ("2.1037", "0.4252", "counted twice"):
        assert word in figure.missing


def test_doubling_time_of_a_known_growth(data: ReportData, tmp_path: Path) -> None:
    systems = [(2000 + i, 10 * 2 ** (i / 2.5)) for i in range(12)] + [
        (2019 + i / 4, 1e6 * 2 ** (i / 4 / 0.5)) for i in range(12)
    ]
    pl.DataFrame(
        {
            "system": [f"s{i}" for i in range(24)],
            "year": [s[0] for s in systems],
            "energy_j": [s[1] for s in systems],
        },
        strict=False,
    ).write_csv(tmp_path / "ai_energy_co2_cpu_gpu_trends.csv")
    figure = load_figure("paper-trend")
    given = replace(data, published=Published(tmp_path))
    table = figure.compute(given)
    doubling = dict(table.select("era", "doubling_y").unique().rows())
    assert doubling == {"before 2012": pytest.approx(2.5), "after 2019": pytest.approx(0.5)}
    assert table["fit_j"].to_list() == pytest.approx(table["energy_j"].to_list())
    assert "doubles every 2.5 years" in figure.describe(table, given)
    assert set(table["source"]) == {"modelled"}  # told by others, not measured
    assert export(figure, table, given, "svg").startswith(b"<svg")
    assert growth(table.head(2))[0] is None


HEAD = "figure,panel,series,hardware,group,x_quantity,x,y_quantity,y,y_q25,y_q75,x_true_flops_per_datum\n"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    lines = [
        "3_figures,b,median,cpu,,ntp_size,255.999,J_per_datum,0.5,,,",
        "3_figures,b,quartile_bar,cpu,,ntp_size,255.999,J_per_datum,,0.4,0.6,",
        "3_figures,b,group_median,cpu,depth=2,ntp_size,4096.01,J_per_datum,0.7,,,",
        "3_figures,c,median,gpu,,flops_axis_value,9.02501326,J_per_datum,0.01,,,158.48931",
    ]
    (tmp_path / "3_figures.csv").write_text(HEAD + "\n".join(lines) + "\n")
    return tmp_path


def test_what_is_published_stands_beside_ours(data: ReportData, published: Path, measured: Path) -> None:
    given = replace(data, published=Published(published))
    figure = load_figure("paper-energy-by-size")
    table = figure.compute(given)
    theirs = table.filter(pl.col("origin") == "published").sort("size")
    assert theirs.select("machine", "group", "size", "energy_per_datum_j", "lower_j", "upper_j").rows() == [
        ("eagle-cpu", "all", 256, 0.5, 0.4, 0.6),
        ("eagle-cpu", "depth 2", 4096, 0.7, None, None),
    ]
    ours = table.filter(pl.col("origin") == "this dataset").drop("origin")
    assert ours.equals(figure.compute(data).drop("origin"))
    assert set(figure.compute(data)["origin"]) == {"this dataset"}
    chart = str(spec(figure, table, given))
    assert "measured; published: measured" in chart
    # Slip 17: exp(log10 158.5) = 9.025 is what the published axis shows.
    flops = load_figure("paper-energy-by-flops").compute(given).filter(pl.col("origin") == "published")
    assert flops["flops_bin"].to_list() == pytest.approx([158.489319], rel=1e-6)


def test_published_curves_are_an_option_of_the_command(
    measured: Path, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["report", str(measured), "--figure", "paper-energy-by-size"]
    output = tmp_path / "size.csv"
    assert main([*command, "--published", str(published), "-o", str(output)]) == 0
    assert set(pl.read_csv(output)["origin"]) == {"this dataset", "published"}
    assert main([*command, "--published", str(measured), "-o", str(tmp_path / "b.csv")]) == 2
    assert "has none of 3_figures.csv" in capsys.readouterr().err


def test_published_tables_that_are_wrong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has none of 3_figures\.csv"):
        Published(tmp_path)
    path = tmp_path / "8_model_error_hist.csv"
    for text, said in [
        ("hardware,bin_left,count\n", "has no column 'bin_right'"),
        ("hardware,bin_left,bin_right,count\ntpu,1,2,3\n", "has hardware 'tpu'; known is cpu, gpu"),
        ("hardware,bin_left,bin_right,count\ncpu,1,2,three\n", "give a CSV with the columns"),
    ]:
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            Published(tmp_path).table("8_model_error_hist")
    assert Published(tmp_path).table("3_figures") is None


def test_modelled_energies_are_not_shown_as_measured(mixed: Path, published: Path, tmp_path: Path) -> None:
    given = load_report_data(mixed, published=published)
    modelled = replace(
        given,
        tables=replace(
            given.tables, experiments=given.tables.experiments.filter(pl.col("source") == "modelled")
        ),
    )
    for name in ("per-epoch", "by-size", "by-flops", "by-depth"):
        figure = load_figure(f"paper-energy-{name}")
        table = figure.compute(modelled)
        ours = table.filter(pl.col("origin") == "this dataset")
        assert set(ours["source"]) == {"modelled"}
        drawing = export(figure, table, modelled, "svg").decode()
        published_too = "; published: measured" if table.height > ours.height else ""
        assert f"(J, modelled{published_too})" in drawing
        assert "(measured) the median" not in figure.describe(table, modelled)
