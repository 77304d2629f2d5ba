"""`wattlas dataset validate` and `publish`: what they print, and how they exit."""

import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from wattlas.cli.main import main
from wattlas.dataset.schema import TABLES
from wattlas.testing.tables import make_tables, write_tables


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    tables = make_tables(
        datasets={"digits": (1797, 64, 10)}, depths=(2,), log2_sizes=(8,), shapes=("rectangle",)
    )
    return write_tables(tables, tmp_path / "dataset")


def spoil(dataset: Path) -> str:
    path = dataset / "channels.parquet"
    frame = pl.read_parquet(path)
    bad = frame.with_columns(
        energy_j=pl.when(pl.col("contained_in").is_null()).then("energy_j").otherwise(-1.0)
    )
    pq.write_table(bad.to_arrow().cast(TABLES["channels"]), path)
    return str(frame["run_id"][0])


def test_a_valid_dataset(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "validate", str(dataset)]) == 0
    assert capsys.readouterr().out.startswith(f"{dataset}: valid; ")
    assert main(["dataset", "validate", str(dataset), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["valid"] is True
    assert {check["broken"] for check in printed["checks"]} == {0}
    assert all({"rule", "severity", "broken", "examples"} <= set(check) for check in printed["checks"])


def test_an_invalid_dataset(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = spoil(dataset)
    assert main(["dataset", "validate", str(dataset)]) == 1
    streams = capsys.readouterr()
    assert streams.out.startswith("error: energy: 2 of ")
    assert run_id in streams.out
    assert len(streams.err.splitlines()) == 1
    assert "breaks 1 of" in streams.err
    assert main(["dataset", "validate", str(dataset), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["valid"] is False
    (check,) = (check for check in printed["checks"] if check["broken"])
    assert (check["rule"], check["severity"], check["broken"]) == ("energy", "error", 2)
    assert run_id in check["examples"]
    assert main(["dataset", "publish", str(dataset), str(dataset.parent / "r"), "--force"]) == 1
    assert "breaks the rule energy" in capsys.readouterr().err
    assert not (dataset.parent / "r").exists()


def test_no_dataset_and_a_damaged_file_are_one_line(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "validate", str(tmp_path / "absent")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    (dataset / "epochs.parquet").write_bytes(b"damaged")
    assert main(["dataset", "validate", str(dataset)]) == 1
    streams = capsys.readouterr()
    assert len(streams.out.splitlines()) == len(streams.err.splitlines()) == 1
    assert "readable: 1 of 6" in streams.out
    assert "epochs.parquet" in streams.out


def test_publish_and_validate_what_was_published(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dest = tmp_path / "release"
    arguments = ["dataset", "publish", str(dataset), str(dest), "--license", "CC-BY-4.0", "--creator", "Ada"]
    assert main(arguments) == 0
    assert "2 runs, 11 files; valid" in capsys.readouterr().err
    document = json.loads((dest / "croissant.json").read_text())
    assert (document["name"], document["license"]) == ("test", "CC-BY-4.0")
    assert main(["dataset", "validate", str(dest)]) == 0
    assert main(arguments) == 1
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force", "--anonymise-nodes"]) == 0
    sheet = dest / "README.md"
    sheet.write_bytes(sheet.read_bytes().replace(b"Ada", b"Bob"))
    assert main(["dataset", "validate", str(dest), "--json"]) == 1
    capsys.readouterr()
    assert main(["dataset", "validate", str(dest)]) == 1
    assert "(README.md)" in capsys.readouterr().out


def test_a_release_without_a_licence_says_so(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "publish", str(dataset), str(tmp_path / "r")]) == 0
    assert "--license" in capsys.readouterr().err
    assert "license" not in json.loads((tmp_path / "r" / "croissant.json").read_text())
    assert "None is stated" in (tmp_path / "r" / "README.md").read_text()
