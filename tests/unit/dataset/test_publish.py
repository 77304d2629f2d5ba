"""A release: whole, valid, checkable with other tools, and without anything private."""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattlas.core.errors import StoreError
from wattlas.dataset.butter_e.export import COLUMNS
from wattlas.dataset.publish import publish
from wattlas.dataset.release import Release
from wattlas.dataset.schema import TABLES
from wattlas.dataset.tables import load_tables
from wattlas.dataset.validate import validate

from .whole_dataset import FAILED, HOST, Frames, whole_tables, with_value, write

RELEASE = Release(
    "Bench runs", date(2026, 3, 4), "1.2.0", "CC-BY-4.0", ("Ada L.",), None, "https://example.org/d"
)
FILES = {f"{name}.parquet" for name in TABLES} | {
    *("README.md", "SHA256SUMS", "croissant.json", "dataset.json", "runs_with_standardized_energy.csv")
}


def private_tables() -> Frames:
    """A whole dataset that holds what must not be told."""
    tables = whole_tables()
    meters = json.loads(tables["nodes"]["meters_json"][0])
    meters["found"][0]["reason"] = (
        f"no answer at redfish://eve:hunter2@{HOST}.lab; see /home/eve/log on {HOST}"
    )
    tables["nodes"] = with_value(tables["nodes"], 0, meters_json=json.dumps(meters))
    tables["runs"] = with_value(tables["runs"], 0, flags=[f"seen_on {HOST}", "replayed /home/eve/a.csv"])
    return tables


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(private_tables(), tmp_path_factory.mktemp("source") / "dataset")


@pytest.fixture(scope="module")
def release(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("release") / "r"
    publish(source, dest, RELEASE, anonymise_nodes=True)
    return dest


@pytest.fixture
def copied(release: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release, tmp_path / "copy"))


def everything_said(directory: Path) -> str:
    """All text of a directory: its text files, and every text of its tables with their metadata."""
    texts = []
    for path in sorted(directory.iterdir()):
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            texts += [str(table.schema.metadata), str(table.to_pylist())]
        else:
            texts.append(path.read_text("utf-8"))
    return "\n".join(texts)


def test_a_release_is_its_files_and_is_valid(release: Path) -> None:
    assert {path.name for path in release.iterdir()} == FILES
    verdict = validate(release)
    assert verdict.valid
    assert verdict.warnings == ()
    checked = {check.rule.name: check.finding.checked for check in verdict.checks}
    assert checked["checksums"] == checked["listed-files"] == len(FILES) - 1
    assert checked["private"] > 0


def test_sha256sum_accepts_the_checksums(release: Path) -> None:
    assert shutil.which("sha256sum") is not None
    result = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=release, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(": OK\n") == len(FILES) - 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_is_detected(data: st.DataObject, release: Path) -> None:
    path = release / data.draw(st.sampled_from(sorted(FILES)))
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[position] ^ data.draw(st.integers(1, 255))
    path.write_bytes(whole[:position] + bytes([flipped]) + whole[position + 1 :])
    try:
        names = {check.rule.name for check in validate(release).errors}
    finally:
        path.write_bytes(whole)
    assert "checksums" in names


def test_a_file_that_is_missing_added_or_points_outside_is_told(copied: Path) -> None:
    (copied / "extra.txt").write_text("mine")
    verdict = validate(copied)
    assert verdict.valid
    assert [(c.rule.name, c.finding.examples) for c in verdict.warnings] == [("listed-files", ("extra.txt",))]
    (copied / "README.md").unlink()
    assert [c.rule.name for c in validate(copied).errors] == ["checksums"]
    sums = copied / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("README.md", "../outside.txt"))
    (check,) = validate(copied).errors
    assert check.finding.examples[0].startswith("SHA256SUMS line")
    sums.unlink()
    (check,) = validate(copied).errors
    assert check.finding.examples == ("SHA256SUMS",)


def test_nothing_private_is_told(source: Path, release: Path) -> None:
    before, after = everything_said(source), everything_said(release)
    for word in (HOST, "/home/", "eve@example.org", "hunter2", "train.py"):
        assert word in before
        assert word not in after
    assert str(source) not in after
    assert str(source.parent) not in after
    error = load_tables(release).runs.filter(pl.col("run_id") == FAILED)["error"].item()
    assert error.startswith("RuntimeError: <path> of <address>: password=<removed> is refused")


