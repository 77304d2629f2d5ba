"""`wattlas network`: one network, a table of them, and what is refused."""

import csv
import json
from pathlib import Path

import pytest

from wattlas.cli.main import main

ONE = ["network", "--shape", "trapezoid", "--depth", "4", "--inputs", "126", "--outputs", "3"]
HEADER = "shape,depth,size,n_inputs,n_outputs"


def facts(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:  # type: ignore[type-arg]
    assert main([*ONE, *arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


@pytest.mark.parametrize("size", ["4096", "2^12", "2**12"])
def test_one_network(capsys: pytest.CaptureFixture[str], size: str) -> None:
    found = facts(capsys, "--size", size)
    assert found["widths"] == [26, 18, 11, 3]
    assert found["n_parameters"] == 4033
    assert found["forward_flops"] == 4033
    assert found["flops_per_datum"] == found["forward_flops"] + found["backward_flops"]
    assert found["working_sets"] == {"l": 155_648, "f": 171_780, "b": 220_680, "d": None}
    assert found["relative_size_error"] == 63 / 4096
    assert found["working_set_levels"] is None


def test_one_network_on_a_dataset_and_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    found = facts(capsys, "--size", "4096", "--observations", "67557", "--machine", "eagle-cpu")
    assert found["working_sets"]["d"] == 220_680 + 67557 * 4 * 129
    assert found["working_set_levels"] == {"l": "L1", "f": "L1", "b": "L2", "d": "L2"}
    expected = found["forward_flops"] * (1 + 53 / 212) + found["backward_flops"]
    assert found["flops_per_datum"] == pytest.approx(expected)


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ONE, "--size", "4096", "--machine", "eagle-gpu"]) == 0
    out = capsys.readouterr().out
    assert "26 18 11 3" in out
    assert "4,033" in out
    assert "152 KiB, in L1 of eagle-gpu" in out
    assert "not known without --observations" in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([*ONE, "--size", "32", "--depth", "12"], 1, "the closest has"),
        ([*ONE, "--size", "4096", "--tolerance", "0.001"], 1, "closest has 4033"),
        ([*ONE, "--size", "4096", "--depth", "1"], 2, "depth 1"),
        ([*ONE, "--size", "4096", "--shape", "trapezium"], 2, "did you mean 'trapezoid'"),
        ([*ONE, "--size", "tiny"], 2, "not a whole number"),
        ([*ONE, "--size", "0"], 2, "not a whole number"),
        ([*ONE, "--size", "4096", "--batch-size", "0"], 2, "batch size is 0"),
        ([*ONE, "--size", "4096", "--machine", "eagle"], 2, "unknown machine"),
        ([*ONE, "--size", "4096", "-o", "x.csv"], 2, "--table"),
        (ONE, 2, "--size is missing"),
        (["network"], 2, "--shape is missing"),
        (["network", "--table", "x.csv"], 2, "-o OUT.csv"),
        (["network", "--table", "x.csv", "-o", "y.csv", "--depth", "3"], 2, "--depth is for a single"),
    ],
)
def test_what_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


def table(tmp_path: Path, *lines: str) -> tuple[Path, Path]:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("".join(f"{line}\n" for line in lines))
    return source, output


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_keeps_its_columns_as_they_were(tmp_path: Path) -> None:
    source, output = table(
        tmp_path,
        f"note,{HEADER},n_observations",
        '"a, b",trapezoid,4,4096,126,3,67557',
        "007,rectangle,10,32,784,10,",
    )
    assert main(["network", "--table", str(source), "-o", str(output), "--machine", "eagle-cpu"]) == 0
    first, second = read(output)
    assert list(first)[:7] == ["note", *HEADER.split(","), "n_observations"]
    assert (first["note"], second["note"]) == ("a, b", "007")
    assert (first["widths"], first["n_parameters"]) == ("26 18 11 3", "4033")
    assert (first["ws_l_bytes"], first["ws_b_level"]) == ("155648", "L2")
    assert (second["ws_d_bytes"], second["ws_d_level"]) == ("", "")
    # No such network: the closest one, and how far it is.
    assert float(second["relative_size_error"]) == (int(second["n_parameters"]) - 32) / 32 > 0.5


def test_a_table_agrees_with_single_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = table(
        tmp_path,
        "shape,depth,log2_size,n_inputs,n_outputs,batch_size,n_train_batches,n_test_batches",
        "trapezoid,4,12,126,3,,212,53",
        "trapezoid,4,12,126,3,64,,",
    )
    assert main(["network", "--table", str(source), "-o", str(output)]) == 0
    first, second = read(output)
    one = facts(capsys, "--size", "4096", "--observations", "67557")
    other = facts(capsys, "--size", "4096", "--batch-size", "64")
    for row, single in ((first, one), (second, other)):
        assert float(row["flops_per_datum"]) == pytest.approx(single["flops_per_datum"])
        assert int(row["ws_b_bytes"]) == single["working_sets"]["b"]


def test_computed_columns_replace_those_of_the_table_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = table(tmp_path, f"{HEADER},n_parameters", "trapezoid,4,4096,126,3,1")
    assert main(["network", "--table", str(source), "-o", str(output)]) == 0
    assert read(output)[0]["n_parameters"] == "4033"
    assert "n_parameters" in capsys.readouterr().err


def test_an_output_that_exists_is_kept(tmp_path: Path) -> None:
    source, output = table(tmp_path, HEADER, "trapezoid,4,4096,126,3")
    output.write_text("mine")
    arguments = ["network", "--table", str(source), "-o", str(output)]
    assert main(arguments) == 2
    assert output.read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    assert len(read(output)) == 1


def test_a_table_of_no_rows(tmp_path: Path) -> None:
    source, output = table(tmp_path, HEADER)
    assert main(["network", "--table", str(source), "-o", str(output)]) == 0
    assert output.read_text().startswith(HEADER)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER, "trapezoid,4,4096,126,3", "trapezoid,4,x,126,3"], "line 3: size 'x' is no whole number"),
        ([HEADER, "trapezoid,4,4096.5,126,3"], "line 2: size '4096.5'"),
        ([HEADER, "trapezoid,4,4096,,3"], "line 2: n_inputs is empty"),
        ([HEADER, "trapezoid,4,4096"], "line 2: n_inputs is empty"),
        ([HEADER, "trapezoid,1,4096,126,3"], "line 2: depth '1' is below 2"),
        ([HEADER, "trapezoid,4,0,126,3"], "line 2: size '0'"),
        ([HEADER, "oval,4,4096,126,3"], "line 2: shape 'oval' is none of rectangle"),
        ([HEADER, "trapezoid,4,4096,126,3,9"], "in.csv cannot be read"),
        (["shape,depth,n_inputs,n_outputs", "trapezoid,4,126,3"], "has no column size"),
        (["depth,size,n_inputs,n_outputs", "4,64,126,3"], "has no column shape"),
        ([f"{HEADER},log2_size", "trapezoid,4,4096,126,3,11"], "line 2: size '4096' and log2_size"),
        ([f"{HEADER},n_train_batches", "trapezoid,4,4096,126,3,11"], "line 2: n_train_batches '11' and"),
        ([], "in.csv cannot be read"),
    ],
)
def test_a_bad_table_names_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str], message: str
) -> None:
    source, output = table(tmp_path, *lines)
    assert main(["network", "--table", str(source), "-o", str(output)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "in.csv" in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [source]
