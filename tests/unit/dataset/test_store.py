"""The run store: whole runs or none, each once, whatever kills the writer."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from wattlas.core.errors import StoreError
from wattlas.dataset.schema import EPOCHS, SCHEMA_VERSION
from wattlas.dataset.store import RunStore

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_store import commit
from wattlas.dataset.store import RunStore

store = RunStore(Path(sys.argv[1]), create=True)
store.clear_temporary()
done = store.done_run_ids()
for i in range(60):
    if f"run{i:03d}" not in done:
        commit(store, i)
    if i % 7 == 6:
        store.compact(at_least=5)
print("finished")
"""


def row(i: int, **changes: Any) -> dict[str, Any]:
    return {
        "run_id": f"run{i:03d}",
        "experiment_id": f"experiment{i // 2}",
        "status": "done",
        "energy_j": 100.0 + i,
        "source": "modelled",
        "attempt": 1,
        **changes,
    }


def commit(store: RunStore, i: int, **changes: Any) -> bool:
    epochs = {name: [None] * 3 for name in EPOCHS.names} | {"run_id": [f"run{i:03d}"] * 3, "epoch": [0, 1, 2]}
    power = {
        "run_id": [f"run{i:03d}"],
        "node": ["n"],
        "channel": ["fake:node"],
        "before_s": [0.0],
        "after_s": [0.1],
        "device_s": [None],
        "value": [float(i)],
        "kind": ["gauge"],
        "source": ["modelled"],
    }
    channels = {
        "run_id": [f"run{i:03d}"],
        "channel": ["fake:node"],
        "domain": ["node"],
        "kind": ["gauge"],
        "contained_in": [None],
        "energy_j": [100.0 + i],
        "u_energy_j": [1.0],
        "terms": ["{}"],
        "flags": [[]],
        "source": ["modelled"],
    }
    return store.commit(row(i, **changes), epochs, channels, power)


def ids(store: RunStore) -> list[str]:
    return sorted(store.read("runs")["run_id"].to_pylist())


def test_a_committed_run_is_read_back(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store", create=True)
    assert commit(store, 1)
    again = RunStore(tmp_path / "store")
    assert again.done_run_ids() == {"run001"}
    assert again.read("runs").to_pylist()[0]["energy_j"] == 101.0
    assert again.read("epochs")["epoch"].to_pylist() == [0, 1, 2]
    assert again.read("power").num_rows == again.read("channels").num_rows == 1


def test_a_settled_run_is_never_overwritten(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    assert commit(store, 1)
    assert not commit(store, 1, energy_j=7.0)
    assert store.read("runs")["energy_j"].to_pylist() == [101.0]
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_what_was_not_renamed_is_invisible(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    orphan = tmp_path / ".tmp" / "half"
    orphan.mkdir()
    (orphan / "runs.parquet").write_bytes(b"half a file")
    assert store.done_run_ids() == set()
    store.clear_temporary()
    assert not orphan.exists()


def test_compaction_keeps_every_run_once(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    for i in range(6):
        commit(store, i)
    before = store.read("epochs").sort_by("run_id")
    assert store.compact(at_least=7) == 0
    assert store.compact(at_least=6) == 6
    commit(store, 6)
    assert ids(store) == [f"run{i:03d}" for i in range(7)]
    assert store.read("epochs").slice(0, before.num_rows).sort_by("run_id").equals(before)
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == ["run006"]


def test_a_compaction_killed_before_its_deletions_counts_nothing_twice(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    for i in range(4):
        commit(store, i)
    saved = tmp_path.with_name("saved")
    subprocess.run(["cp", "-r", tmp_path / "runs", saved], check=True)
    store.compact(at_least=1)
    (tmp_path / "runs").rmdir()
    saved.rename(tmp_path / "runs")
    assert len(ids(store)) == 4
    assert store.read("epochs").num_rows == 12
    store.compact(at_least=1)
    assert list((tmp_path / "runs").iterdir()) == []
    assert len(ids(store)) == 4


def test_failed_attempts_are_counted_and_give_way_to_success(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    store.commit_failure(row(1, status="failed", attempt=1, energy_j=None, error="first"))
    store.commit_failure(row(1, status="failed", attempt=2, energy_j=None, error="second"))
    assert store.done_run_ids() == set()
    assert store.failed_attempts() == {"run001": 2}
    assert store.read("runs")["error"].to_pylist() == ["second"]
    commit(store, 1, attempt=3)
    assert store.failed_attempts() == {}
    assert store.read("runs")["status"].to_pylist() == ["done"]


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run store"):
        RunStore(tmp_path / "absent")
    (tmp_path / "file.txt").write_text("mine")
    with pytest.raises(StoreError, match="give an empty or new directory"):
        RunStore(tmp_path, create=True)
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    RunStore(tmp_path, create=True)
    mark = json.loads((tmp_path / "store.json").read_text())
    assert mark["schema_version"] == SCHEMA_VERSION
    (tmp_path / "store.json").write_text(json.dumps(mark | {"schema_version": "99"}))
    with pytest.raises(StoreError, match="schema version '99'"):
        RunStore(tmp_path)


def test_a_full_disk_is_one_line_and_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    # A limit on file size makes every write fail as a full disk does.
    code = (
        "import resource, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); "
        "from test_store import commit; from wattlas.dataset.store import RunStore; "
        "store = RunStore(Path(sys.argv[1]), create=True); commit(store, 0); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); commit(store, 1)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path, Path(__file__).parent],
        capture_output=True,
        text=True,
        timeout=60,
    )
    last = result.stderr.strip().splitlines()[-1]
    assert "StoreError" in last
    assert "could not be written" in last
    store = RunStore(tmp_path)
    assert ids(store) == ["run000"]
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_tables_are_plain_parquet(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    commit(store, 1)
    field = pq.read_schema(tmp_path / "runs" / "run001" / "runs.parquet").field("energy_j")
    assert field.metadata[b"unit"] == b"J"


def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    pick = random.Random(1)
    store_path = tmp_path / "store"
    seen: dict[str, float] = {}
    for kill in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, store_path, Path(__file__).parent],
            stdout=subprocess.PIPE,
            text=True,
        )
        if kill < 15:
            _wait_for_a_change(store_path, process)
            time.sleep(pick.uniform(0, 0.05))
            os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        if (store_path / "store.json").exists():
            rows = RunStore(store_path).read("runs").to_pylist()
            now = {r["run_id"]: r["energy_j"] for r in rows}
            assert len(now) == len(rows)
            assert seen.items() <= now.items()
            seen = now
        if "finished" in output:
            break
    assert seen == {f"run{i:03d}": 100.0 + i for i in range(60)}


def _wait_for_a_change(store_path: Path, process: "subprocess.Popen[str]") -> None:
    """Until the writer has begun to write: kills while Python starts would test nothing."""
    before = _entries(store_path)
    deadline = time.monotonic() + 30
    while _entries(store_path) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def _entries(store_path: Path) -> set[str]:
    if not (store_path / "runs").is_dir():
        return set()
    return {p.name for p in (store_path / "runs").iterdir()} | {
        p.name for p in (store_path / ".tmp").iterdir()
    }
