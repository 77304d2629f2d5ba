"""From a run store to a dataset: the same tables, whole, with the experiments computed."""

import json
import shutil
import uuid
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import wattlas
from wattlas.core.errors import StoreError
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
    if dest.exists() and not force:
        raise StoreError(f"{dest} is there already; replace it with --force, or give another directory")
    if dest.exists() and not _is_dataset(dest):
        raise StoreError(
            f"{dest} is there and is no dataset, so --force does not replace it; give another directory"
        )
    runs = store.read("runs").sort_by([("start_utc", "ascending"), ("run_id", "ascending")])
    if runs.num_rows == 0:
        raise StoreError(f"{store.path} has no runs yet; run a sweep into it with 'wattlas sweep run'")
    nodes = store.read("nodes")
    frame = pl.from_arrow(runs)
    node_frame = pl.from_arrow(nodes)
    assert isinstance(frame, pl.DataFrame)
    assert isinstance(node_frame, pl.DataFrame)
    experiments = experiments_table(frame, machines_of(node_frame)).to_arrow().cast(EXPERIMENTS)
    temporary = dest.with_name(f".{dest.name}.{uuid.uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        made = {"runs": runs, "nodes": nodes, "experiments": experiments}
        for name in TABLES:
            table = made.get(name)
            _write(store.read(name) if table is None else table, temporary / f"{name}.parquet")
        about = {
            "format": "wattlas dataset",
            "schema_version": SCHEMA_VERSION,
            "wattlas_version": wattlas.__version__,
            "sources": sorted(set(runs["source"].to_pylist())),
        }
        (temporary / "dataset.json").write_text(json.dumps(about))
        _swap(temporary, dest)
    except OSError as error:
        raise StoreError(
            f"{dest} could not be written ({error.strerror or error}); make room and try again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load_tables(dest)


def _is_dataset(directory: Path) -> bool:
    return directory.is_dir() and ((directory / "runs.parquet").is_file() or not any(directory.iterdir()))


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")


def _swap(temporary: Path, dest: Path) -> None:
    old = temporary.with_name(f"{temporary.name}.old")
    if dest.exists():
        dest.rename(old)
    temporary.rename(dest)
    shutil.rmtree(old, ignore_errors=True)
