"""`wattlas report`: its files, what it refuses, and that it leaves nothing half-written."""

from pathlib import Path

import polars as pl
import pytest

from wattlas.cli.main import main
from wattlas.report import figure_names
from wattlas.testing.tables import make_tables, write_tables


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = make_tables(datasets={"digits": (1797, 64, 10)}, depths=(2,), log2_sizes=(8, 12))
    return write_tables(tables, tmp_path_factory.mktemp("campaign") / "dataset")


def test_the_page_is_one_file_named_after_the_campaign(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    assert main(["report", str(dataset), "-o", str(output)]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    text = output.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert f"<h1>{dataset.parent.name}</h1>" in text
    assert output.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("csv", b"dataset,")])
def test_one_figure_as_a_file(dataset: Path, tmp_path: Path, kind: str, start: bytes) -> None:
    output = tmp_path / f"figure.{kind}"
    assert main(["report", str(dataset), "--figure", "energy-per-datum", "-o", str(output)]) == 0
    assert output.read_bytes().startswith(start)
    if kind == "csv":
        assert set(pl.read_csv(output)["source"]) == {"measured"}


def test_force_overwrites(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report.html"
    output.write_text("mine")
    assert main(["report", str(dataset), "-o", str(output)]) == 2
    assert "exists; choose another path, or give --force" in capsys.readouterr().err
    assert output.read_text() == "mine"
    assert main(["report", str(dataset), "-o", str(output), "--force"]) == 0
    assert output.read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("options", "name", "status", "said"),
    [
        (["--figure", "energy"], "a.svg", 2, "unknown figure 'energy'"),
        (["--figure", "drift"], "a.gif", 2, "end it in .svg, .png or .csv"),
        (
            ["--figure", "model-error"],
            "a.csv",
            1,
            "nothing to draw for model-error: No energy model was given",
        ),
        (["--model", "no-such-model"], "a.html", 2, "unknown model or model file 'no-such-model'"),
        ([], "no-such-directory/a.html", 2, "give a file in a directory that exists"),
    ],
)
def test_what_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str],
    dataset: Path,
    tmp_path: Path,
    options: list[str],
    name: str,
    status: int,
    said: str,
) -> None:
    assert main(["report", str(dataset), "-o", str(tmp_path / name), *options]) == status
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_dataset(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "a.html")]) == 1
    assert "has no runs.parquet" in capsys.readouterr().err


def test_a_model_that_is_no_model(capsys: pytest.CaptureFixture[str], dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    output = tmp_path / "a.html"
    assert main(["report", str(dataset), "-o", str(output), "--model", str(tmp_path / "model.json")]) == 1
    assert "is no energy model" in capsys.readouterr().err
    assert not output.exists()


def test_help_names_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    listed = said.split("Figures: ")[1].split(".")[0].split(", ")
    assert sorted(listed) == sorted(figure_names())
