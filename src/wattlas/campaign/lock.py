"""Locks that die with their holder: one metered run per node, one driver per store."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wattlas.core.errors import StoreError, WattlasError


def node_lock_path() -> Path:
    """The file whose lock stands for this node's meters.

    In `WATTLAS_LOCK_DIR` if that is set, else in `/run/lock` or `/tmp`: a place that all users of a node
    share.
    """
    configured = os.environ.get("WATTLAS_LOCK_DIR")
    shared = Path("/run/lock")
    default = shared if shared.is_dir() and os.access(shared, os.W_OK) else Path("/tmp")
    return Path(configured or default) / "wattlas-node.lock"


@contextmanager
def node_lock(holder: str, wait: bool = False) -> Iterator[None]:
    """Hold the node's meters; `holder` says what for.

    Raises:
        WattlasError: another process holds them, and `wait` is False.
    """
    path = node_lock_path()
    with _locked(path, wait) as (handle, held_by):
        if handle is None:
            raise WattlasError(
                f"another campaign is metering this node ({held_by or 'unknown'}); a shared meter would "
                "count the "
                "energy of both: wait for it with --wait, or stop it"
            )
        os.truncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}, {holder}".encode(), 0)
        yield


@contextmanager
def store_lock(store: Path, wait: bool = False) -> Iterator[None]:
    """Be the only driver of a store.

    Raises:
        StoreError: another driver has it, and `wait` is False.
    """
    with _locked(store / ".lock", wait) as (handle, _):
        if handle is None:
            raise StoreError(
                f"{store} is in use by another 'wattlas sweep run'; wait for it with --wait, or stop it"
            )
        yield


def is_locked(store: Path) -> bool:
    """Whether a driver is at work on the store."""
    try:
        handle = os.open(store / ".lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[tuple[int | None, str]]:
    handle = _open_shared(path)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None, os.pread(handle, 200, 0).decode(errors="replace")
            return
        yield handle, ""
    finally:
        os.close(handle)


def _open_shared(path: Path) -> int:
    # Where a directory is sticky, Linux may refuse O_CREAT on another user's file: try without it first.
    try:
        return os.open(path, os.O_RDWR)
    except FileNotFoundError:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        os.fchmod(handle, 0o666)
        return handle
