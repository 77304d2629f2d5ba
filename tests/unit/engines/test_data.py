"""Training data by name and from files."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wattlas.core.errors import DataError, UnknownNameError
from wattlas.engines.data import (
    BUNDLED_TASKS,
    PMLB_DIRECTORY,
    DataSource,
    data_names,
    data_task,
    load_training_data,
)

TABLE = {"a": [0.5, 1.0, 2.0, 3.0, 4.0], "b": ["x", "y", "x", "z", "y"], "target": [0, 1, 0, 1, 1]}


def write(path: Path, table: dict[str, list[object]]) -> Path:
    frame = pl.DataFrame(table)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(frame.write_csv(separator="\t").encode()))
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("name", sorted(BUNDLED_TASKS))
def test_facts_of_bundled_data_are_those_of_the_data(name: str) -> None:
    pytest.importorskip("sklearn")
    data, task = load_training_data(name), data_task(name)
    facts = (task.n_observations, task.n_inputs, task.n_outputs, task.loss)
    assert (data.n_observations, data.n_inputs, data.n_outputs, data.loss) == facts
    assert len(data.x_test) == task.n_test()
    assert data.x_train.min() >= 0
    assert data.x_train.max() <= 1


def test_the_split_is_by_its_own_seed_and_loses_no_row() -> None:
    pytest.importorskip("sklearn")
    first, again, other = (load_training_data("iris", seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert np.array_equal(first.x_test, again.x_test)
    whole = [np.concatenate([data.x_train, data.x_test]) for data in (first, other)]
    rows = [sorted(map(tuple, np.round(x, 6).tolist())) for x in whole]
    assert rows[0] == rows[1]
    # Shuffled before it is split: iris is sorted by class.
    assert first.y_test.sum(axis=0).all()


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.tsv.gz", "t.parquet"])
def test_every_format_gives_the_same_data(tmp_path: Path, name: str) -> None:
    source = DataSource("mine", write(tmp_path / name, TABLE))
    data = load_training_data(source, test_fraction=0.4)
    task = data_task({"name": "mine", "path": str(source.path)})
    # One-hot of five numbers and of three letters.
    assert (task.n_observations, task.n_inputs, task.n_outputs) == (5, 8, 1)
    assert (len(data.x_train), len(data.x_test), data.loss) == (3, 2, "binary_crossentropy")
    reference = DataSource("mine", write(tmp_path / "reference.csv", TABLE))
    assert data.fingerprint == load_training_data(reference, test_fraction=0.4).fingerprint


def test_pmlb_files_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PMLB_DIRECTORY, raising=False)
    with pytest.raises(DataError, match="is not set"):
        load_training_data("banana")
    monkeypatch.setenv(PMLB_DIRECTORY, str(tmp_path))
    with pytest.raises(DataError, match="does not exist"):
        load_training_data("banana")
    assert "banana" not in data_names()
    (tmp_path / "banana").mkdir()
    ramp = np.arange(50.0)
    table = {"At1": ramp, "At2": -ramp, "target": np.where(ramp % 2, 1.0, -1.0)}
    write(tmp_path / "banana" / "banana.tsv.gz", {k: v.tolist() for k, v in table.items()})
    assert "banana" in data_names()
    data = load_training_data("banana")
    assert (data.n_inputs, data.n_outputs, data.loss) == (2, 1, "binary_crossentropy")


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"a": [1, 2], "y": [1, 2]}, "no column 'target'; its columns are a, y"),
        ({"target": [1, 2]}, "no column beside the target"),
        ({"a": [1], "target": [1]}, "1 rows; at least 2"),
        ({"a": [1, None, 3], "target": [1, 2, 3]}, "'a' has 1 missing values, the first in row 1"),
    ],
    ids=["target", "features", "rows", "missing"],
)
def test_bad_tables_are_named(tmp_path: Path, table: dict[str, list[object]], match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_training_data(DataSource("mine", write(tmp_path / "t.parquet", table)))


def test_bad_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'iris'"):
        load_training_data("irish")
    with pytest.raises(DataError, match="no file"):
        load_training_data(DataSource("mine", tmp_path / "none.csv"))
    with pytest.raises(DataError, match="needs path"):
        load_training_data({"name": "mine"})
    with pytest.raises(UnknownNameError, match="key of a dataset"):
        load_training_data({"name": "mine", "path": "a", "taget": "b"})
    with pytest.raises(UnknownNameError, match="unknown loss"):
        DataSource("mine", "a", loss="hinge")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="none left to train on"):
        load_training_data(DataSource("mine", write(tmp_path / "t.csv", TABLE)), test_fraction=0.99)


def test_pixels_from_a_table_are_scaled_together(tmp_path: Path) -> None:
    table = {"p0": [0, 0, 0], "p1": [255, 0, 51], "target": ["cat", "dog", "cow"]}
    path = write(tmp_path / "t.csv", table)
    data = load_training_data(DataSource("mine", path, image=True), test_fraction=0)
    assert sorted(data.x_train[:, 1].tolist()) == pytest.approx([0, 0.2, 1])
    assert (data.n_inputs, data.n_outputs) == (2, 3)
    assert not data.x_train[:, 0].any()
