"""The made-up release says the truth about itself: read here file by file, with none of Wattlas's readers."""

import csv
import zipfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from wattlas.core.errors import UsageError
from wattlas.testing.butter_e_release import Law, write_release

DENVER = ZoneInfo("America/Denver")
RUNS = 150
Series = list[tuple[float, float]]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    dest = tmp_path_factory.mktemp("release") / "made-up"
    return dest, write_release(dest, runs=RUNS, seed=3)


@pytest.fixture(scope="module")
def series(release: tuple[Path, pl.DataFrame]) -> dict[tuple[int, str], Series]:
    """(seconds UTC, watts) of each job and node, read line by line. In the repeated hour it is the order of
    the file that tells the first pass from the second."""
    read: dict[tuple[int, str], Series] = {}
    passed: dict[tuple[int, str], bool] = {}
    for path in (release[0] / "inputs" / "butter_e_energy").iterdir():
        with path.open() as stream:
            for row in csv.DictReader(stream):
                key = int(path.stem), row["node"]
                wall = datetime.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=DENVER)
                samples = read.setdefault(key, [])
                second = wall.replace(fold=1).timestamp()
                first = wall.timestamp()
                later = passed.get(key, False) or (bool(samples) and first < samples[-1][0])
                passed[key] = later and first != second
                samples.append((second if passed[key] else first, float(row["watts"])))
    return read


def inside(run: dict[str, object], series: dict[tuple[int, str], Series]) -> tuple[Series, Series, Series]:
    """The samples of a run's node before, in and after it."""
    samples = series.get((run["slurm_job_id"], run["node"]), [])  # type: ignore[call-overload]
    start, end = (seconds(run[name]) for name in ("start_us", "end_us"))
    return (
        [s for s in samples if s[0] < start],
        [s for s in samples if start <= s[0] <= end],
        [s for s in samples if s[0] > end],
    )


def seconds(us: object) -> float:
    assert isinstance(us, int)
    return (datetime(2022, 9, 1, tzinfo=UTC) + timedelta(microseconds=us)).timestamp()


def test_samples_integrate_to_the_truth(
    release: tuple[Path, pl.DataFrame], series: dict[tuple[int, str], Series]
) -> None:
    errors, crossing = [], []
    sound = pl.col("planted_defect").is_in(["", "gap1"]) & (pl.col("duration_s") > 3600)
    for run in release[1].filter(sound).to_dicts():
        before, within, after = inside(run, series)
        t, w = np.array([*before[-1:], *within, *after[:1]]).T
        # At either end the next sample outside may be another run's: its own nearest sample holds.
        w[0], w[-1] = (within[0][1] if before else w[0]), (within[-1][1] if after else w[-1])
        start, end = seconds(run["start_us"]), seconds(run["end_us"])
        grid = np.unique(np.clip(t, start, end))
        watts = np.interp(grid, t, w)
        energy_j = np.sum((watts[1:] + watts[:-1]) / 2 * np.diff(grid))
        edges_j = (grid[0] - start) * w[0] + (end - grid[-1]) * w[-1]
        errors.append((energy_j + edges_j) / run["energy_j"] - 1)
        crossing += [run["crosses"]] if run["crosses"] else []
    assert len(errors) > 40
    assert set(crossing) == {"fold", "gap"}
    assert max(map(abs, errors)) < 5e-3
    assert abs(np.mean(errors)) < 3e-4


