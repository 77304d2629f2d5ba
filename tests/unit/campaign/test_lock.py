"""Locks die with their holder; a second campaign is told."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wattlas.campaign.lock import is_locked, node_lock, store_lock
from wattlas.core.errors import StoreError, WattlasError

HOLD = (
    "import sys, time; from pathlib import Path; from wattlas.campaign.lock import node_lock, store_lock\n"
    "with store_lock(Path(sys.argv[1])), node_lock('test'):\n    print('held', flush=True); time.sleep(60)"
)


def test_a_second_campaign_is_refused_until_the_first_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTLAS_LOCK_DIR", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            WattlasError, match=f"another campaign is metering this node .process {holder.pid}"
        ):
            node_lock("me").__enter__()
        with pytest.raises(StoreError, match="in use by another"):
            store_lock(tmp_path).__enter__()
        assert is_locked(tmp_path)
        os.kill(holder.pid, signal.SIGKILL)
    assert not is_locked(tmp_path)
    with node_lock("me", wait=True), store_lock(tmp_path):
        assert is_locked(tmp_path)
