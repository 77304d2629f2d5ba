"""`wattlas dataset import-butter-e` at the size of the published release: time, memory, growth.

The release is made up by `wattlas.testing.butter_e_release` and kept in the temporary directory. Every figure
is of a fresh process, with the files in the page cache: medians of several, with the spread, and the largest
resident set. `--size small` is a tenth of the release.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import wattlas.testing.butter_e_release as generator
from wattlas.testing.butter_e_release import FULL_RUNS, write_release

REPEATS = 5
SIZES = {"full": FULL_RUNS, "small": FULL_RUNS // 10}
GROWTH = 10


def release(runs: int) -> Path:
    """The inputs of a release of that size, made unless the same generator made it before."""
    sources = sorted(Path(generator.__file__).parent.glob("*.py"))
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
    dest = Path(tempfile.gettempdir()) / f"wattlas-bench-butter-e-{os.getuid()}-{runs}-{version}"
    if not dest.exists():
        with tempfile.TemporaryDirectory(dir=dest.parent) as folder:
            start_s = time.perf_counter()
            write_release(Path(folder) / "release", runs=runs)
            print(f"made a release of {runs:,} runs in {time.perf_counter() - start_s:.1f} s: {dest}")
            (Path(folder) / "release").rename(dest)
    return dest / "inputs"


def parse_each(source: Path) -> None:
    """The power files read one by one, as a notebook would, and the times left as text."""
    import polars as pl

    schema = {"timestamp": pl.String, "node": pl.String, "watts": pl.Int64}
    for path in (source / "butter_e_energy").iterdir():
        pl.read_csv(path, schema=schema)


def parse_all(source: Path) -> None:
    """The power files in one scan, the times parsed: the quickest way known, though it forgets the files."""
    import polars as pl

    schema = {"timestamp": pl.String, "node": pl.String, "watts": pl.Int64}
    time_of = pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    pl.scan_csv(source / "butter_e_energy" / "*.csv", schema=schema).with_columns(time_of).collect()


def join(source: Path) -> None:
    """Parsing, and the energy of every run."""
    from wattlas.dataset.butter_e.power_rows import read_power_rows
    from wattlas.dataset.butter_e.published_join import published_join
    from wattlas.dataset.butter_e.series import make_series, make_windows
    from wattlas.dataset.butter_e.tables_in import read_metadata
    from wattlas.dataset.butter_e.times import to_utc

    runs = read_metadata(source).runs
    rows = read_power_rows(source)
    series = make_series(rows, to_utc(rows.local_s))
    published_join(rows, series, make_windows(runs, rows, series))


PHASES: dict[str, Callable[[Path], None]] = {"parse-each": parse_each, "parse-all": parse_all, "join": join}


def measure(*command: object) -> tuple[float, float, float]:
    """Wall and CPU seconds and largest resident MiB of a command, start of the interpreter included."""
    with tempfile.TemporaryFile() as said:
        start_s = time.perf_counter()
        child = subprocess.Popen([sys.executable, *map(str, command)], stdout=said, stderr=said)
        # Not child.wait(): only wait4 tells what this one child used.
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start_s
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))} failed: {said.read().decode()}")
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def show(what: str, *command: object, repeats: int = REPEATS) -> float:
    """Print a command's figures and return its median wall time."""
    wall_s, cpu_s, peak_mib = zip(*(measure(*command) for _ in range(repeats)), strict=True)
    median_s = statistics.median(wall_s)
    print(
        f"{what:42s} median {median_s:5.2f} s  ({min(wall_s):.2f} to {max(wall_s):.2f}, n = {repeats}); "
        f"{statistics.median(cpu_s):6.2f} CPU s; {max(peak_mib):5.0f} MiB"
    )
    return median_s


def imported(what: str, source: Path, *options: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = ("-m", "wattlas", "dataset", "import-butter-e", source, Path(folder) / "dest", "--force")
        return show(what, *command, *options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--phase", nargs=2, metavar=("NAME", "SOURCE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.phase:
        PHASES[arguments.phase[0]](Path(arguments.phase[1]))
        return
    runs = SIZES[arguments.size]
    source, tenth = release(runs), release(runs // GROWTH)
    files = list((source / "butter_e_energy").iterdir())
    n_samples = sum(path.read_bytes().count(b"\n") - 1 for path in files)
    n_bytes = sum(path.stat().st_size for path in files)
    print(f"{runs:,} runs, {len(files):,} files, {n_samples:,} samples, {n_bytes / 1e6:.0f} MB")
    each_s = show("parse the CSV files alone, one by one", __file__, "--phase", "parse-each", source)
    all_s = show("parse the CSV files alone, in one scan", __file__, "--phase", "parse-all", source)
    join_s = show("parse and join", __file__, "--phase", "join", source)
    print(f"parse and join: {join_s / each_s:.2f} times parsing one by one, {join_s / all_s:.2f} in one scan")
    whole_s = imported("import-butter-e", source)
    imported("import-butter-e --upstream-compatible", source, "--upstream-compatible")
    tenth_s = imported(f"import-butter-e of {runs // GROWTH:,} runs", tenth)
    print(f"{GROWTH} times the samples take {whole_s / tenth_s:.1f} times the time")


if __name__ == "__main__":
    main()
