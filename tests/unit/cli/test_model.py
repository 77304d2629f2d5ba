"""`wattlas model`: each command, its output and its errors."""

import json
from pathlib import Path

import polars as pl
import pytest

from wattlas.cli import model_calibrate
from wattlas.cli.main import main
from wattlas.hardware.catalogue import load_machine
from wattlas.model.baselines import BASELINES
from wattlas.model.experiment import CRITERIA
from wattlas.model.features import features
from wattlas.model.grid import grid_points
from wattlas.model.law import Law, columns, evaluate_law
from wattlas.model.model_file import load_model
from wattlas.model.points import read_points
from wattlas.networks.tasks import PAPER_TASKS
from wattlas.testing.tables import make_tables, write_tables

Capsys = pytest.CaptureFixture[str]


def energies(points: pl.DataFrame) -> pl.DataFrame:
    values = {"step": 0.5, "layer": 0.1, "flop": 3e-10, "activation_byte": 1e-8}
    law = Law(tuple(values), {}, load_machine("eagle-cpu").hierarchy)
    energy, _ = evaluate_law(law, law.logs(values), columns(law, features(points)))
    return points.with_columns(energy_per_datum_j=pl.Series(energy))


def write(points: pl.DataFrame, path: Path) -> Path:
    points.with_columns(pl.col("widths").cast(pl.List(pl.String)).list.join(" ")).write_csv(path)
    return path


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    tasks = [PAPER_TASKS[name] for name in ("201_pol", "mnist", "banana")]
    return energies(grid_points("eagle-cpu", tasks, ("rectangle",), (2, 4, 6), range(8, 20, 3)))


