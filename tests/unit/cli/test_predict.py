"""`wattlas predict`: its JSON beside `wattlas network` and `wattlas model predict`, its table, its errors."""

import json
from pathlib import Path

import polars as pl
import pytest

from wattlas.cli.main import main

MODULE = """
from wattlas.testing.keras_graph import Functional, dense, dense_model, operation

print("a person's own words")

def trapezoid():
    return dense_model(126, 26, 18, 11, 3)

def odd():
    first = dense(8, 8)
    first.name = "[bold]first"
    return Functional((8,), (first, (8,)), (operation("LSTM", "layers.rnn.lstm", (8, 32)), (8,)))
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("observations", [[], ["--observations", "67557"]])
@pytest.mark.parametrize("machine", ["eagle-cpu", "eagle-gpu"])
def test_a_fully_connected_network_is_that_of_the_other_commands(
    capsys: pytest.CaptureFixture[str], module: str, tmp_path: Path, observations: list[str], machine: str
) -> None:
    status, out, err = run(
        capsys, "predict", f"{module}:trapezoid", "--machine", machine, *observations, "--json"
    )
    assert (status, err) == (0, "a person's own words\n")
    found = json.loads(out)

    shape = ["--shape", "trapezoid", "--depth", "4", "--size", "4096", "--inputs", "126", "--outputs", "3"]
    network = json.loads(run(capsys, "network", *shape, *observations, "--machine", machine, "--json")[1])
    assert network["widths"] == [26, 18, 11, 3]
    for name in ("n_parameters", "flops_per_datum", "forward_flops", "backward_flops", "working_sets"):
        assert found[name] == network[name], name
    known = {name: level for name, level in network["working_set_levels"].items() if level}
    assert found["working_set_levels"] == known

    batches = (found["n_train_batches"] or 331, found["n_test_batches"] or 0)
    points, predicted = tmp_path / "points.csv", tmp_path / "predicted.csv"
    points.write_text(
        "machine,widths,n_inputs,n_train_batches,n_test_batches,batch_size\n"
        f"{machine},26 18 11 3,126,{batches[0]},{batches[1]},256\n"
    )
    run(capsys, "model", "predict", "butter-e", str(points), "-o", str(predicted), "--parts")
    row = pl.read_csv(predicted).row(0, named=True)
    assert found["energy_per_datum_j"] == row["predicted_energy_per_datum_j"]
    assert (found["lower_j"], found["upper_j"]) == (row["lower_j"], row["upper_j"])
    assert {f"part_{name}_j": part for name, part in found["attribution"].items()} == {
        name: part for name, part in row.items() if name.startswith("part_")
    }
    assert sum(found["attribution"].values()) == pytest.approx(found["energy_per_datum_j"], rel=1e-12)
    assert (found["extrapolated"], found["unknown_layers"], found["source"]) == (False, [], "modelled")


def test_what_is_unknown_is_named(
    capsys: pytest.CaptureFixture[str], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("predict", f"{module}:odd", "--machine", "eagle-cpu", "--batch-size", "32")
    found = json.loads(run(capsys, *asked, "--json")[1])
    assert found["unknown_layers"] == ["lstm (LSTM): it is not counted"]
    assert found["extrapolated"] is True
    assert "1 unknown layer not counted: the energy is too low by theirs" in found["extrapolated_because"]
    assert found["n_parameters"] == 72 + 256
    monkeypatch.setenv("COLUMNS", "80")
    out = run(capsys, *asked)[1]
    assert "lstm (LSTM): it is not counted" in out
    for word in ("UNKNOWN", "extrapolated", "modelled by butter-e", "advice", "95 %"):
        assert word in out
    assert all(len(line.rstrip()) <= 80 for line in out.splitlines())


@pytest.mark.parametrize(
    ("function", "options", "status", "said"),
    [
        ("trapezoid", ["--machine", "eagle"], 2, "did you mean 'eagle-"),
        ("trapezoid", ["--machine", "eagle-cpu", "--model", "x"], 2, "unknown model or model file 'x'"),
        ("trapezoid", [], 2, "--machine"),
        ("trapezoid", ["--machine", "eagle-cpu", "--batch-size", "0"], 2, "--batch-size"),
        ("trapezoid", ["--machine", "eagle-cpu", "--observations", "1"], 2, "give more observations"),
        ("trapezoid", ["--machine", "eagle-cpu", "--input-shape", "3,x"], 2, "no shape of a datum"),
        ("trapezoid", ["--machine", "eagle-cpu", "--input-shape", "126"], 2, "leave out --input-shape"),
        ("other", ["--machine", "eagle-cpu"], 2, "has no 'other'; it has trapezoid, odd"),
    ],
)
def test_what_cannot_be_is_one_line(
    capsys: pytest.CaptureFixture[str], module: str, function: str, options: list[str], status: int, said: str
) -> None:
    found, out, err = run(capsys, "predict", f"{module}:{function}", *options)
    assert (found, out) == (status, "")
    ours = [line for line in err.splitlines() if line.startswith("wattlas: ")]
    assert len(ours) == 1
    assert said in ours[0]


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="torch is an extra: pip install torch==2.13.0")
    example = str(Path(__file__).parents[3] / "examples" / "own_model.py")
    found = json.loads(run(capsys, "predict", f"{example}:digits_cnn", "--machine", "eagle-gpu", "--json")[1])
    # By hand: 320 + 64 + 2,336 + 62,730 parameters, and each output's window.
    assert found["n_parameters"] == 65_450
    assert found["macs_per_datum"] == 28 * 28 * 32 * (9 + 1 + 9 * 8) + 6272 * 10
    assert found["unknown_layers"] == []
    mlp = ("predict", f"{example}:mnist_mlp", "--machine", "eagle-cpu", "--input-shape", "784", "--json")
    assert json.loads(run(capsys, *mlp)[1])["extrapolated"] is False
