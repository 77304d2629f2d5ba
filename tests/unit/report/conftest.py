"""Datasets to report on, written once."""

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wattlas.model import EnergyModel
from wattlas.model.points import read_points_file
from wattlas.report import ReportData, load_report_data
from wattlas.testing.tables import make_tables, write_tables

TWO = {"digits": (1797, 64, 10), "wine": (178, 13, 3)}


def with_quality_control(directory: Path) -> Path:
    """The dataset, its runs given an import's columns: deviations 0, 0.5 … 4.5; above 4 they are removed."""
    path = directory / "runs.parquet"
    runs = pq.read_table(path)
    deviation = [0.5 * (i % 10) for i in range(runs.num_rows)]
    removed = [d > 4 for d in deviation]
    columns = {
        "run_time_deviation": pa.array(deviation, pa.float64()),
        "qc_flags": pa.array([["run_time_outlier"] if r else [] for r in removed], pa.list_(pa.string())),
        "excluded": pa.array(["qc" if r else None for r in removed], pa.string()),
    }
    for name, values in columns.items():
        runs = runs.append_column(name, values)
    pq.write_table(runs, path)
    limits = {"limits": {"max_run_time_s": 75_000.0, "max_deviation": 4.0}}
    (directory / "import_report.json").write_text(json.dumps(limits))
    return directory


def _write(directory: Path, **options: object) -> Path:
    tables = make_tables(log2_sizes=(8, 12, 16), **options)  # type: ignore[arg-type]
    return with_quality_control(write_tables(tables, directory))


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("measured"), datasets=TWO)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measured and modelled energies of the same experiments, the modelled ones run once."""
    parts = [
        make_tables(log2_sizes=(8, 12, 16), datasets={"digits": TWO["digits"]}, source=source, repetitions=n)
        for source, n in (("measured", 2), ("modelled", 1))
    ]
    tables = {name: pl.concat([part[name] for part in parts]) for name in parts[0]}
    return with_quality_control(write_tables(tables, tmp_path_factory.mktemp("mixed")))


@pytest.fixture(scope="session")
def model(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    read = read_points_file(measured)
    path = tmp_path_factory.mktemp("model") / "model.json"
    EnergyModel(machines=read.machines).fit(read.points).save(path)
    return path


@pytest.fixture(scope="session")
def data(measured: Path, model: Path) -> ReportData:
    return load_report_data(measured, model)


@pytest.fixture(scope="session")
def mixed_data(mixed: Path, model: Path) -> ReportData:
    return load_report_data(mixed, model)
