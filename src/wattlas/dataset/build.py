"""From a run store to a dataset: the same tables, whole, with the experiments computed."""

import json
from pathlib import Path

import polars as pl

import wattlas
from wattlas.core.errors import StoreError
from wattlas.dataset.directory import check_dest, whole_directory, write_table
from wattlas.dataset.experiments import experiments_table
from wattlas.dataset.machines import machines_of
from wattlas.dataset.schema import EXPERIMENTS, SCHEMA_VERSION, TABLES
from wattlas.dataset.store import RunStore
from wattlas.dataset.tables import Tables, load_tables


def build(store_path: Path, dest: Path, force: bool = False) -> Tables:
    """Make a dataset in `dest` from the store; `dest` is complete or absent, never in between.

    Raises:
        StoreError: there is no store or no run in it, `dest` is there and `force` is False, or the disk is
        full.
    """
    dest = Path(dest)
    store = RunStore(Path(store_path))
    check_dest(dest, force)
    runs = store.read("runs").sort_by([("start_utc", "ascending"), ("run_id", "ascending")])
    if runs.num_rows == 0:
        raise StoreError(f"{store.path} has no runs yet; run a sweep into it with 'wattlas sweep run'")
    nodes = store.read("nodes")
    frame = pl.from_arrow(runs)
    node_frame = pl.from_arrow(nodes)
    assert isinstance(frame, pl.DataFrame)
    assert isinstance(node_frame, pl.DataFrame)
    experiments = experiments_table(frame, machines_of(node_frame)).to_arrow().cast(EXPERIMENTS)
    made = {"runs": runs, "nodes": nodes, "experiments": experiments}
    with whole_directory(dest) as temporary:
        for name in TABLES:
            table = made.get(name)
            write_table(store.read(name) if table is None else table, temporary / f"{name}.parquet")
        about = {
            "format": "wattlas dataset",
            "schema_version": SCHEMA_VERSION,
            "wattlas_version": wattlas.__version__,
            "sources": sorted(set(runs["source"].to_pylist())),
        }
        (temporary / "dataset.json").write_text(json.dumps(about))
    return load_tables(dest)
