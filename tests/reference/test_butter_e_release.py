"""The made-up release has the formats of the reference case, file by file."""

import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from wattlas.testing.butter_e_release import write_release


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("release") / "made-up"
    write_release(dest, runs=100)
    return dest / "inputs"


@pytest.fixture(scope="module")
def case(shared: Path) -> Path:
    return shared / "reference" / "butter_e_case" / "inputs"


def test_the_same_files(made_up: Path, case: Path) -> None:
    assert sorted(p.name for p in made_up.iterdir()) == sorted(p.name for p in case.iterdir())


@pytest.mark.parametrize(
    "name", ["butter_e_metadata.csv", "node_power_dist.csv", "node_sinfo.csv", "pmlb.csv"]
)
def test_tables_parse_alike(made_up: Path, case: Path, name: str) -> None:
    ours, theirs = (pl.read_csv(folder / name, infer_schema_length=None) for folder in (made_up, case))
    assert ours.schema == theirs.schema
    assert (made_up / name).read_bytes().count(b"\r") == (case / name).read_bytes().count(b"\r") == 0


def test_metadata_cells_are_written_alike(made_up: Path, case: Path) -> None:
    ours, theirs = (pl.read_csv(folder / "butter_e_metadata.csv") for folder in (made_up, case))
    moment = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00$"
    uuid = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    for table in (ours, theirs):
        for column in ("start_time", "update_time", "end_time"):
            assert table[column].str.contains(moment).all()
        for column in ("run_id", "experiment_id"):
            assert table[column].str.contains(uuid).all()
        assert table["run_id"].n_unique() == table.height
        assert table["end_time"].min() > table["update_time"].max()  # type: ignore[operator]
    keys = {tuple(json.loads(text)) for table in (ours, theirs) for text in table["run_data"]}
    assert len(keys) == 1
    assert set(theirs["batch"]) == set(ours["batch"])
    assert set(theirs["learning_rate"]) == set(ours["learning_rate"])
    raw = [(folder / "butter_e_metadata.csv").read_text() for folder in (made_up, case)]
    assert all(text.count(",Adam,True,") and text.count(",0.0001,256,") for text in raw)


def test_samples_are_written_alike(made_up: Path, case: Path) -> None:
    for folder in (made_up, case):
        for path in (folder / "butter_e_energy").iterdir():
            table = pl.read_csv(path)
            assert path.stem.isdecimal()
            assert dict(table.schema) == {"timestamp": pl.String, "node": pl.String, "watts": pl.Int64}
            assert table["timestamp"].str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$").all()


def test_nodes_are_the_published_types(made_up: Path, case: Path) -> None:
    kinds = []
    for folder in (made_up, case):
        lines = (folder / "node_sinfo.csv").read_text().splitlines()
        kinds.append({line.split(", ", 1)[1] for line in lines})
    assert kinds[0] == kinds[1]


def test_pmlb_facts_are_the_same(made_up: Path, case: Path) -> None:
    ours, theirs = (sorted((folder / "pmlb.csv").read_text().splitlines()) for folder in (made_up, case))
    assert ours == theirs


def test_summaries_have_the_same_schema_and_keys(made_up: Path, case: Path) -> None:
    schemas, keys = [], []
    for folder in (made_up, case):
        paths = sorted((folder / "summary_by_epoch").rglob("*.parquet"))
        schemas += [pl.read_parquet_schema(path) for path in paths]
        keys += [
            [part.split("=")[0] for part in path.relative_to(folder / "summary_by_epoch").parts]
            for path in paths
        ]
        assert all(pq.ParquetFile(path).metadata.num_rows for path in paths)
    assert all(schema == schemas[-1] for schema in schemas)
    assert all(key == keys[-1] for key in keys)
