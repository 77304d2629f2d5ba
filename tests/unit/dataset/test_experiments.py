"""The experiments table: medians of like runs only, and what follows from the network."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattlas.core.errors import StoreError
from wattlas.dataset.build import build
from wattlas.dataset.experiments import experiments_table
from wattlas.dataset.machines import machine_from_json, machines_of
from wattlas.dataset.schema import EXPERIMENTS, RUNS
from wattlas.dataset.store import RunStore
from wattlas.dataset.tables import load_tables
from wattlas.hardware.machine import CacheLevel, Gpu, Machine, Processor

MACHINE = Machine(
    name="here",
    processors=(Processor("p", 1, 2),),
    caches=(CacheLevel("L1", 1, "data", 32768, 2), CacheLevel("L2", 2, "unified", 1 << 20, 2)),
    memory_bytes=1 << 30,
    gpus=(Gpu("g", 1, 1 << 30, (CacheLevel("RAM", 1, "memory", 1 << 30, 1),)),),
    provenance={"caches": "made up"},
)


def run(i: int, **changes: Any) -> dict[str, Any]:
    return {
        "run_id": f"run{i}",
        "experiment_id": "e",
        "status": "done",
        "dataset": "d",
        "shape": "rectangle",
        "depth": 2,
        "size": 64,
        "n_parameters": 36,
        "widths": [5, 1],
        "n_inputs": 5,
        "n_outputs": 1,
        "n_observations": 100,
        "n_train_batches": 3,
        "n_test_batches": 1,
        "loss": "mean_squared_error",
        "batch_size": 32,
        "epochs": 10,
        "learning_rate": 1e-4,
        "epsilon": 1e-7,
        "epsilon_convention": "keras",
        "engine": "numpy",
        "machine": "here",
        "source": "measured",
        "domain": "node",
        "energy_j": 100.0 + i,
        "u_energy_j": 3.0,
        "duration_s": 2.0,
        "final_test_loss": 0.5,
        "best_test_loss": 0.4,
        **changes,
    }


def table(*runs: dict[str, Any]) -> pl.DataFrame:
    import pyarrow as pa

    frame = pl.from_arrow(pa.Table.from_pylist(list(runs), schema=RUNS))
    assert isinstance(frame, pl.DataFrame)
    return experiments_table(frame, {"here": MACHINE})


def test_medians_quartiles_and_uncertainty() -> None:
    rows = table(*(run(i) for i in range(5))).rows(named=True)
    assert len(rows) == 1
    row = rows[0]
    assert list(row) == EXPERIMENTS.names
    assert (row["n_runs"], row["energy_j"], row["energy_q25_j"], row["energy_q75_j"]) == (
        5,
        102.0,
        101.0,
        103.0,
    )
    scatter = 1.2533 * math.sqrt(2.5) / math.sqrt(5)
    assert row["u_energy_j"] == pytest.approx(math.hypot(3.0, scatter))
    assert row["mean_power_w"] == 51.0
    assert row["energy_per_datum_j"] == pytest.approx(102.0 / (10 * 3 * 32))
    assert row["u_energy_per_datum_j"] == pytest.approx(row["u_energy_j"] / 960)


def test_one_run_has_the_instruments_uncertainty() -> None:
    assert table(run(0))["u_energy_j"].to_list() == [3.0]


@pytest.mark.parametrize(
    "difference",
    [{"source": "modelled"}, {"machine": "there"}, {"domain": "package-0"}, {"experiment_id": "f"}],
)
def test_unlike_runs_never_share_a_row(difference: dict[str, str]) -> None:
    rows = table(run(0), run(1, **difference))
    assert rows.height == 2
    assert rows["n_runs"].to_list() == [1, 1]


def test_only_done_runs_make_the_median_and_diverged_ones_are_counted() -> None:
    failed = run(3, status="failed", energy_j=None, u_energy_j=None, duration_s=None)
    rows = table(run(0), run(1, status="diverged", energy_j=1.0), failed)
    assert rows.select("n_runs", "n_diverged", "energy_j").rows() == [(1, 1, 100.0)]


def test_network_facts_and_levels() -> None:
    row = table(run(0)).rows(named=True)[0]
    assert row["ws_l_bytes"] == 4 * 32 * (5 + 5)
    assert row["ws_f_bytes"] == row["ws_l_bytes"] + 4 * 36
    assert row["forward_flops"] == 5 * 5 + 5 + 5 * 1 + 1
    assert row["ws_l_level"] == "L1"
    big = table(run(0, widths=[300, 300, 1], n_inputs=5, depth=3)).rows(named=True)[0]
    assert big["ws_b_level"] == "L2"
    assert table(run(0, machine="unknown"))["ws_l_level"].to_list() == [None]


def test_a_machine_goes_through_json_and_back() -> None:
    text = json.dumps(asdict(MACHINE))
    assert machine_from_json(text) == MACHINE
    nodes = pl.DataFrame({"machine": ["here"], "machine_json": [text], "date": ["2026-01-01"]})
    assert machines_of(nodes) == {"here": MACHINE}


def test_build_refuses_what_it_must_not_replace(tmp_path: Path) -> None:
    RunStore(tmp_path / "store", create=True)
    with pytest.raises(StoreError, match="has no runs yet"):
        build(tmp_path / "store", tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("words")
    with pytest.raises(StoreError, match="is no dataset"):
        build(tmp_path / "store", mine, force=True)
    with pytest.raises(StoreError, match=r"has no runs\.parquet"):
        load_tables(mine)
