"""Energies of made-up runs whose power is known in closed form: what meters and start-ups do to them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from wattlas.dataset.butter_e.importer import ImportOptions, import_butter_e
from wattlas.dataset.butter_e.integrate import Reading

DENVER = ZoneInfo("America/Denver")
IDLE_W, NOISE = {False: 220.0, True: 374.0}, 0.004
DAY = datetime(2022, 9, 1, 18, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A run in its own file: idle for ten minutes, the parts (s, W above idle) of the run, idle again."""

    start_s: float
    parts: tuple[tuple[float, float], ...]

    @property
    def end_s(self) -> float:
        return self.start_s + sum(seconds for seconds, _ in self.parts)

    def energy_j(self, until_s: np.ndarray, idle_w: float) -> np.ndarray:
        """Since 0, in closed form."""
        total, begins = idle_w * until_s, self.start_s
        for seconds, watts in self.parts:
            total = total + watts * np.clip(until_s - begins, 0.0, seconds)
            begins += seconds
        return total

    def readings(self, idle_w: float, averaged: bool, rng: np.random.Generator) -> list[tuple[int, int]]:
        at = np.arange(60 + int(rng.integers(60)), self.end_s + 600, 60)
        width = 60.0 if averaged else 1e-3
        power = (self.energy_j(at, idle_w) - self.energy_j(at - width, idle_w)) / width
        noisy = power * rng.normal(1, NOISE / np.sqrt(60) if averaged else NOISE, len(at))
        return [(int(t), round(w)) for t, w in zip(at, noisy, strict=True)]


def release(folder: Path, runs: list[Made], gpu: bool, averaged: bool, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    (folder / "butter_e_energy").mkdir(parents=True)
    rows = []
    for k, run in enumerate(runs):
        lines = (
            f"{(DAY + timedelta(seconds=t)).astimezone(DENVER):%Y-%m-%dT%H:%M:%SZ},a,{watts}\n"
            for t, watts in run.readings(IDLE_W[gpu], averaged, rng)
        )
        (folder / "butter_e_energy" / f"{k}.csv").write_text("timestamp,node,watts\n" + "".join(lines))
        start, end = (
            f"{DAY + timedelta(seconds=s):%Y-%m-%d %H:%M:%S.%f+00:00}" for s in (run.start_s, run.end_s)
        )
        rows.append(
            f"r{k},x,7,{k},{start},{end},a,1024,3,rectangle,505_tecator,0.0001,256,Adam,{gpu},energy_2\n"
        )
    (folder / "butter_e_metadata.csv").write_text(
        "run_id,experiment_id,old_experiment_id,slurm_job_id,start_time,update_time,host_name,size,depth,"
        "shape,dataset,learning_rate,batch_size,optimizer,is_gpu,batch\n" + "".join(rows)
    )
    node = "36,751616,1500000,gpu:v100:2" if gpu else "36,85248,900000,(null)"
    (folder / "node_sinfo.csv").write_text(f"HOSTNAMES,CPUS,MEMORY,TMP_DISK,GRES\na,{node}\n")
    (folder / "node_power_dist.csv").write_text(f"node,p2\na,{IDLE_W[gpu]}\n")
    return folder


def errors(folder: Path, runs: list[Made], gpu: bool, reading: Reading | None = None) -> pl.DataFrame:
    """`error` relative to the truth and `z`, in the order of the runs; the report's reading as `reading`."""
    report = import_butter_e(folder, folder.parent / "dest", ImportOptions(reading=reading), force=True)
    found = pl.read_parquet(folder.parent / "dest" / "runs.parquet")
    assert found["status"].to_list() == ["done"] * len(runs)
    edges = [(np.array([run.start_s, run.end_s]), run) for run in runs]
    truth = pl.Series([float(np.diff(run.energy_j(edge, IDLE_W[gpu]))[0]) for edge, run in edges])
    away = found["energy_j"] - truth
    return pl.DataFrame(
        {"error": away / truth, "z": away / found["u_energy_j"]},
    ).with_columns(pl.lit(report["reading"]["is"]).alias("reading"))


def rms(values: pl.Series) -> float:
    return float(np.sqrt(np.mean(np.square(values.to_numpy()))))


@pytest.fixture
def short() -> list[Made]:
    """CPU runs of 4 to 30 minutes, 55 s of start-up in each."""
    rng = np.random.default_rng(5)
    return [
        Made(
            600 + rng.uniform(0, 60),
            ((rng.normal(55, 1), 45.0), (rng.uniform(180, 1750), rng.uniform(80, 150))),
        )
        for _ in range(200)
    ]


@pytest.mark.parametrize("given", [None, "averaged"])
def test_a_meter_that_averages_is_told_and_its_energies_are_right(
    tmp_path: Path, short: list[Made], given: Reading | None
) -> None:
    found = errors(release(tmp_path / "r", short, gpu=False, averaged=True), short, False, given)
    assert set(found["reading"]) == {"averaged"}
    assert rms(found["error"]) < 0.001
    assert 0.5 < rms(found["z"]) < 1.3
    assert (found["z"].abs() < 1.96).mean() > 0.9  # type: ignore[operator]


def test_the_wrong_kind_of_reading_does_worse(tmp_path: Path, short: list[Made]) -> None:
    source = release(tmp_path / "r", short, gpu=False, averaged=True)
    right = errors(source, short, False, "averaged")
    wrong = errors(source, short, False, "instantaneous")
    assert rms(wrong["error"]) > 5 * rms(right["error"])


def test_a_meter_of_the_instant_is_told(tmp_path: Path, short: list[Made]) -> None:
    found = errors(release(tmp_path / "r", short, gpu=False, averaged=False), short, False)
    assert set(found["reading"]) == {"instantaneous"}
    assert rms(found["error"]) < 0.002
    assert 0.5 < rms(found["z"]) < 1.3


@pytest.mark.parametrize("averaged", [False, True])
def test_a_start_up_of_ten_minutes_in_a_run_of_fifteen_is_covered(tmp_path: Path, averaged: bool) -> None:
    rng = np.random.default_rng(6)
    runs = [
        Made(600 + rng.uniform(0, 60), ((rng.normal(600, 15), 40.0), (rng.normal(300, 15), 210.0)))
        for _ in range(100)
    ]
    found = errors(release(tmp_path / "r", runs, gpu=True, averaged=averaged), runs, True)
    assert rms(found["error"]) < 0.02
    assert found["z"].abs().max() < 3  # type: ignore[operator]
    assert rms(found["z"]) > 0.3
