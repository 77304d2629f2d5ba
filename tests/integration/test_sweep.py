"""A sweep from spec to dataset, and everything that may stop it in between."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattlas.dataset.store import RunStore
from wattlas.dataset.tables import load_tables

SPEC = """\
[campaign]
name = "test"
[networks]
shapes = ["rectangle", "trapezoid"]
depths = [3, 4]
sizes = [64, 128, 256, 512]
[[datasets]]
name = "iris"
[training]
epochs = 5
batch_size = 32
[runs]
repetitions = 2
[engine]
name = "fickle"
[meter]
names = ["modelled"]
idle_power_w = 20.0
peak_power_w = 60.0
interval_s = 0.02
baseline_s = 0.05
"""
N_RUNS = 32


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with the fickle engine installed as a plugin, and this test's own node lock."""
    site = tmp_path / "site"
    shutil.copytree(
        Path(__file__).parent, site, ignore=lambda _, names: [n for n in names if n != "fickle_engine.py"]
    )
    about = site / "fickle-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fickle\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[wattlas.engines]\nfickle = fickle_engine:FickleEngine\n")
    orders = tmp_path / "orders"
    orders.mkdir()
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": paths, "WATTLAS_LOCK_DIR": str(tmp_path), "FICKLE": str(orders)}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "wattlas", *map(str, arguments)]


def wattlas(environment: Mapping[str, str], *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=environment["FICKLE"],
    )


