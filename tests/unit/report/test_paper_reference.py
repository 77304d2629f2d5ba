"""The paper's figures against the published curves and the synthetic case that may lie beside a checkout."""

import statistics
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wattlas.dataset.butter_e.importer import ImportOptions, import_butter_e
from wattlas.dataset.tables import Tables
from wattlas.hardware.catalogue import load_machine
from wattlas.model import load_model
from wattlas.model.grid import grid_points
from wattlas.report import ReportData, load_figure, load_report_data
from wattlas.report.figures.paper.medians import marginal, quantities
from wattlas.report.published import COLUMNS, Published
from wattlas.testing.tables import make_tables

MACHINES = ("eagle-cpu", "eagle-gpu")


@pytest.fixture(scope="module")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    dest = tmp_path_factory.mktemp("case") / "dataset"
    source = shared / "reference" / "butter_e_case" / "inputs"
    import_butter_e(source, dest, ImportOptions(upstream_compatible=True))
    return load_report_data(dest, published=shared / "reference" / "figures")


@pytest.fixture(scope="module")
def grid(shared: Path) -> ReportData:
    """The published grid, every energy modelled by the shipped model, as a dataset."""
    model = load_model("butter-e")
    # A size tolerance of 20 % is nearest to the networks that were run.
    points = pl.concat(grid_points(machine, tolerance=0.2) for machine in MACHINES)
    energies = points.with_columns(
        pl.Series("energy_per_datum_j", model.predict(points)),
        pl.lit("modelled").alias("source"),
        pl.lit("node").alias("domain"),
        (2 ** pl.col("log2_size")).cast(pl.Int64).alias("size"),
        pl.lit(1e3).alias("flops_per_datum"),
    )
    tables = {name: frame.clear() for name, frame in make_tables(log2_sizes=(8,), depths=(2,)).items()}
    tables["experiments"] = energies
    published = Published(shared / "reference" / "figures")
    return ReportData("grid", Tables(**tables), {m: load_machine(m) for m in MACHINES}, published=published)


def errors(data: ReportData, name: str, x: str, y: str) -> dict[str, np.ndarray]:
    """|log(ours / published)| of the medians of all, by machine."""
    table = load_figure(name).compute(data).filter(pl.col("group") == "all")
    ours = table.filter(pl.col("origin") == "this dataset")
    assert set(ours["source"]) == {"modelled"}
    theirs = table.filter(pl.col("origin") == "published")
    if x == "depth":
        theirs = theirs.filter(pl.col("depth") != 6)
    both = ours.join(theirs, on=["machine", x], suffix="_published")
    assert both.height == theirs.height
    ratio = both.select("machine", (pl.col(y) / pl.col(f"{y}_published")).log().abs().alias("error"))
    return {m: ratio.filter(pl.col("machine") == m)["error"].to_numpy() for m in MACHINES}


# GPU and CPU: mean error of the medians. CPU depth 6 lies a third below its neighbours, for reasons unknown.
@pytest.mark.parametrize(
    ("name", "x", "y", "gpu", "cpu"),
    [
        ("paper-energy-per-epoch", "training_set_size", "energy_per_epoch_j", 0.02, 0.05),
        ("paper-energy-by-size", "size", "energy_per_datum_j", 0.02, 0.07),
        ("paper-energy-by-depth", "depth", "energy_per_datum_j", 0.02, 0.05),
    ],
)
def test_medians_of_the_modelled_grid_are_the_published_ones(
    grid: ReportData, name: str, x: str, y: str, gpu: float, cpu: float
) -> None:
    found = errors(grid, name, x, y)
    assert found["eagle-gpu"].mean() < gpu
    assert found["eagle-cpu"].mean() < cpu
    assert "On eagle-cpu (modelled)" in load_figure(name).describe(load_figure(name).compute(grid), grid)


def test_training_sets_are_those_of_the_published_axis(grid: ReportData) -> None:
    table = load_figure("paper-energy-per-epoch").compute(grid)
    ours, theirs = (
        set(table.filter(pl.col("origin") == o)["training_set_size"]) for o in ("this dataset", "published")
    )
    assert ours == theirs
    assert len(ours) == 12  # 505_tecator is left out


