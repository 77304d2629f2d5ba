"""A published release brought to a directory: downloaded, checked against what came first, unpacked."""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from wattlas.core.errors import DataError, StoreError, UnknownNameError
from wattlas.dataset.download import OnBytes, Patience, check_url, download
from wattlas.dataset.pmlb_facts import PMLB_CSV
from wattlas.dataset.unpack import SUFFIXES, Limits, unpack

CHECKSUMS = "checksums.json"
_ARCHIVES = "downloads"


@dataclass(frozen=True)
class Release:
    """A publication: where its files are, which they are, and what belongs to them that it does not hold."""

    name: str
    base_url: str
    files: tuple[str, ...]
    shipped: tuple[tuple[str, str], ...] = ()


RELEASES = {
    release.name: release
    for release in (
        Release(
            "butter-e",
            "https://data.openei.org/files/5991/",
            (
                "butter_e_metadata.csv.zip",
                "butter_e_energy.zip",
                "node_power_dist.csv",
                "node_sinfo.csv",
                "runs_with_standardized_energy.csv.zip",
                "summary_by_epoch.tar",
            ),
            (("pmlb.csv", PMLB_CSV),),
        ),
    )
}


@dataclass(frozen=True)
class Record:
    """What the first download of a file was."""

    sha256: str
    size_bytes: int
    url: str
    fetched_utc: str


@dataclass(frozen=True)
class Fetched:
    """What became of a file: its record, whether it came just now, and what it was unpacked to."""

    name: str
    record: Record
    downloaded: bool
    unpacked: Path | None


def fetch(
    release_name: str,
    dest: Path,
    *,
    base_url: str | None = None,
    names: Sequence[str] = (),
    patience: Patience | None = None,
    limits: Limits | None = None,
    on_file: Callable[[str], OnBytes] = lambda name: lambda done, total: None,
) -> list[Fetched]:
    """Bring the release's files, or those of `names`, to `dest`; what is there is checked, not fetched again.

    Archives stay in `dest/downloads`; what they hold is put beside the other files in `dest`. Each file, and
    each unpacked folder, is complete or absent. The publisher gives no checksums, so those of the first
    download are kept in `dest/checksums.json`, and a file that later differs from them is refused.

    Raises:
        UnknownNameError: no such release or file.
        UsageError: `base_url` is no http or https address.
        DataError: a file is not to be had, differs from its first download, or is an archive to be refused.
        StoreError: `dest` cannot be written, or another fetch is at work in it.
    """
    if release_name not in RELEASES:
        raise UnknownNameError("release", release_name, RELEASES)
    release = RELEASES[release_name]
    for name in names:
        if name not in release.files:
            raise UnknownNameError(f"file of {release.name}", name, release.files)
    base_url = base_url or release.base_url
    check_url(base_url)
    with _only_one(Path(dest)) as folder:
        ledger = _Ledger(folder / CHECKSUMS)
        fetched = [
            _bring(
                name, f"{base_url.rstrip('/')}/{quote(name)}", folder, ledger, patience, limits, on_file(name)
            )
            for name in dict.fromkeys(names or release.files)
        ]
        for name, text in release.shipped:
            if not (folder / name).exists():
                _replace(folder / name, text)
    return fetched


def _bring(
    name: str,
    url: str,
    folder: Path,
    ledger: "_Ledger",
    patience: Patience | None,
    limits: Limits | None,
    on_bytes: OnBytes,
) -> Fetched:
    packed = name.endswith(SUFFIXES)
    path = folder / _ARCHIVES / name if packed else folder / name
    known = ledger.records.get(name)
    downloaded = not path.exists()
    if downloaded:
        part = folder / _ARCHIVES / f"{name}.part"
        download(url, part, patience, on_bytes)
        record = _record(part, url)
        if known is not None and known.sha256 != record.sha256:
            part.unlink()
            raise DataError(
                f"{url} is no longer the file first fetched on {known.fetched_utc} ({known.size_bytes} bytes "
                f"then, {record.size_bytes} now); to take the new one, delete {name!r} from {ledger.path}"
            )
        part.rename(path)
    else:
        record = _record(path, url)
        if known is not None and known.sha256 != record.sha256:
            raise DataError(
                f"{path} has changed since it was fetched on {known.fetched_utc}; delete it, then fetch again"
            )
    unpacked = folder / Path(name).stem if packed else None
    if unpacked is not None and not unpacked.exists():
        try:
            unpack(path, unpacked, limits)
        except DataError:
            # What was cut short or is hostile must not become what later downloads are compared with.
            if known is None:
                path.unlink()
            raise
    ledger.add(name, record)
    return Fetched(name, ledger.records[name], downloaded, unpacked)


class _Ledger:
    """`checksums.json`: the first download of each file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        if path.exists():
            try:
                files = json.loads(path.read_text())["files"]
                self.records = {name: Record(**record) for name, record in files.items()}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(
                    f"{path} is no list of checksums ({error}); put it right, or delete it to trust the "
                    "files as they are"
                ) from error

    def add(self, name: str, record: Record) -> None:
        """Keep the record, unless there is one."""
        if name in self.records:
            return
        self.records[name] = record
        files = {key: asdict(value) for key, value in sorted(self.records.items())}
        _replace(self.path, json.dumps({"files": files}, indent=1) + "\n")


def _record(path: Path, url: str) -> Record:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(digest, path.stat().st_size, url, now)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_text(text)
    temporary.replace(path)


@contextmanager
def _only_one(dest: Path) -> Iterator[Path]:
    """Hold `dest`, made if need be: two at work on one part would mix their bytes."""
    try:
        (dest / _ARCHIVES).mkdir(parents=True, exist_ok=True)
        handle = os.open(dest / _ARCHIVES / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"{dest} cannot be written ({error.strerror}); give a directory of your own"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"another fetch is at work in {dest}; wait for it or stop it") from error
        yield dest
    finally:
        os.close(handle)