def status(environment: Mapping[str, str], store: Path) -> dict[str, Any]:
    result = wattlas(environment, "sweep", "status", store, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def energies(store: Path) -> dict[str, float]:
    rows = RunStore(store).read("runs").to_pylist()
    found = {row["run_id"]: row["energy_j"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_from_spec_to_dataset(environment: dict[str, str], spec: Path, tmp_path: Path) -> None:
    spec.write_text(SPEC.replace('"fickle"', '"numpy"'))
    store, dataset = tmp_path / "store", tmp_path / "dataset"
    first = wattlas(environment, "sweep", "run", spec, "--store", store)
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    assert "modelled" in first.stderr
    before = energies(store)
    assert len(before) == N_RUNS
    again = wattlas(environment, "sweep", "run", spec, "--store", store)
    assert again.returncode == 0, again.stderr
    assert energies(store) == before
    assert status(environment, store) | {"planned": N_RUNS, "done": N_RUNS, "pending": 0} == status(
        environment, store
    )

    built = wattlas(environment, "dataset", "build", store, dataset)
    assert built.returncode == 0, built.stderr
    tables = load_tables(dataset)
    assert tables.runs.height == N_RUNS
    assert tables.sources == ("modelled",)
    assert tables.experiments.height == N_RUNS // 2
    assert tables.experiments["n_runs"].to_list() == [2] * (N_RUNS // 2)
    assert tables.epochs.height == N_RUNS * 6
    assert tables.nodes.height == 1
    assert set(tables.power["run_id"]) == set(tables.runs["run_id"])
    _check_physics(tables.runs, tables.epochs, tables.experiments)

    refused = wattlas(environment, "dataset", "build", store, dataset)
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert wattlas(environment, "dataset", "build", store, dataset, "--force").returncode == 0


def _check_physics(runs: pl.DataFrame, epochs: pl.DataFrame, experiments: pl.DataFrame) -> None:
    power_w = runs["energy_j"] / runs["duration_s"]
    assert power_w.is_between(19.9, 60.1).all()
    assert (runs["u_energy_j"] > 0).all()
    assert (runs["idle_energy_j"] > 0).all()
    last = epochs.group_by("run_id").agg(pl.col("energy_j").sort_by("epoch").last().alias("at_end_j"))
    joined = runs.join(last, on="run_id")
    assert (joined["at_end_j"] <= joined["energy_j"] * 1.001).all()
    assert epochs.sort("run_id", "epoch").select((pl.col("energy_j").diff().over("run_id") >= 0).all()).item()
    data = experiments["epochs"] * experiments["n_train_batches"] * experiments["batch_size"]
    assert (experiments["energy_per_datum_j"] * data - experiments["energy_j"]).abs().max() < 1e-9  # type: ignore[operator]
    assert experiments["ws_f_level"].null_count() == 0


@pytest.mark.slow
def test_kill_9_of_the_driver_at_any_moment(environment: dict[str, str], spec: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    pick = random.Random(3)
    seen: dict[str, float] = {}
    kills = 0
    while len(seen) < N_RUNS:
        driver = subprocess.Popen(
            command("sweep", "run", spec, "--store", store), env=environment, stderr=subprocess.PIPE
        )
        if kills < 16:
            _wait_for_workers(driver)
            time.sleep(pick.uniform(0, 0.25))
            workers = _children(driver.pid)
            os.kill(driver.pid, signal.SIGKILL)
            kills += 1
        driver.communicate(timeout=120)
        if kills < 16:
            assert _gone(workers)
        now = energies(store)
        assert seen.items() <= now.items()
        seen = now
    final = wattlas(environment, "sweep", "run", spec, "--store", store)
    assert final.returncode == 0, final.stderr
    assert energies(store) == seen
    assert status(environment, store)["done"] == N_RUNS


def _wait_for_workers(driver: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while not _children(driver.pid) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


def _gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.02)
    return False


def test_ctrl_c_ends_the_worker_and_says_how_to_go_on(
    environment: dict[str, str], spec: Path, tmp_path: Path
) -> None:
    spec.write_text(SPEC.replace("epochs = 5", "epochs = 5000"))
    driver = subprocess.Popen(
        command("sweep", "run", spec, "--store", tmp_path / "store"),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_workers(driver)
    workers = _children(driver.pid)
    second = wattlas(environment, "sweep", "run", spec, "--store", tmp_path / "other")
    assert second.returncode == 1
    assert "another campaign is metering this node" in second.stderr.splitlines()[-1]
    assert status(environment, tmp_path / "store")["running"] == 1
    driver.send_signal(signal.SIGTERM)
    _, stderr = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert stderr.splitlines()[-1] == "wattlas: stopped; run the same command again to go on"
    assert workers
    assert _gone(workers)
    assert status(environment, tmp_path / "store")["running"] == 0


def test_failures_are_recorded_retried_and_set_aside(
    environment: dict[str, str], spec: Path, tmp_path: Path
) -> None:
    spec.write_text(SPEC.replace("repetitions = 2", "repetitions = 1"))
    store, orders = tmp_path / "store", Path(environment["FICKLE"])
    planned = json.loads(wattlas(environment, "sweep", "plan", spec, "--json").stdout)
    assert planned["n_runs"] == 16
    sizes = _parameters(environment, spec, tmp_path)
    for n_parameters, wish in zip(sizes, ["killed once", "raise", "diverge"], strict=False):
        (orders / str(n_parameters)).write_text(wish)
    result = wattlas(environment, "sweep", "run", spec, "--store", store)
    assert result.returncode == 0, result.stderr
    rows = {row["n_parameters"]: row for row in RunStore(store).read("runs").to_pylist()}
    assert rows[sizes[0]]["status"] == "failed"
    assert "SIGKILL" in rows[sizes[0]]["error"]
    assert rows[sizes[0]]["energy_j"] is None
    assert "not to my taste" in rows[sizes[1]]["error"]
    assert rows[sizes[2]]["status"] == "diverged"
    assert status(environment, store) | {"done": 14, "diverged": 1, "failed": 2, "set_aside": 0} == status(
        environment, store
    )
    for _ in range(3):
        assert wattlas(environment, "sweep", "run", spec, "--store", store).returncode == 0
    rows = {row["n_parameters"]: row for row in RunStore(store).read("runs").to_pylist()}
    assert (rows[sizes[0]]["status"], rows[sizes[0]]["attempt"]) == ("done", 2)
    assert (rows[sizes[1]]["status"], rows[sizes[1]]["attempt"]) == ("failed", 3)
    assert status(environment, store)["set_aside"] == 1
    assert wattlas(environment, "dataset", "build", store, tmp_path / "dataset").returncode == 0
    experiments = load_tables(tmp_path / "dataset").experiments
    diverged = experiments.filter(pl.col("n_parameters") == sizes[2])
    assert diverged.select("n_runs", "n_diverged", "energy_j").rows() == [(0, 1, None)]
    assert experiments.filter(pl.col("n_parameters") == sizes[1]).height == 0


def _parameters(environment: dict[str, str], spec: Path, tmp_path: Path) -> list[int]:
    """Parameter counts that one network of the plan has, and no other."""
    wattlas(environment, "sweep", "run", spec, "--store", tmp_path / "rehearsal")
    counts = RunStore(tmp_path / "rehearsal").read("runs")["n_parameters"].to_pylist()
    return sorted(n for n in counts if counts.count(n) == 1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("depths", "depth", "did you mean 'depths'?"),
        ('"iris"', '"irish"', "did you mean 'iris'?"),
        ("sizes = [64, 128, 256, 512]", "sizes = [2]", "no network meets any of the sizes"),
        ('"iris"', '"mnist"', "mnist"),
        ("epochs = 5", "epochs = 5\nlearning_rate = nan", "finite"),
        ('names = ["modelled"]', 'names = ["modeled"]', "did you mean 'modelled'?"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    old: str, new: str, words: str, environment: dict[str, str], spec: Path, tmp_path: Path
) -> None:
    spec.write_text(SPEC.replace(old, new, 1))
    result = wattlas(environment, "sweep", "run", spec, "--store", tmp_path / "store")
    assert result.returncode in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr
    assert not (tmp_path / "store").exists()


def test_a_cluster_is_not_there_yet(environment: dict[str, str], spec: Path, tmp_path: Path) -> None:
    result = wattlas(environment, "sweep", "run", spec, "--store", tmp_path / "s", "--cluster", "slurm")
    assert result.returncode == 2
    assert result.stderr == "wattlas: --cluster slurm is not there yet; use --cluster local\n"
