"""`wattlas dataset import-butter-e` as the docs show it, on the reference case."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from wattlas.cli.main import main
from wattlas.model.points import read_points


def test_the_command_makes_a_dataset(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, dest = shared / "reference" / "butter_e_case" / "inputs", tmp_path / "butter-e"
    assert main(["dataset", "import-butter-e", str(source), str(dest)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "600 runs (586 done, 4 missing samples, 4 no file, 6 no samples)" in err
    assert {path.name for path in dest.iterdir()} == {
        *("runs.parquet", "experiments.parquet", "nodes.parquet", "curves.parquet"),
        *("import_report.json", "dataset.json"),
    }
    report = json.loads((dest / "import_report.json").read_text())
    assert sum(report["status"].values()) == 600
    field = pq.read_schema(dest / "runs.parquet").field("non_overhead_energy_j")
    assert field.metadata[b"unit"] == b"J"
    assert read_points(dest).height > 390
    # It is there now, and stays as it is.
    assert main(["dataset", "import-butter-e", str(source), str(dest)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_no_source_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "import-butter-e", str(tmp_path / "none"), str(tmp_path / "dest")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "give the folder with the published files" in err
    assert not (tmp_path / "dest").exists()


def test_a_threshold_out_of_range_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "import-butter-e", str(tmp_path), str(tmp_path / "d"), "--qc-max-gap", "-1"]) == 2
    assert "max_gap_s" in capsys.readouterr().err
