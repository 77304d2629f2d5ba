"""A whole made-up release in every form it may come in, and imports that are cut short."""

import json
import resource
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from wattlas.core.errors import DataError, StoreError
from wattlas.dataset.butter_e.importer import ImportOptions, import_butter_e
from wattlas.dataset.publish import publish
from wattlas.dataset.release import Release
from wattlas.dataset.validate import validate
from wattlas.testing.butter_e_release import write_release

RUNS = 150
TABLES = ("runs", "experiments", "nodes", "curves")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "made-up"
    write_release(folder, runs=RUNS, seed=3)
    return folder / "inputs"


@pytest.fixture(scope="module")
def imported(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("dest") / "d"
    import_butter_e(made, dest)
    return dest


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "source")


def tar_summary(source: Path) -> None:
    with tarfile.open(source / "summary_by_epoch.tar", "w") as archive:
        archive.add(source / "summary_by_epoch", "summary_by_epoch")
    shutil.rmtree(source / "summary_by_epoch")


def zip_power(source: Path) -> None:
    folder = source / "butter_e_energy"
    with zipfile.ZipFile(source / "butter_e_energy.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir(), reverse=True):
            archive.write(path, f"butter_e_energy/{path.name}")
    shutil.rmtree(folder)


def zip_metadata(source: Path) -> None:
    path = source / "butter_e_metadata.csv"
    with zipfile.ZipFile(f"{path}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    path.unlink()


Pack = Callable[[Path], None]


@pytest.mark.parametrize("packed", [(tar_summary,), (zip_power, zip_metadata), (zip_power, tar_summary)])
def test_every_form_gives_the_same_tables(
    source: Path, imported: Path, tmp_path: Path, packed: tuple[Pack, ...]
) -> None:
    for pack in packed:
        pack(source)
    import_butter_e(source, tmp_path / "d")
    for name in TABLES:
        one, other = (pl.read_parquet(d / f"{name}.parquet") for d in (imported, tmp_path / "d"))
        assert other.height > 0
        assert one.equals(other), name


def test_a_truncated_tar_is_one_error(source: Path, tmp_path: Path) -> None:
    tar_summary(source)
    path = source / "summary_by_epoch.tar"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"summary_by_epoch.tar.*download it again"):
        import_butter_e(source, tmp_path / "d")
    assert_nothing_left(tmp_path / "d")


def assert_nothing_left(dest: Path) -> None:
    assert not dest.exists()
    assert list(dest.parent.glob(f".{dest.name}*")) == []


def test_an_empty_source_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(StoreError, match=r"neither butter_e_metadata.csv nor .*wattlas dataset fetch"):
        import_butter_e(tmp_path / "source", tmp_path / "d")
    assert_nothing_left(tmp_path / "d")


STEPS = ("reading the tables", "reading the power samples", "joining", "standardising", "writing")


@pytest.mark.parametrize("upstream_compatible", [False, True])
@pytest.mark.parametrize("last", STEPS)
def test_stopped_at_any_step_nothing_is_left(
    made: Path, tmp_path: Path, last: str, upstream_compatible: bool
) -> None:
    def stop(step: str) -> None:
        if step == last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_butter_e(made, tmp_path / "d", ImportOptions(upstream_compatible), progress=stop)
    assert_nothing_left(tmp_path / "d")


@contextmanager
def files_no_larger_than(n_bytes: int) -> Iterator[None]:
    """As on a disk that fills up: a write beyond that fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [100, 20_000])
def test_a_full_disk_is_one_error_and_leaves_what_was_there(made: Path, tmp_path: Path, room: int) -> None:
    with (
        files_no_larger_than(room),
        pytest.raises(StoreError, match=r"could not be written .*; make room and try again"),
    ):
        import_butter_e(made, tmp_path / "d")
    assert_nothing_left(tmp_path / "d")
    import_butter_e(made, tmp_path / "d")
    before = (tmp_path / "d" / "runs.parquet").read_bytes()
    with files_no_larger_than(room), pytest.raises(StoreError):
        import_butter_e(made, tmp_path / "d", force=True)
    assert (tmp_path / "d" / "runs.parquet").read_bytes() == before


LONG = b"7" * 100_000_000


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("butter_e_metadata.csv", 1, "line {n}: 100000000 bytes in one line"),
        ("power", 0, "is left out: line {n} has 100000000 bytes"),
    ],
)
def test_100_mb_in_one_line_is_named_in_little_memory(
    source: Path, tmp_path: Path, name: str, code: int, said: str
) -> None:
    path = next((source / "butter_e_energy").iterdir()) if name == "power" else source / name
    n_lines = path.read_bytes().count(b"\n")
    with path.open("ab") as stream:
        stream.write(LONG)
    # The largest resident set of the program alone: what the parent had at the fork is not in it.
    program = (
        "import sys; from wattlas.cli.main import main; code = main(sys.argv[1:]); "
        "print(next(x for x in open('/proc/self/status') if x.startswith('VmHWM')).split()[1]); "
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "dataset", "import-butter-e", source, tmp_path / "d"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert f"{path.name}" in done.stderr
    assert said.format(n=n_lines + 1) in done.stderr
    assert (tmp_path / "d").exists() == (code == 0)
    assert int(done.stdout.split()[-1]) < 900_000


def test_an_upstream_compatible_import_is_valid_whatever_the_summary_lacks(tmp_path: Path) -> None:
    """Runs whose experiment the summary does not have, and all the published slips, are told as warnings."""
    write_release(tmp_path / "made-up", runs=400, seed=0)
    import_butter_e(tmp_path / "made-up" / "inputs", tmp_path / "d", ImportOptions(upstream_compatible=True))
    verdict = validate(tmp_path / "d")
    assert verdict.errors == ()
    assert {"mean-power", "runs-of-experiments"} <= {check.rule.name for check in verdict.warnings}
    publish(tmp_path / "d", tmp_path / "r", Release("t", date(2026, 1, 1)), anonymise_nodes=True)
    assert validate(tmp_path / "r").errors == ()
    # In an import of our own numbers they are errors.
    report = json.loads((tmp_path / "d" / "import_report.json").read_text())
    (tmp_path / "d" / "import_report.json").write_text(json.dumps({**report, "mode": "default"}))
    assert "mean-power" in {check.rule.name for check in validate(tmp_path / "d").errors}
