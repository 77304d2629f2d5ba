"""Datasets to report on, written once."""

from pathlib import Path

import polars as pl
import pytest

from wattlas.model import EnergyModel
from wattlas.model.points import read_points_file
from wattlas.report import ReportData, load_report_data
from wattlas.testing.tables import make_tables, write_tables

TWO = {"digits": (1797, 64, 10), "wine": (178, 13, 3)}


def _write(directory: Path, **options: object) -> Path:
    return write_tables(make_tables(log2_sizes=(8, 12, 16), **options), directory)  # type: ignore[arg-type]


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
    return write_tables(tables, tmp_path_factory.mktemp("mixed"))


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
