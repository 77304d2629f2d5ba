"""The import against the reference case: the published pipeline's outputs, and the known energies."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wattlas.dataset.butter_e.importer import ImportOptions, import_butter_e
from wattlas.dataset.butter_e.published_join import ERRORS
from wattlas.dataset.tables import load_tables


@pytest.fixture(scope="module")
def case(shared: Path) -> Path:
    return shared / "reference" / "butter_e_case"


@pytest.fixture(scope="module")
def compatible(case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("import") / "compatible"
    import_butter_e(case / "inputs", dest, ImportOptions(upstream_compatible=True))
    return dest


@pytest.fixture(scope="module")
def default(case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("import") / "default"
    import_butter_e(case / "inputs", dest)
    return dest


def published(case: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(case / "published_pipeline" / f"{name}.parquet")


def same(ours: pl.Series, theirs: pl.Series, relative: float) -> None:
    assert ours.null_count() == 0
    np.testing.assert_allclose(ours.cast(pl.Float64), theirs.cast(pl.Float64), rtol=relative, atol=0)


# The published pipeline.


def test_one_row_a_run_of_the_metadata(case: Path, compatible: Path) -> None:
    metadata = pl.read_csv(case / "inputs" / "butter_e_metadata.csv")
    runs = pl.read_parquet(compatible / "runs.parquet")
    left = metadata.filter(pl.col("batch") != "optimizer_energy_1_cpu")
    assert sorted(runs["run_id"]) == sorted(left["run_id"])
    assert json.loads((compatible / "import_report.json").read_text())["metadata"]["excluded_batch"] == 60


def test_published_energies_and_join_errors(case: Path, compatible: Path) -> None:
    runs = pl.read_parquet(compatible / "runs.parquet")
    both = published(case, "butter_e_metadata_join_energy").join(runs, on="run_id", how="left")
    same(both["energy_j"] / 3.6e6, both["energy"], 1e-9)
    failed = published(case, "butter_e_metadata_join_energy_error").join(runs, on="run_id", suffix="_ours")
    assert failed.height == 42
    assert failed["error_ours"].to_list() == failed["error"].to_list()
    assert failed["status"].replace_strict(ERRORS).to_list() == failed["error"].to_list()
    assert failed["energy_j"].null_count() == 42


def test_published_quality_flags(case: Path, compatible: Path) -> None:
    runs = pl.read_parquet(compatible / "runs.parquet")
    both = published(case, "runs_with_energy").join(runs, on="run_id", how="left")
    for name, flag in (
        ("filter_1", "long_run"),
        ("filter_2", "zero_energy"),
        ("filter_3", "run_time_outlier"),
    ):
        assert both["qc_flags"].list.contains(flag).to_list() == both[name].to_list()
    assert (both["qc_flags"].list.len() > 0).to_list() == both["filter"].to_list()
    np.testing.assert_allclose(both["run_time_deviation"], both["filter_3_stdevs"], rtol=1e-9, atol=1e-12)


def test_published_standardised_energies(case: Path, compatible: Path) -> None:
    runs = pl.read_parquet(compatible / "runs.parquet")
    theirs = published(case, "runs_with_standardized_energy")
    both = theirs.join(runs, on="run_id", how="left", suffix="_ours")
    for name, ours in (
        ("energy", "energy_j"),
        ("run_time", "run_time_s"),
        ("std_energy", "std_energy_j"),
        ("energy_overhead", "energy_overhead_j"),
        ("non_overhead_energy", "non_overhead_energy_j"),
        ("runtime_overhead", "runtime_overhead_s"),
        ("non_overhead_runtime", "non_overhead_run_time_s"),
        ("num_reps", "n_repetitions"),
        ("experiment_id", "butter_experiment_id"),
    ):
        same(both[ours], both[name], 1e-9)
    assert both["shape"].to_list() == both["shape_ours"].to_list()
    assert runs["non_overhead_energy_j"].count() == theirs.height == 440


# Curves are in curves.parquet; the rest of these is constant.
NOT_FEATURES = ("epoch", "zero", "zeros", "Metadata")


def test_published_features_are_all_there(case: Path, compatible: Path) -> None:
    theirs = published(case, "experiments").with_columns(pl.col("experiment_id").cast(pl.Int64))
    ours = pl.read_parquet(compatible / "published_experiments.parquet")
    assert ours.height == theirs.height == 315
    both = theirs.join(ours, on=["experiment_id", "has_gpu"], suffix="_ours", maintain_order="left")
    checked = 0
    for name, kind in theirs.schema.items():
        if name in (*NOT_FEATURES, "experiment_id", "has_gpu") or "quantile" in name:
            continue
        if kind == pl.String:
            assert both[f"{name}_ours"].to_list() == both[name].to_list(), name
        elif isinstance(kind, pl.List):
            np.testing.assert_allclose(both[f"{name}_ours"].explode(), both[name].explode(), rtol=1e-9)
        else:
            # Medians of energies are of 32-bit numbers.
            same(both[f"{name}_ours"], both[name], 1e-6 if kind == pl.Float32 else 1e-9)
        checked += 1
    assert checked == 106


def test_the_house_table_has_the_published_numbers(case: Path, compatible: Path) -> None:
    theirs = published(case, "experiments").with_columns(pl.col("experiment_id").cast(pl.String))
    ours = load_tables(compatible).experiments
    both = theirs.join(ours, on=["experiment_id", "has_gpu"], how="left", suffix="_ours")
    same(both["energy_per_datum_j"], both["energy_per_training_datum"], 1e-9)
    same(both["flops_per_datum"], both["flops_per_training_datum"], 1e-9)
    order = {False: ["L1", "L2", "L3", "RAM"], True: ["L1", "L2", "RAM"]}
    for set_, name in (("f", "fwd_pass"), ("b", "bwd_pass"), ("d", "epoch")):
        named = [order[g][k - 1] for g, k in both.select("has_gpu", f"{name}_working_set_cache_level").rows()]
        assert both[f"ws_{set_}_level"].to_list() == named


# The default, against the truth.


@pytest.fixture(scope="module")
def against_truth(case: Path, default: Path) -> pl.DataFrame:
    truth = pl.read_parquet(case / "truth" / "runs.parquet").rename({"energy_j": "true_j"}).drop("is_gpu")
    runs = pl.read_parquet(default / "runs.parquet").drop("node")
    both = runs.join(truth, on="run_id").filter(pl.col("energy_j").is_not_null())
    return both.with_columns(
        ((pl.col("energy_j") - pl.col("true_j")) / pl.col("u_energy_j")).alias("z"),
        (pl.col("energy_j") / pl.col("true_j") - 1).alias("error"),
    )


def test_uncertainties_cover_the_truth(against_truth: pl.DataFrame) -> None:
    z = against_truth["z"].to_numpy()
    assert len(z) == 586
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.1
    assert 0.925 < np.mean(np.abs(z) < 1.96) < 0.98


@pytest.mark.parametrize(
    ("low_s", "high_s", "rms", "lowest", "highest"),
    [
        (0, 300, 0.02, 0.6, 1.2),
        (300, 1800, 0.005, 0.8, 1.3),
        (1800, 7200, 0.002, 0.8, 1.2),
        (7200, 1e6, 0.0009, 0.7, 1.2),
    ],
)
def test_uncertainties_by_length_of_run(
    against_truth: pl.DataFrame, low_s: float, high_s: float, rms: float, lowest: float, highest: float
) -> None:
    own = against_truth.filter(pl.col("run_time_s").is_between(low_s, high_s))
    assert own.height >= 80
    assert np.sqrt(own["error"].pow(2).mean()) < rms
    assert lowest < np.sqrt(own["z"].pow(2).mean()) < highest


def test_short_runs_are_not_trusted_as_long_ones(against_truth: pl.DataFrame) -> None:
    relative = pl.col("u_energy_j") / pl.col("energy_j")
    short = against_truth.filter(pl.col("run_time_s") < 150).select(relative.median()).item()
    long = against_truth.filter(pl.col("run_time_s") > 20_000).select(relative.median()).item()
    assert short > 30 * long


def test_planted_zeros_are_flagged_and_do_no_harm(against_truth: pl.DataFrame) -> None:
    zeros = against_truth.filter(pl.col("planted_defect").is_in(["zero", "edge_zero"]))
    assert zeros.height == 11
    assert zeros["qc_flags"].list.contains("zero_power").all()
    assert zeros["z"].abs().max() < 4


def test_planted_durations_are_outliers(against_truth: pl.DataFrame) -> None:
    planted = against_truth.filter(pl.col("planted_duration") != "")
    assert planted["qc_flags"].list.contains("run_time_outlier").sum() >= 6
    rest = against_truth.filter(pl.col("planted_duration") == "")
    assert rest["qc_flags"].list.contains("run_time_outlier").mean() < 0.01


def test_interleaved_nodes_are_told_apart(case: Path, compatible: Path, against_truth: pl.DataFrame) -> None:
    mixed = against_truth.filter(pl.col("file_layout") == "interleaved")
    slip = pl.read_parquet(compatible / "runs.parquet").select("run_id", pl.col("energy_j").alias("slip_j"))
    both = mixed.join(slip, on="run_id").drop_nulls("slip_j")
    assert both.select((pl.col("slip_j") / pl.col("true_j")).mean()).item() > 1.5
    assert both["error"].abs().mean() < 0.01


def test_node_effects_are_recovered(case: Path, default: Path) -> None:
    truth = pl.read_csv(case / "truth" / "nodes.csv")
    nodes = pl.read_parquet(default / "nodes.parquet").join(truth, on="node")
    used = nodes.filter(pl.col("offset_w").is_not_null())
    reference = pl.when("has_gpu").then(374.0).otherwise(220.0)
    true_w = (pl.col("idle_true") - reference).alias("true_w")
    error = used.select((pl.col("offset_w") - true_w).pow(2).mean().sqrt()).item()
    by_type = used.select((-pl.col("power_offset_w") - true_w).pow(2).mean().sqrt()).item()
    assert error < 1.3 < 4 < by_type
    # Nodes of the case have no gain of their own.
    assert (used["scale"] - 1).abs().median() < 0.01
    z = used.select(((pl.col("offset_w") - true_w) / pl.col("u_offset_w")).pow(2).mean().sqrt()).item()
    assert 0.2 < z < 1.5


def test_held_out_spread_between_nodes_is_lower(default: Path) -> None:
    report = json.loads((default / "import_report.json").read_text())["standardisation"]
    assert {kind: fit["reference"] for kind, fit in report.items()} == {"cpu": "cpu1", "gpu": "gpu1"}
    assert report["cpu"]["held_out_spread_w"]["ours"] < 0.7 * report["cpu"]["held_out_spread_w"]["published"]
    assert report["gpu"]["held_out_spread_w"]["ours"] < 0.95 * report["gpu"]["held_out_spread_w"]["published"]


def test_start_up_is_what_it_is(case: Path, default: Path) -> None:
    truth = pl.read_parquet(case / "truth" / "runs.parquet")
    report = json.loads((default / "import_report.json").read_text())
    for kind, gpu in (("cpu", False), ("gpu", True)):
        true_s = truth.filter(pl.col("is_gpu") == gpu)["startup_s"].mean()
        assert report["overhead"][kind]["run_time_s"] == pytest.approx(true_s, rel=0.02)
    assert report["start_up"]["cpu"]["duration_s"] == pytest.approx(55.05, abs=1.5)
    assert report["start_up"]["gpu"] is None
    assert report["reading"]["is"] == "instantaneous"
    assert report["reading"]["told_from_ends_of_runs"] > 50
