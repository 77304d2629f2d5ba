from pathlib import Path

import polars as pl
import pytest

from wattlas.core.errors import DataError, UsageError
from wattlas.model.points import (
    check_domains,
    check_points,
    check_sources,
    energies,
    read_points,
    read_points_file,
    resolve_machines,
)
from wattlas.testing.tables import make_tables, write_tables

HEADER = "machine,widths,n_inputs,n_train_batches,n_test_batches,batch_size,energy_per_datum_j"
ROW = "eagle-cpu,3 11,26,47,12,256,0.003"


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "points.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def test_reads_a_csv(tmp_path: Path) -> None:
    frame = read_points(csv(tmp_path, ROW, "eagle-gpu,  4  5 11 ,26,47,0,256,"))
    assert frame["widths"].to_list() == [[3, 11], [4, 5, 11]]
    assert frame["energy_per_datum_j"].to_list() == [0.003, None]


def test_networks_of_one_layer(tmp_path: Path) -> None:
    assert read_points(csv(tmp_path, "m,11,26,47,12,256,0.003"))["widths"].to_list() == [[11]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("m,3 x,26,47,12,256,1", "row 1: widths is '3 x'"),
        ("m,3 0,26,47,12,256,1", "row 1: widths is '3 0'"),
        ("m,,26,47,12,256,1", "row 1: widths is None"),
        ("m,3 1,0,47,12,256,1", "row 1: n_inputs is 0"),
        ("m,3 1,26,47,-1,256,1", "row 1: n_test_batches is -1"),
        ("m,3 1,26,47,12,25.5,1", "row 1: batch_size is 25.5"),
        ("m,3 1,26,NaN,12,256,1", "row 1: n_train_batches is nan"),
        ("m,3 1,26,many,12,256,1", "row 1: n_train_batches is 'many'"),
        (",3 1,26,47,12,256,1", "row 1: machine is None"),
    ],
)
def test_impossible_values_name_their_row(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(DataError, match="give") as error:
        read_points(csv(tmp_path, line))
    assert said in str(error.value)


@pytest.mark.parametrize("energy", ["", "NaN", "-0.1", "0", "inf", "much"])
def test_energies_must_be_positive_numbers(tmp_path: Path, energy: str) -> None:
    frame = read_points(csv(tmp_path, ROW, ROW.replace("0.003", energy)))
    with pytest.raises(DataError, match="row 2: energy_per_datum_j"):
        energies(frame)


def test_missing_columns_and_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        read_points(csv(tmp_path))
    (tmp_path / "few.csv").write_text("machine,widths\nm,3\n")
    with pytest.raises(DataError, match="no column 'n_inputs'"):
        read_points(tmp_path / "few.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="cannot read the points"):
        read_points(tmp_path / "empty.csv")
    with pytest.raises(DataError, match="cannot read the points"):
        read_points(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="no column 'energy_per_datum_j'"):
        energies(read_points(csv(tmp_path, ROW)).drop("energy_per_datum_j"))


def test_modelled_energies_are_refused_unless_asked_for(tmp_path: Path) -> None:
    frame = read_points(csv(tmp_path, ROW, ROW)).with_columns(source=pl.Series(["measured", "modelled"]))
    with pytest.raises(UsageError, match=r"1 of 2 energies are modelled.*--allow-modelled"):
        check_sources(frame, ())
    check_sources(frame, ("modelled",))
    with pytest.raises(DataError, match="source is 'guessed'"):
        check_points(frame.with_columns(source=pl.lit("guessed")))


def test_energies_of_different_domains_are_not_pooled(tmp_path: Path) -> None:
    frame = read_points(csv(tmp_path, ROW, ROW)).with_columns(domain=pl.Series(["node", "package-0"]))
    with pytest.raises(UsageError, match=r"node, package-0.*--domain"):
        check_domains(frame)
    check_domains(frame[:1])


def test_a_dataset_directory_brings_its_machines(tmp_path: Path) -> None:
    read = read_points_file(write_tables(make_tables(with_epochs=False), tmp_path / "data"))
    assert read.points.height == 2 * 3 * 3 * 6
    assert set(read.machines) == {"bench"}
    assert resolve_machines(read.points, read.machines)["bench"].cores == 4


def test_unknown_machine(tmp_path: Path) -> None:
    frame = read_points(csv(tmp_path, ROW.replace("eagle-cpu", "eagle-xpu")))
    with pytest.raises(UsageError, match=r"no machine 'eagle-xpu'.*--machine FILE.toml"):
        resolve_machines(frame, {})