def test_anonymised_names_are_the_same_in_all_tables(source: Path, release: Path, tmp_path: Path) -> None:
    tables = load_tables(release)
    for frame in (tables.runs, tables.power, tables.nodes):
        assert frame["node"].unique().to_list() == ["node-1"]
    assert tables.runs["flags"][0].to_list() == ["seen_on node-1", "replayed <path>"]
    publish(source, tmp_path / "named", RELEASE)
    assert load_tables(tmp_path / "named").runs["node"].unique().to_list() == [HOST]
    assert (
        json.loads((tmp_path / "named" / "dataset.json").read_text())["release"]["anonymised_nodes"] is False
    )


def test_numbers_units_and_meanings_are_those_of_the_dataset(source: Path, release: Path) -> None:
    for name in TABLES:
        ours, theirs = (pq.ParquetFile(d / f"{name}.parquet").read() for d in (release, source))
        assert ours.schema.equals(theirs.schema, check_metadata=True)
        numbers = [f.name for f in ours.schema if f.type in ("double", "int64") or f.name == "widths"]
        assert ours.select(numbers).equals(theirs.select(numbers))


def test_a_private_text_put_into_a_release_breaks_a_rule(copied: Path) -> None:
    path = copied / "runs.parquet"
    table = pq.ParquetFile(path).read()
    frame = with_value(pl.DataFrame(table), 0, campaign="/home/eve/campaign")
    pq.write_table(frame.to_arrow().cast(table.schema), path)
    sums = copied / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if not line.endswith("  runs.parquet")]
    lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  runs.parquet")
    sums.write_text("\n".join(lines) + "\n")
    (check,) = validate(copied).errors
    assert (check.rule.name, check.finding.broken, check.finding.examples) == (
        *("private", 1),
        ("runs.campaign",),
    )


def test_an_invalid_dataset_is_not_published(tmp_path: Path) -> None:
    tables = whole_tables()
    tables["channels"] = with_value(tables["channels"], 1, energy_j=-1.0)
    directory = write(tables, tmp_path / "dataset")
    dest = tmp_path / "release"
    with pytest.raises(StoreError, match="breaks the rule energy, and only a valid dataset is published"):
        publish(directory, dest, RELEASE, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_release_is_replaced_with_force_only_and_nothing_else_ever(source: Path, tmp_path: Path) -> None:
    dest = tmp_path / "r"
    publish(source, dest, RELEASE)
    (dest / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="replace it with --force"):
        publish(source, dest, RELEASE)
    publish(source, dest, RELEASE, force=True)
    assert {path.name for path in dest.iterdir()} == FILES
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "words.txt").write_text("words")
    with pytest.raises(StoreError, match="is no dataset"):
        publish(source, thesis, RELEASE, force=True)
    assert {path.name for path in tmp_path.iterdir()} == {"r", "thesis"}


def test_a_full_disk_leaves_no_release(source: Path, tmp_path: Path) -> None:
    # A limit on file size makes a write fail as a full disk does.
    code = (
        "import resource, sys; from datetime import date; from pathlib import Path; "
        "from wattlas.dataset.publish import publish; from wattlas.dataset.release import Release; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (15000, 15000)); "
        "publish(Path(sys.argv[1]), Path(sys.argv[2]), Release('t', date(2026, 1, 1)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, source, tmp_path / "r"], capture_output=True, text=True, timeout=60
    )
    assert "StoreError" in result.stderr.strip().splitlines()[-1]
    assert "could not be written" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_release_can_be_published_again(release: Path, tmp_path: Path) -> None:
    publish(release, tmp_path / "again", RELEASE)
    assert validate(tmp_path / "again").valid


