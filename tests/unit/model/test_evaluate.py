import json

import numpy as np
import polars as pl
import pytest

from wattlas.core.errors import ModelError, UsageError
from wattlas.dataset.machines import machine_from_json
from wattlas.model import evaluate
from wattlas.model.evaluate import metrics
from wattlas.testing.tables import MACHINE_JSON, make_tables

KEYS = ("mape", "median_ape", "log_sd", "bias", "coverage_95", "n")


@pytest.fixture(scope="module")
def by_dataset(noisy: pl.DataFrame) -> dict[str, dict[str, object]]:
    return evaluate(noisy, "dataset")


def test_errors_are_the_noise_and_baselines_are_worse(by_dataset: dict[str, dict[str, object]]) -> None:
    for errors in by_dataset.values():
        assert all(key in errors for key in KEYS)
        assert 0.03 < errors["mape"] < 0.08  # 5 % noise has a mean absolute error of 4 %
        assert 0.88 < errors["coverage_95"] <= 1.0
        assert abs(errors["bias"]) < 0.05
        for name in ("flops", "parameters"):
            assert errors["baselines"][name]["mape"] > 2 * errors["mape"]
        assert sum(group["n"] for group in errors["groups"].values()) == errors["n"]
    json.dumps(by_dataset, allow_nan=False)


def test_groups_are_in_the_order_of_their_values(noisy: pl.DataFrame) -> None:
    own = noisy.filter(pl.col("machine") == "eagle-cpu")
    assert list(evaluate(own, "depth")["eagle-cpu"]["groups"]) == ["2", "4", "10"]


def test_power_times_time_is_a_baseline_where_there_are_durations() -> None:
    points = make_tables(with_epochs=False)["experiments"]
    errors = evaluate(points, "shape", {"bench": machine_from_json(MACHINE_JSON)})["bench"]
    # 65 W of TDP, and 50 W in the tables: 30 % too much, for every network.
    assert errors["baselines"]["tdp_time"]["mape"] == pytest.approx(0.3, rel=1e-6)
    assert errors["mape"] < 0.05


def test_a_machine_from_another(noisy: pl.DataFrame) -> None:
    errors = evaluate(noisy, "machine")
    assert set(errors) == {"eagle-cpu", "eagle-gpu"}
    assert errors["eagle-cpu"]["coverage_95"] > 0.9
    with pytest.raises(ModelError, match="one machine only"):
        evaluate(noisy.filter(pl.col("machine") == "eagle-cpu"), "machine")


def test_one_group_leaves_nothing_to_fit(noisy: pl.DataFrame) -> None:
    gpu, mnist = pl.col("machine") == "eagle-gpu", pl.col("dataset") == "mnist"
    errors = evaluate(noisy.filter(gpu | mnist).filter(pl.col("depth") == 4), "dataset")
    assert errors["eagle-cpu"]["n"] == 0
    assert errors["eagle-cpu"]["mape"] is None
    assert "of dataset mnist" in errors["eagle-cpu"]["reason"]
    assert errors["eagle-gpu"]["n"] > 0
    with pytest.raises(ModelError, match="nothing could be held out: all"):
        evaluate(noisy.filter(mnist), "dataset")


def test_usage(noisy: pl.DataFrame) -> None:
    with pytest.raises(UsageError, match="no column 'colour'; group by one of dataset, shape, depth"):
        evaluate(noisy, "colour")
    with pytest.raises(UsageError, match="--allow-modelled"):
        evaluate(noisy.with_columns(source=pl.lit("modelled")), "dataset")


def test_metrics_by_hand() -> None:
    observed = np.array([1.0, 1.0, 1.0, 1.0])
    predicted = np.exp(np.array([0.1, -0.1, 0.1, -0.1]))
    result = metrics(observed, predicted, predicted / 1.05, predicted * 1.2)
    assert result["bias"] == pytest.approx(0.0, abs=1e-12)
    assert result["log_sd"] == pytest.approx(0.1 * np.sqrt(4 / 3))
    assert result["mape"] == pytest.approx((np.expm1(0.1) - np.expm1(-0.1)) / 2)
    assert result["coverage_95"] == 0.5
    assert metrics(observed[:1], predicted[:1])["log_sd"] is None
