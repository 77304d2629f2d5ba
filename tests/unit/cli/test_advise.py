"""`wattlas advise`: its table, its JSON and its errors."""

import json
from pathlib import Path

import polars as pl
import pytest

from wattlas.cli.main import main
from wattlas.testing.tables import make_tables, write_tables

DIGITS = {"digits": (1797, 64, 10)}


def tables(**options: object) -> dict[str, pl.DataFrame]:
    return make_tables(datasets=DIGITS, depths=(2, 3), log2_sizes=(8, 10, 12), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tables(), tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tables(source="modelled", repetitions=1), tmp_path_factory.mktemp("modelled"))


def run(capsys: pytest.CaptureFixture[str], directory: Path, *options: str) -> tuple[int, str, str]:
    status = main(["advise", str(directory), *options])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_json_is_one_document(capsys: pytest.CaptureFixture[str], dataset: Path) -> None:
    status, out, err = run(capsys, dataset, "--dataset", "digits", "--target-loss", "0.3", "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["source"] == "measured"
    energies = [design["energy_j"] for design in document["designs"]]
    assert energies == sorted(energies)
    assert all(d["lower_j"] < d["energy_j"] < d["upper_j"] for d in document["designs"])
    smallest = min(document["designs"], key=lambda d: d["n_parameters"])["n_parameters"]
    assert document["baseline"]["n_parameters"] == smallest
    assert document["saving"] == pytest.approx(1 - energies[0] / document["baseline"]["energy_j"])


def test_the_table_fits_a_narrow_terminal_whole(
    capsys: pytest.CaptureFixture[str], modelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run(capsys, modelled, "--dataset", "digits", "--target-loss", "0.3")
    assert status == 0
    assert "…" not in out
    for word in ("shape", "depth", "params", "epochs", "J, modelled", "95 %", "saving", "fewest params"):
        assert word in out
    assert "These energies are modelled, not measured." in out
    last = out.splitlines()[-1]
    assert last.startswith("Best: ")
    assert "(modelled)" in last


def test_a_measured_table_does_not_speak_of_models(capsys: pytest.CaptureFixture[str], dataset: Path) -> None:
    _, out, _ = run(capsys, dataset, "--dataset", "digits", "--target-loss", "0.3")
    assert "energy measured" in out
    assert "modelled" not in out


def test_limits_are_passed_on(capsys: pytest.CaptureFixture[str], dataset: Path) -> None:
    asked = ("--dataset", "digits", "--target-loss", "0.3", "--json")
    _, out, _ = run(capsys, dataset, *asked, "--max-parameters", "300")
    assert max(d["n_parameters"] for d in json.loads(out)["designs"]) == 289
    most = json.loads(run(capsys, dataset, *asked)[1])["designs"][2]["energy_j"]
    _, out, _ = run(capsys, dataset, *asked, "--max-energy", str(most))
    assert len(json.loads(out)["designs"]) == 3


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (
            ["--dataset", "digit", "--target-loss", "0.3"],
            2,
            "unknown dataset 'digit'; did you mean 'digits'?",
        ),
        (["--dataset", "digits", "--target-loss", "0.001"], 1, "the best loss seen is 0.2"),
        (["--dataset", "digits", "--target-loss", "2"], 2, "before any training"),
        (["--dataset", "digits"], 2, "give one target"),
        (["--dataset", "digits", "--target-loss", "nan"], 2, "give a finite number"),
        (
            ["--dataset", "digits", "--target-loss", "0.3", "--max-energy", "1e-6"],
            1,
            "none within the limits",
        ),
        (
            ["--dataset", "digits", "--target-loss", "0.3", "--max-parameters", "0"],
            2,
            "--max-parameters is 0",
        ),
        (["--dataset", "digits", "--target-loss", "0.3", "--machine", "x"], 2, "unknown machine 'x'"),
        (["--dataset", "digits", "--target-loss", "0.3", "--source", "modelled"], 2, "known: measured"),
        (["--target-loss", "0.3"], 2, "--dataset"),
    ],
)
def test_what_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str], dataset: Path, options: list[str], status: int, said: str
) -> None:
    found, out, err = run(capsys, dataset, *options)
    assert (found, out) == (status, "")
    assert said in err
    assert err.count("\n") == 1


def test_sources_are_not_mixed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first, second = tables(), tables(source="modelled")
    mixed = write_tables({name: pl.concat([first[name], second[name]]) for name in first}, tmp_path / "mixed")
    asked = ("--dataset", "digits", "--target-loss", "0.3", "--json")
    status, out, err = run(capsys, mixed, *asked)
    assert (status, out) == (2, "")
    assert "measured and modelled; choose one with --source" in err
    _, out, _ = run(capsys, mixed, *asked, "--source", "modelled")
    assert {d["source"] for d in json.loads(out)["designs"]} == {"modelled"}


@pytest.mark.parametrize("name", ["", "nothing-here"])
def test_what_is_no_dataset(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    status, _, err = run(capsys, tmp_path / name, "--dataset", "digits", "--target-loss", "0.3")
    assert status == 1
    assert "has no runs.parquet; make a dataset with 'wattlas dataset build" in err