def test_croissant_names_every_file_and_column(release: Path) -> None:
    document = json.loads((release / "croissant.json").read_text("utf-8"))
    assert document["@type"] == "sc:Dataset"
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert document["license"] == "CC-BY-4.0"
    assert document["citeAs"] == "Ada L. (2026). Bench runs, version 1.2.0."
    assert document["datePublished"] == "2026-03-04"
    files = {entry["@id"]: entry for entry in document["distribution"]}
    # It can list neither itself nor the checksums, which hold its own.
    assert set(files) == FILES - {"croissant.json", "SHA256SUMS"}
    for name, entry in files.items():
        assert entry["@type"] == "cr:FileObject"
        assert entry["sha256"] == hashlib.sha256((release / name).read_bytes()).hexdigest()
        assert entry["contentUrl"] == name
    assert {record["@id"] for record in document["recordSet"]} == set(TABLES)
    ids = {field["@id"] for record in document["recordSet"] for field in record["field"]}
    for record in document["recordSet"]:
        schema = pq.read_schema(release / f"{record['@id']}.parquet")
        assert [field["source"]["extract"]["column"] for field in record["field"]] == schema.names
        for field in record["field"]:
            assert field["source"]["fileObject"]["@id"] in files
            assert field["description"]
            assert field.get("references", {"field": {"@id": field["@id"]}})["field"]["@id"] in ids
        key = record.get("key", [])
        assert {k["@id"] for k in (key if isinstance(key, list) else [key])} <= ids
    fields = {field["@id"]: field for record in document["recordSet"] for field in record["field"]}
    assert fields["runs/energy_j"]["dataType"] == "sc:Float"
    assert fields["runs/energy_j"]["description"].endswith("[J]")
    assert fields["runs/start_utc"]["dataType"] == "sc:DateTime"
    assert (fields["runs/widths"]["dataType"], fields["runs/widths"]["repeated"]) == ("sc:Integer", True)
    assert fields["nodes/date"]["dataType"] == "sc:Date"


def test_mlcroissant_accepts_it(release: Path) -> None:
    program = shutil.which("mlcroissant")
    if program is None and importlib.util.find_spec("mlcroissant") is None:
        pytest.skip("mlcroissant is neither on PATH nor importable: the JSON-LD is checked by structure only")
    command = [program] if program else [sys.executable, "-m", "mlcroissant.scripts.cli"]
    result = subprocess.run(
        [*command, "validate", "--jsonld", release / "croissant.json"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "Done." in result.stderr
    assert "warning" not in result.stderr.lower().replace("0 warning", "")


def test_the_datasheet_counts_what_is_there(release: Path) -> None:
    sheet = (release / "README.md").read_text("utf-8")
    tables = load_tables(release)
    for heading in (
        *("Motivation", "Composition", "Collection", "Measured, modelled or simulated", "Uncertainty"),
        *("Known limits", "Files and columns", "Licence", "Citation"),
    ):
        assert f"\n## {heading}\n" in sheet
    assert f"| `epochs` | {tables.epochs.height} |" in sheet
    assert "Runs by status: 4 done, 1 failed." in sheet
    assert "- `measured`: 5 runs, read from an instrument" in sheet
    # Every run states 2 %.
    assert "Of the runs it is 0.02 of the energy at the median" in sheet
    assert "CC-BY-4.0" in sheet
    for name in TABLES:
        for field in pq.read_schema(release / f"{name}.parquet"):
            unit = (field.metadata.get(b"unit") or b"").decode()
            meaning = field.metadata[b"meaning"].decode().replace("|", "\\|")
            assert f"| `{field.name}` | {field.type} | {unit} | {meaning} |" in sheet, (name, field.name)


def test_the_csv_has_the_done_runs_in_the_published_columns(release: Path) -> None:
    table = pl.read_csv(release / "runs_with_standardized_energy.csv")
    assert tuple(table.columns) == COLUMNS
    runs = load_tables(release).runs.filter(pl.col("status") == "done")
    assert table["run_id"].to_list() == runs["run_id"].to_list()
    assert table["energy"].to_list() == runs["energy_j"].to_list()
    assert table["is_gpu"].to_list() == [False] * runs.height
    assert table["num_reps"].to_list() == [2] * runs.height
    assert table["std_energy"].null_count() == runs.height
    assert table["start_time"][0] == "2026-01-01 00:00:00.000000+00:00"
