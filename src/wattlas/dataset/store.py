"""The run store: a directory to which runs are added, each whole or not at all, and never changed.

    STORE/store.json                 what this is, and its schema version
    STORE/runs/<run_id>/             one settled run: runs, epochs, channels and power.parquet
    STORE/segments/<id>/             many settled runs, compacted: the same four files
    STORE/attempts/<run_id>.<n>.parquet   the run row of a failed attempt, with its traceback
    STORE/nodes/<content id>.parquet      a node on a day
    STORE/campaigns/<spec hash>/     spec.toml and plan.parquet of every spec that was run here
    STORE/.cache, STORE/.tmp         may be deleted while nothing runs

A run is committed by one rename of a directory whose files are on disk: rename fails if the run is there, and
what was not renamed is invisible. A settled run is `done` or `diverged`; a failed one may be tried again.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wattlas.core.errors import StoreError
from wattlas.core.ids import content_id
from wattlas.dataset.schema import NODES, RUNS, SCHEMA_VERSION, TABLES

RUN_TABLES = ("runs", "epochs", "channels", "power")
COMPACT_AT = 500
_MARK = {"format": "wattlas run store", "schema_version": SCHEMA_VERSION}
_READ_TRIES = 20

Columns = Mapping[str, Sequence[Any]]


class RunStore:
    """A run store on disk. Several processes may read it while one adds runs."""

    def __init__(self, path: Path, create: bool = False) -> None:
        """Open the store at `path`; with `create`, make it if the path is absent or empty.

        Raises:
            StoreError: there is no store, or one of another schema version, or something else.
        """
        self.path = Path(path)
        mark = self.path / "store.json"
        if create and not mark.exists():
            self._make()
        try:
            found = json.loads(mark.read_bytes())
        except FileNotFoundError as error:
            raise StoreError(
                f"{self.path} is not a run store; make one with 'wattlas sweep run SPEC --store {self.path}'"
            ) from error
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{mark} cannot be read ({error}); restore it, or use another --store"
            ) from error
        version = found.get("schema_version") if isinstance(found, dict) else None
        if not isinstance(found, dict) or found.get("format") != _MARK["format"] or version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema version {version!r} and this Wattlas writes {SCHEMA_VERSION!r}; "
                "use the "
                "Wattlas that made it, or another --store"
            )

    def _make(self) -> None:
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise StoreError(f"{self.path} is there and is not a run store; give an empty or new directory")
        # The store appears by one rename, so that a kill leaves no half-made one behind.
        new = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        try:
            for name in ("runs", "segments", "attempts", "nodes", "campaigns", ".tmp"):
                (new / name).mkdir(parents=True)
            write_atomically(new / "store.json", json.dumps(_MARK).encode())
            new.rename(self.path)
        except OSError as error:
            raise self._failed_write(error) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)

    # -- writing ---------------------------------------------------------------------------------------

    def commit(
        self, run: Mapping[str, Any], epochs: Columns, channels: Columns, power: Columns | pa.Table
    ) -> bool:
        """Add a settled run; False if the store has it already, and then nothing changes.

        Raises:
            StoreError: it could not be written, a full disk for one; the store is as it was.
        """
        tables = {
            "runs": pa.Table.from_pylist([dict(run)], schema=RUNS),
            "epochs": _table("epochs", epochs),
            "channels": _table("channels", channels),
            "power": _table("power", power),
        }
        return self._add_directory(self.path / "runs" / str(run["run_id"]), tables)

    def commit_failure(self, run: Mapping[str, Any]) -> None:
        """Keep the row of a failed attempt, whose `attempt` counts from 1."""
        table = pa.Table.from_pylist([dict(run)], schema=RUNS)
        self._add_file(self.path / "attempts" / f"{run['run_id']}.{run['attempt']}.parquet", table)

    def commit_node(self, node: Mapping[str, Any]) -> None:
        """Keep what is known of a node on a day."""
        table = pa.Table.from_pylist([dict(node)], schema=NODES)
        name = content_id({key: str(value) for key, value in node.items()})
        self._add_file(self.path / "nodes" / f"{name}.parquet", table)

    def commit_campaign(self, spec_hash: str, spec_text: str, plan: Columns) -> None:
        """Keep a spec and the runs it asks for, and make it the one that `status` counts against."""
        directory = self.path / "campaigns" / spec_hash
        if not directory.exists():
            temporary = self._temporary()
            try:
                temporary.mkdir()
                write_atomically(temporary / "spec.toml", spec_text.encode())
                _write_parquet(pa.table(dict(plan)), temporary / "plan.parquet")
                _rename_new(temporary, directory)
            except OSError as error:
                raise self._failed_write(error) from error
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        self.write_file("campaigns/current.json", json.dumps({"spec_hash": spec_hash}).encode())

    def write_file(self, name: str, content: bytes) -> None:
        """Write or replace a small file of the store, atomically."""
        try:
            write_atomically(self.path / name, content)
        except OSError as error:
            raise self._failed_write(error) from error

    # -- reading ---------------------------------------------------------------------------------------

    def done_run_ids(self) -> set[str]:
        """Ids of the settled runs: done or diverged."""
        loose, segments = self._listing()
        return set(loose).union(*(self._segment_ids(segment) for segment in segments))

    def failed_attempts(self) -> dict[str, int]:
        """Number of failed attempts of every run that is not settled."""
        counts: dict[str, int] = {}
        for path in (self.path / "attempts").glob("*.parquet"):
            run_id, attempt, _ = path.name.split(".")
            counts[run_id] = max(counts.get(run_id, 0), int(attempt))
        settled = self.done_run_ids()
        return {run_id: count for run_id, count in counts.items() if run_id not in settled}

    def read(self, name: str) -> pa.Table:
        """One of the tables `runs`, `epochs`, `channels`, `power` or `nodes`, every run in it once.

        `runs` has the last attempt of failed runs as well.
        """
        if name == "nodes":
            return _read_files((self.path / "nodes").glob("*.parquet"), name)
        for _ in range(_READ_TRIES):
            try:
                return self._read_runs(name)
            except FileNotFoundError:
                # A compaction moved runs between the listing and the reading.
                continue
        raise StoreError(f"{self.path} changes faster than it can be read; try again when the sweep is idle")

    def campaign(self) -> tuple[str, pa.Table] | None:
        """Text of the spec last run here, and the runs it asks for; None if there was none."""
        try:
            current = json.loads((self.path / "campaigns" / "current.json").read_bytes())["spec_hash"]
        except FileNotFoundError:
            return None
        directory = self.path / "campaigns" / current
        return (directory / "spec.toml").read_text(), pq.read_table(directory / "plan.parquet")

    def _read_runs(self, name: str) -> pa.Table:
        loose, segments = self._listing()
        in_segments: set[str] = set().union(*(self._segment_ids(segment) for segment in segments))
        files = [segment / f"{name}.parquet" for segment in segments]
        files += [
            self.path / "runs" / run_id / f"{name}.parquet" for run_id in loose if run_id not in in_segments
        ]
        if name == "runs":
            failed = self.failed_attempts()
            files += [self.path / "attempts" / f"{run_id}.{n}.parquet" for run_id, n in failed.items()]
        return _read_files(files, name)

    def _listing(self) -> tuple[list[str], list[Path]]:
        # Loose runs first: a run that is compacted in between is then seen twice, and counted once, not
        # missed.
        loose = [entry.name for entry in os.scandir(self.path / "runs")]
        return loose, sorted(Path(entry.path) for entry in os.scandir(self.path / "segments"))

    def _segment_ids(self, segment: Path) -> list[str]:
        ids: list[str] = pq.read_table(segment / "runs.parquet", columns=["run_id"])["run_id"].to_pylist()
        return ids

    # -- upkeep ----------------------------------------------------------------------------------------

    def compact(self, at_least: int = COMPACT_AT) -> int:
        """Put loose runs, if there are `at_least` so many, into one segment; return how many were moved.

        Safe to be killed anywhere: the segment appears by one rename; a loose run that is also in a segment
        is not read, and is swept away here. Only one process at a time may do this.
        """
        loose, segments = self._listing()
        in_segments: set[str] = set().union(*(self._segment_ids(segment) for segment in segments))
        for run_id in in_segments.intersection(loose):
            self._discard(self.path / "runs" / run_id)
        moving = sorted(set(loose) - in_segments)
        if len(moving) < max(at_least, 1):
            return 0
        tables = {
            name: _read_files([self.path / "runs" / run_id / f"{name}.parquet" for run_id in moving], name)
            for name in RUN_TABLES
        }
        self._add_directory(self.path / "segments" / content_id({"runs": moving}), tables)
        for run_id in moving:
            self._discard(self.path / "runs" / run_id)
        return len(moving)

    def clear_temporary(self) -> None:
        """Delete what an interrupted process left behind; only while no other process writes."""
        (self.path / ".tmp").mkdir(exist_ok=True)
        for entry in (self.path / ".tmp").iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _discard(self, directory: Path) -> None:
        trash = self._temporary()
        directory.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)

    def _temporary(self) -> Path:
        return self.path / ".tmp" / uuid.uuid4().hex

    def _add_directory(self, directory: Path, tables: Mapping[str, pa.Table]) -> bool:
        temporary = self._temporary()
        try:
            temporary.mkdir()
            for name, table in tables.items():
                _write_parquet(table, temporary / f"{name}.parquet")
            _sync(temporary)
            return _rename_new(temporary, directory)
        except OSError as error:
            raise self._failed_write(error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _add_file(self, path: Path, table: pa.Table) -> None:
        temporary = self._temporary()
        try:
            _write_parquet(table, temporary)
            temporary.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise self._failed_write(error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _failed_write(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path} could not be written ({error.strerror or error}); the store is as it was before "
            "this run: "
            "make room, then run the same command again"
        )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a power cut, sees the old content or the new."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _table(name: str, columns: Columns | pa.Table) -> pa.Table:
    if isinstance(columns, pa.Table):
        return columns.cast(TABLES[name])
    return pa.table(dict(columns), schema=TABLES[name])


def _write_parquet(table: pa.Table, path: Path) -> None:
    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def _read_files(paths: Iterable[Path], name: str) -> pa.Table:
    # `ParquetFile` reads one file as it is: `read_table` would look for partition keys in the path.
    tables = [pq.ParquetFile(path).read().cast(TABLES[name]) for path in paths]
    return pa.concat_tables(tables) if tables else TABLES[name].empty_table()


def _rename_new(temporary: Path, directory: Path) -> bool:
    try:
        temporary.rename(directory)
    except OSError:
        if directory.is_dir() and any(directory.iterdir()):
            return False
        raise
    _sync(directory.parent)
    return True


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