@pytest.fixture(scope="module")
def points(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(table, tmp_path_factory.mktemp("points") / "points.csv")


@pytest.fixture(scope="module")
def model(points: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.json"
    assert main(["model", "fit", str(points), "-o", str(path)]) == 0
    return path


def failed(capsys: Capsys, status: int, *arguments: object) -> str:
    """Run a command that must fail so; its one line on stderr."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1, captured.err
    assert captured.err.startswith("wattlas: ")
    return captured.err


def test_fit_writes_a_readable_model(points: Path, tmp_path: Path, capsys: Capsys) -> None:
    model = tmp_path / "model.json"
    assert main(["model", "fit", str(points), "-o", str(model)]) == 0
    assert "eagle-cpu: 33 measured points, held-out error " in capsys.readouterr().out
    document = json.loads(model.read_text())
    assert document["name"] == "model"
    assert document["machines"]["eagle-cpu"]["coefficients"]["flop"]["value"] > 0


def test_predict_adds_columns(model: Path, points: Path, table: pl.DataFrame, tmp_path: Path) -> None:
    output = tmp_path / "predicted.csv"
    assert main(["model", "predict", str(model), str(points), "-o", str(output)]) == 0
    frame, before = pl.read_csv(output), pl.read_csv(points)
    assert frame.columns[: len(before.columns)] == before.columns
    assert frame["widths"].to_list() == before["widths"].to_list()
    predicted = frame["predicted_energy_per_datum_j"]
    assert ((predicted / table["energy_per_datum_j"] - 1).abs() < 0.05).all()
    assert ((frame["lower_j"] < predicted) & (predicted < frame["upper_j"])).all()
    assert frame["extrapolated"].dtype == pl.Boolean
    assert not frame["extrapolated"].any()


def test_predict_needs_no_energies_and_gives_parts(model: Path, table: pl.DataFrame, tmp_path: Path) -> None:
    asked = write(
        table.drop("energy_per_datum_j").with_columns(batch_size=pl.lit(32)), tmp_path / "asked.csv"
    )
    output = tmp_path / "predicted.csv"
    assert main(["model", "predict", str(model), str(asked), "-o", str(output), "--parts"]) == 0
    frame = pl.read_csv(output)
    assert frame["extrapolated"].all()
    parts = frame.select(pl.sum_horizontal(pl.col("^part_.*$"))).to_series()
    assert ((parts / frame["predicted_energy_per_datum_j"] - 1).abs() < 1e-9).all()


def test_evaluate(points: Path, capsys: Capsys) -> None:
    assert main(["model", "evaluate", str(points), "--group-by", "dataset", "--json"]) == 0
    captured = capsys.readouterr()
    errors = json.loads(captured.out)["eagle-cpu"]
    assert captured.err == ""
    for key in ("mape", "median_ape", "log_sd", "bias", "coverage_95", "n"):
        assert key in errors
    assert set(errors["baselines"]) == set(BASELINES)
    assert main(["model", "evaluate", str(points), "--group-by", "depth"]) == 0
    shown = capsys.readouterr().out
    for text in ("this model", "flops", "parameters", "tdp_time", "depth 6"):
        assert text in shown


def test_a_dataset_directory_is_points(tmp_path: Path, capsys: Capsys) -> None:
    data = write_tables(make_tables(with_epochs=False), tmp_path / "data")
    model, output = tmp_path / "model.json", tmp_path / "predicted.csv"
    assert main(["model", "fit", str(data), "-o", str(model)]) == 0
    assert main(["model", "predict", str(model), str(data), "-o", str(output)]) == 0
    ratio = pl.read_csv(output).select(pl.col("predicted_energy_per_datum_j") / pl.col("energy_per_datum_j"))
    assert abs(ratio.to_series().median() - 1) < 0.02  # type: ignore[operator]
    capsys.readouterr()
    assert main(["model", "evaluate", str(data), "--group-by", "shape", "--json"]) == 0
    errors = json.loads(capsys.readouterr().out)["bench"]
    assert errors["baselines"]["tdp_time"]["n"] == errors["n"] == 108


def test_a_machine_described_in_a_file(table: pl.DataFrame, tmp_path: Path, capsys: Capsys) -> None:
    from importlib.resources import files

    text = files("wattlas.hardware.catalogue").joinpath("eagle-cpu.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"eagle-cpu"', '"mine"'))
    points = write(table.with_columns(machine=pl.lit("mine")), tmp_path / "points.csv")
    model = tmp_path / "model.json"
    assert "no machine 'mine'" in failed(capsys, 2, "model", "fit", points, "-o", model)
    assert (
        main(["model", "fit", str(points), "-o", str(model), "--machine", str(tmp_path / "mine.toml")]) == 0
    )


def test_outputs_are_not_overwritten(model: Path, points: Path, tmp_path: Path, capsys: Capsys) -> None:
    before = model.read_bytes()
    model = tmp_path / "model.json"
    model.write_bytes(before)
    assert "--force" in failed(capsys, 2, "model", "fit", points, "-o", model)
    assert "--force" in failed(capsys, 2, "model", "predict", model, points, "-o", points)
    assert model.read_bytes() == before
    assert main(["model", "fit", str(points), "-o", str(model), "--force", "--name", "again"]) == 0
    assert json.loads(model.read_text())["name"] == "again"
    assert "a directory that exists" in failed(
        capsys, 2, "model", "fit", points, "-o", tmp_path / "no" / "model.json"
    )


@pytest.mark.parametrize("source", ["modelled", "simulated"])
def test_energies_that_were_not_measured(
    table: pl.DataFrame, tmp_path: Path, capsys: Capsys, source: str
) -> None:
    rows = pl.int_range(pl.len()) == 0
    mixed = table.with_columns(source=pl.when(rows).then(pl.lit(source)).otherwise(pl.lit("measured")))
    points, model = write(mixed, tmp_path / "points.csv"), tmp_path / "model.json"
    assert f"--allow-{source}" in failed(capsys, 2, "model", "fit", points, "-o", model)
    assert f"--allow-{source}" in failed(
        capsys, 2, "model", "evaluate", points, "--group-by", "depth", "--json"
    )
    assert not model.exists()
    assert main(["model", "fit", str(points), "-o", str(model), f"--allow-{source}"]) == 0
    assert json.loads(model.read_text())["sources"] == ["measured", source]


def test_domains_are_chosen_not_pooled(table: pl.DataFrame, tmp_path: Path, capsys: Capsys) -> None:
    both = pl.concat(
        [table.with_columns(domain=pl.lit("node")), table.with_columns(domain=pl.lit("package-0"))]
    )
    points, model = write(both, tmp_path / "points.csv"), tmp_path / "model.json"
    assert "--domain" in failed(capsys, 2, "model", "fit", points, "-o", model)
    assert "it has node, package-0" in failed(
        capsys, 2, "model", "fit", points, "-o", model, "--domain", "rack"
    )
    assert main(["model", "fit", str(points), "-o", str(model), "--domain", "node"]) == 0
    data = json.loads(model.read_text())["machines"]["eagle-cpu"]["data"]
    assert (data["domain"], data["n_points"]) == ("node", table.height)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (lambda t: t.drop("n_inputs"), 1, "no column 'n_inputs'"),
        (lambda t: t.drop("energy_per_datum_j"), 1, "no column 'energy_per_datum_j'"),
        (lambda t: t.with_columns(machine=pl.lit("laptop")), 2, "no machine 'laptop'"),
        (lambda t: t[:0], 1, "no rows"),
        (lambda t: t[:2], 1, "too few"),
        (lambda t: t.with_columns(-pl.col("energy_per_datum_j")), 1, "row 1: energy_per_datum_j is -"),
        (lambda t: t.with_columns(energy_per_datum_j=float("nan")), 1, "row 1: energy_per_datum_j is nan"),
        (lambda t: t.with_columns(batch_size=0), 1, "row 1: batch_size is 0"),
    ],
)
def test_bad_points(
    table: pl.DataFrame, tmp_path: Path, capsys: Capsys, change: object, status: int, said: str
) -> None:
    points = write(change(table), tmp_path / "points.csv")  # type: ignore[operator]
    assert said in failed(capsys, status, "model", "fit", points, "-o", tmp_path / "model.json")
    assert said in failed(capsys, status, "model", "evaluate", points, "--group-by", "dataset") or status == 1


def test_bad_files(points: Path, model: Path, tmp_path: Path, capsys: Capsys) -> None:
    output = tmp_path / "predicted.csv"
    (tmp_path / "broken.json").write_text('{"format": ')
    assert "is no energy model" in failed(
        capsys, 1, "model", "predict", tmp_path / "broken.json", points, "-o", output
    )
    assert "unknown model" in failed(capsys, 2, "model", "predict", "no-such-model", points, "-o", output)
    assert "cannot read" in failed(
        capsys, 1, "model", "predict", model, tmp_path / "absent.csv", "-o", output
    )
    (tmp_path / "store").mkdir()
    assert "wattlas dataset build" in failed(
        capsys, 1, "model", "predict", model, tmp_path / "store", "-o", output
    )
    assert not output.exists()


def test_usage(points: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert "no column 'colour'" in failed(capsys, 2, "model", "evaluate", points, "--group-by", "colour")
    assert "nothing could be held out" in failed(
        capsys, 1, "model", "evaluate", points, "--group-by", "shape"
    )
    assert "--output" in failed(capsys, 2, "model", "fit", points)
    assert "--group-by" in failed(capsys, 2, "model", "evaluate", points)


def test_a_shipped_model_by_name(points: Path, tmp_path: Path) -> None:
    output = tmp_path / "predicted.csv"
    assert main(["model", "predict", "butter-e", str(points), "-o", str(output)]) == 0
    assert (pl.read_csv(output)["lower_j"] > 0).all()


def test_a_model_does_not_know_other_machines(
    model: Path, table: pl.DataFrame, tmp_path: Path, capsys: Capsys
) -> None:
    other = write(table.with_columns(machine=pl.lit("eagle-gpu")), tmp_path / "other.csv")
    said = failed(capsys, 2, "model", "predict", model, other, "-o", tmp_path / "predicted.csv")
    assert "not the machine 'eagle-gpu'" in said


def test_calibrate_with_designed_runs(
    table: pl.DataFrame, model: Path, tmp_path: Path, capsys: Capsys
) -> None:
    runs, few, made = (tmp_path / name for name in ("runs.csv", "few.csv", "new.json"))
    assert (
        main(["model", "design-experiment", "butter-e", "-n", "6", "--machine", "eagle-cpu", "-o", str(runs)])
        == 0
    )
    assert pl.read_csv(runs).height == 6
    write(energies(read_points(runs)), few)
    assert main(["model", "calibrate", "butter-e", "--points", str(few), "-o", str(made)]) == 0
    assert "6 points, from eagle-cpu of butter-e" in capsys.readouterr().out
    document = json.loads(made.read_text())
    assert document["name"] == "new"
    assert set(document["machines"]) == {"eagle-cpu", "eagle-gpu"}
    predicted = load_model(made).predict(table) / table["energy_per_datum_j"].to_numpy()
    assert abs(predicted - 1).mean() < 0.1
    assert "exists" in failed(capsys, 2, "model", "calibrate", "butter-e", "--points", few, "-o", made)
    # Without a machine, the runs are for one like this one.
    assert main(["model", "design-experiment", "butter-e", "-n", "4", "-o", str(tmp_path / "x.csv")]) == 0
    assert set(pl.read_csv(tmp_path / "x.csv")["machine"]) <= {"eagle-cpu", "eagle-gpu"}
    assert (
        main(["model", "design-experiment", str(made), "--from", "eagle-gpu", "-o", str(tmp_path / "g.csv")])
        == 0
    )
    assert set(pl.read_csv(tmp_path / "g.csv")["machine"]) == {"eagle-gpu"}


def test_the_command_offers_every_criterion() -> None:
    assert model_calibrate.CRITERIA == CRITERIA


def test_design_among_the_networks_of_a_sweep(tmp_path: Path, capsys: Capsys) -> None:
    spec, runs = tmp_path / "spec.toml", tmp_path / "runs.csv"
    spec.write_text(
        '[campaign]\nname = "t"\n[networks]\nshapes = ["rectangle"]\ndepths = [2, 5]\n'
        "log2_sizes = [6, 9, 12]\n"
        '[[datasets]]\nname = "iris"\n[training]\nepochs = 2\n'
    )
    arguments = [
        "model",
        "design-experiment",
        "butter-e",
        "-n",
        "3",
        "--criterion",
        "d-optimal",
        "--sweep",
        str(spec),
        "-o",
        str(runs),
    ]
    assert main(arguments) == 0
    assert "3 of 6 networks" in capsys.readouterr().out
    assert main(["sweep", "plan", str(spec), "--only", str(runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_experiments"] == 3