def test_the_closed_form_is_the_integral_of_the_power(release: tuple[Path, pl.DataFrame]) -> None:
    law = Law()
    for run in release[1].sort("duration_s")[:: RUNS // 15].to_dicts():
        terms = [np.array(run[name]) for name in ("startup_s", "startup_w", "train_w")]
        # Midpoints of pieces that end where the power jumps.
        edges = np.r_[
            np.linspace(0, run["startup_s"], 2), np.linspace(run["startup_s"], run["duration_s"], 200_000)[1:]
        ]
        watts = law.dynamic_w((edges[1:] + edges[:-1]) / 2, *terms)
        dynamic_j = float(np.sum(watts * np.diff(edges)))
        assert run["dynamic_j"] == pytest.approx(dynamic_j, rel=1e-6)
        at_node = run["idle_w"] * run["duration_s"] + run["gain"] * dynamic_j
        assert run["energy_j"] == pytest.approx(at_node, rel=1e-6)
        reference_w = 374.0 if run["is_gpu"] else 220.0
        assert run["std_energy_j"] == pytest.approx(reference_w * run["duration_s"] + dynamic_j, rel=1e-6)


def test_what_is_planted_is_there_and_nothing_else(
    release: tuple[Path, pl.DataFrame], series: dict[tuple[int, str], Series]
) -> None:
    seen = set()
    for run in release[1].to_dicts():
        before, within, _ = inside(run, series)
        zeros = sum(watts == 0 for _, watts in within)
        spacing = max((b[0] - a[0] for a, b in pairwise(within)), default=0)
        defect = run["planted_defect"]
        seen.add(defect)
        assert len(within) == run["n_samples"], run["run_id"]
        assert zeros == (defect == "zero"), run["run_id"]
        assert (bool(before) and before[-1][1] == 0) == (defect == "edge_zero"), run["run_id"]
        assert (spacing > 65) == (defect in ("gap1", "gap2")), run["run_id"]
        assert spacing < 125 or defect == "gap2"
        if defect in ("absent", "no_file"):
            assert not within
        elif not defect:
            assert abs(len(within) - run["duration_s"] / 60) < 1.1
        there = (release[0] / "inputs" / "butter_e_energy" / f"{run['slurm_job_id']}.csv").exists()
        assert there == (defect != "no_file")
    assert seen == {"", "zero", "edge_zero", "absent", "gap1", "gap2", "no_file"}


def test_the_hard_cases_are_there(
    release: tuple[Path, pl.DataFrame], series: dict[tuple[int, str], Series]
) -> None:
    dest, truth = release
    assert set(truth["node_type"]) == {"cpu1", "cpu2", "cpu3", "cpu4", "gpu1", "gpu2"}
    assert set(truth["file_layout"]) == {"single", "interleaved", "grouped"}
    assert set(truth["planted_duration"]) == {"", "long", "odd"}
    assert truth.filter(planted_duration="long")["duration_s"].min() > 75_000  # type: ignore[operator]
    main = truth.filter(pl.col("batch") != "optimizer_energy_1_cpu")
    assert (main.height, truth.height) == (RUNS, RUNS + round(RUNS * 23_859 / 41_129))
    overhead = main.filter((pl.col("dataset") == "505_tecator") & (pl.col("size") <= 1024))
    assert overhead.group_by("is_gpu").len()["len"].min() >= 3  # type: ignore[operator]
    assert main.group_by("experiment_id", "is_gpu").len()["len"].max() >= 3  # type: ignore[operator]
    crossing = truth.filter(pl.col("crosses") != "")
    assert crossing.filter(pl.col("file_layout") != "single")["crosses"].n_unique() == 2
    for layout, alternates in (("interleaved", True), ("grouped", False)):
        for job in truth.filter(file_layout=layout)["slurm_job_id"].unique():
            nodes = pl.read_csv(dest / "inputs" / "butter_e_energy" / f"{job}.csv")["node"]
            changes = (nodes != nodes.shift(1)).sum()
            assert (changes > 2 * nodes.n_unique()) == alternates
    wall = pl.concat(
        [pl.read_csv(path) for path in (dest / "inputs" / "butter_e_energy").iterdir()], how="vertical"
    )["timestamp"]
    assert wall.str.starts_with("2022-11-06T01:").sum() >= 2 * 100
    assert wall.str.starts_with("2023-03-12T01:").any()
    assert not wall.str.starts_with("2023-03-12T02:").any()


def test_no_node_is_in_two_jobs_at_a_time(series: dict[tuple[int, str], Series]) -> None:
    windows: dict[str, list[tuple[float, float]]] = {}
    for (_, node), samples in series.items():
        windows.setdefault(node, []).append((samples[0][0], samples[-1][0]))
        assert all(b[0] - a[0] > 50 for a, b in pairwise(samples))
    for spans in windows.values():
        assert all(a[1] < b[0] for a, b in pairwise(sorted(spans)))


def test_nodes_have_an_offset_and_a_gain_each(release: tuple[Path, pl.DataFrame]) -> None:
    nodes = pl.read_csv(release[0] / "truth" / "nodes.csv")
    published = pl.read_csv(release[0] / "inputs" / "node_power_dist.csv")
    assert nodes["node"].n_unique() == nodes.height == published.height
    assert nodes["idle_w"].n_unique() == nodes["gain"].n_unique() == nodes.height
    joined = nodes.join(published, on="node")
    assert (joined["p2"] - joined["idle_w"]).abs().max() <= 0.5  # type: ignore[operator]
    assert (joined["p50"] > joined["p2"] + 50).all()
    idle_w = joined.group_by("type").agg(pl.col("p2").median(), pl.col("nominal_idle_w").first())
    assert (idle_w["p2"] - idle_w["nominal_idle_w"]).abs().max() < 8  # type: ignore[operator]
    watts = joined.select(pl.col("^p\\d+$")).select("p000001", *(f"p{q}" for q in range(1, 100)), "p999999")
    for row in watts.iter_rows():
        assert list(row) == sorted(row)


def test_the_seed_decides(release: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    dest, truth = release
    again = write_release(tmp_path / "again", runs=RUNS, seed=3)
    other = write_release(tmp_path / "other", runs=RUNS, seed=4)
    assert again.equals(truth)
    assert not other.equals(truth)
    files = sorted(path.relative_to(dest) for path in dest.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    )
    for file in files:
        assert (dest / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_zips_hold_the_same_files(release: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    plain = release[0] / "inputs"
    write_release(tmp_path / "zipped", runs=RUNS, seed=3, zipped=True)
    packed = tmp_path / "zipped" / "inputs"
    assert sorted(path.name for path in packed.iterdir()) == [
        "butter_e_energy.zip",
        "butter_e_metadata.csv.zip",
        "node_power_dist.csv",
        "node_sinfo.csv",
        "pmlb.csv",
        "summary_by_epoch.tar",
    ]
    n_files = 0
    for name in ("butter_e_energy.zip", "butter_e_metadata.csv.zip"):
        with zipfile.ZipFile(packed / name) as archive:
            for member in archive.namelist():
                assert archive.read(member) == (plain / member).read_bytes()
                n_files += 1
    assert n_files == 1 + len(list((plain / "butter_e_energy").iterdir()))


def test_refuses_too_few_runs_and_a_place_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 100"):
        write_release(tmp_path / "few", runs=99)
    with pytest.raises(UsageError, match="another directory"):
        write_release(tmp_path, runs=100)
