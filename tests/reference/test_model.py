"""The energy model on the published BUTTER-E points and medians."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wattlas.model import EnergyModel, evaluate, load_model, read_points, shipped_models
from wattlas.model.butter_e import butter_e
from wattlas.model.features import features
from wattlas.model.grid import grid_points
from wattlas.networks.tasks import PAPER_TASKS


@pytest.fixture(scope="module")
def points(shared: Path) -> pl.DataFrame:
    return read_points(shared / "reference" / "butter_e_points.csv")


@pytest.fixture(scope="module")
def curves(shared: Path) -> pl.DataFrame:
    return pl.read_csv(shared / "reference" / "figures" / "3_figures.csv")


def test_parameter_counts_are_the_published_ones(points: pl.DataFrame) -> None:
    np.testing.assert_array_equal(features(points).n_parameters, points["n_parameters"].to_numpy())


def test_held_out_sizes(points: pl.DataFrame) -> None:
    """Fifths of the sizes left out; the noise floor is 1.6 % on GPU, and CPU points scatter more."""
    model = EnergyModel().fit(points)
    assert model.machines_["eagle-gpu"].held_out["mape"] < 0.035
    assert model.machines_["eagle-cpu"].held_out["mape"] < 0.13
    observed = points["energy_per_datum_j"].to_numpy()
    p = model.predict_interval(points)
    assert ((p.lower_j < observed) & (observed < p.upper_j)).mean() > 0.9
    assert not p.extrapolated.any()


def test_held_out_datasets(points: pl.DataFrame) -> None:
    """From one family alone to the other, depth and inputs unseen: better than what knows no layers."""
    result = evaluate(points, "dataset")
    gpu = result["eagle-gpu"]
    assert gpu["mape"] < 0.2
    assert gpu["coverage_95"] > 0.9
    assert all(gpu["mape"] < gpu["baselines"][name]["mape"] for name in ("flops", "parameters"))
    assert result["eagle-cpu"]["n"] == 0


def test_the_shipped_model(points: pl.DataFrame) -> None:
    assert "butter-e" in shipped_models()
    model = load_model("butter-e")
    p = model.predict_interval(points)
    observed = points["energy_per_datum_j"].to_numpy()
    gpu = (points["machine"] == "eagle-gpu").to_numpy()
    error = np.abs(p.energy_j / observed - 1)
    assert error[gpu].mean() < 0.025
    assert error[~gpu].mean() < 0.1
    assert ((p.lower_j < observed) & (observed < p.upper_j)).mean() > 0.9
    assert not p.extrapolated.any()


@pytest.mark.parametrize("hardware", ["cpu", "gpu"])
def test_the_shipped_model_gives_the_published_medians(curves: pl.DataFrame, hardware: str) -> None:
    tasks = [task for task in PAPER_TASKS.values() if task.name != "505_tecator"]
    grid = grid_points(f"eagle-{hardware}", tasks, tolerance=0.2)
    predicted = grid.with_columns(energy=pl.Series(load_model("butter-e").predict(grid)))
    by_size = dict(predicted.group_by("log2_size").agg(pl.col("energy").median()).rows())
    rows = curves.filter(
        (pl.col("panel") == "b") & (pl.col("series") == "median") & (pl.col("hardware") == hardware)
    )
    error = [abs(by_size[round(np.log2(row["x"]))] / row["y"] - 1) for row in rows.iter_rows(named=True)]
    assert len(error) == 20
    assert np.mean(error) < (0.08 if hardware == "cpu" else 0.025)


@pytest.mark.slow
def test_the_shipped_model_is_what_its_script_makes(
    points: pl.DataFrame, curves: pl.DataFrame, tmp_path: Path
) -> None:
    made = butter_e(points, curves, ["eagle-gpu"])
    made.save(tmp_path / "made.json")
    document = json.loads((tmp_path / "made.json").read_text())
    shipped = load_model("butter-e").machines_["eagle-gpu"]
    assert document["machines"]["eagle-gpu"]["data"] == shipped.data
    for name, value in made.machines_["eagle-gpu"].values.items():
        assert shipped.values[name] == pytest.approx(value, rel=1e-3), name