def test_what_a_parameter_adds_on_the_gpu_is_near_the_published_quartiles(grid: ReportData) -> None:
    large = quantities(grid).filter((pl.col("machine") == "eagle-gpu") & (pl.col("size") >= 2**21))
    found = marginal(large, ["dataset", "shape", "depth"], "size", "energy_per_datum_j")
    assert found == pytest.approx((1.37026e-9, 1.49483e-9, 1.65585e-9), rel=0.07)


def test_medians_of_the_case_are_those_of_plain_python(case: ReportData, shared: Path) -> None:
    """From the published pipeline's own output, not from our import of it."""
    own = shared / "reference" / "butter_e_case" / "published_pipeline" / "experiments.parquet"
    by_size: dict[tuple[bool, int], list[float]] = defaultdict(list)
    for row in pl.read_parquet(own).iter_rows(named=True):
        by_size[bool(row["has_gpu"]), int(row["size"])].append(row["energy_per_training_datum"])
    table = load_figure("paper-energy-by-size").compute(case)
    ours = table.filter((pl.col("group") == "all") & (pl.col("origin") == "this dataset"))
    assert ours.height == len(by_size)
    for row in ours.iter_rows(named=True):
        values = by_size[row["machine"] == "eagle-gpu", row["size"]]
        assert row["energy_per_datum_j"] == pytest.approx(statistics.median(values), rel=1e-6)
        if len(values) > 1:
            low, _, high = statistics.quantiles(values, n=4, method="inclusive")
            assert (row["lower_j"], row["upper_j"]) == pytest.approx((low, high), rel=1e-6)


def test_quality_control_of_the_case_is_the_published_one(case: ReportData, shared: Path) -> None:
    own = shared / "reference" / "butter_e_case" / "published_pipeline" / "runs_with_energy.parquet"
    runs = pl.read_parquet(own)
    table = load_figure("paper-qc-run-time").compute(case)
    assert table["n"].sum() == runs.height
    assert table.filter(pl.col("state") == "removed")["n"].sum() == runs["filter"].sum()
    assert set(table["limit"]) == {75_000.0}
    edges = table.sort("run_time_s_from")
    assert edges["run_time_s_from"][0] == pytest.approx(runs["run_time"].min())
    assert edges["run_time_s_to"][-1] == pytest.approx(runs["run_time"].max())


def test_iso_losses_of_the_case_follow_its_curves(case: ReportData) -> None:
    table = load_figure("paper-iso-loss").compute(case)
    curves = table.filter((pl.col("kind") == "curve") & (pl.col("origin") == "this dataset"))
    assert curves["network"].n_unique() >= 1
    # A lower loss on one network takes more energy.
    for group in curves.sort("rank").partition_by("machine", "network", "size"):
        assert group["energy_j"].is_sorted(descending=True)
        assert group["loss"].is_sorted()
    theirs = table.filter(pl.col("origin") == "published")
    assert set(theirs["dataset"]) <= {"201_pol", "mnist"}
    gpu = theirs.filter(pl.col("machine") == "eagle-gpu")
    # Along one network, energy over FLOPs is one number.
    for group in gpu.partition_by("network", "n_parameters"):
        ratio = (group["energy_j"] / group["flops"]).to_numpy()
        assert np.ptp(ratio) / ratio.mean() < 1e-4


def test_published_minima_and_model_errors_are_read_as_published(case: ReportData, shared: Path) -> None:
    minima = load_figure("paper-minima").compute(case).filter(pl.col("origin") == "published")
    totals = minima.group_by("machine", "working_set").agg(pl.col("n").sum(), pl.col("share").sum())
    assert set(totals["n"]) == {1850}
    assert totals["share"].to_list() == pytest.approx([1.0] * 6)
    given = replace(case, model_path=Path("butter-e"))
    errors = load_figure("paper-model-error").compute(given).filter(pl.col("origin") == "published")
    for machine, n, mean, sd in [("eagle-cpu", 18007, 1.037, 0.274), ("eagle-gpu", 12207, 1.003, 0.079)]:
        rows = errors.filter(pl.col("machine") == machine)
        assert rows["n"].sum() == n
        assert rows["ratio_mean"][0] == pytest.approx(mean, abs=1e-3)
        assert rows["ratio_sd"][0] == pytest.approx(sd, abs=1e-3)


def test_every_published_table_can_be_read(shared: Path) -> None:
    published = Published(shared / "reference" / "figures")
    read = {name: published.table(name) for name in COLUMNS}
    assert [name for name, table in read.items() if table is None] == ["ai_energy_co2_cpu_gpu_trends"]
