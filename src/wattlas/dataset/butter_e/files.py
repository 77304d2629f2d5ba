"""Finding the published files under a folder: each as it is, or in a zip of its own or of all."""

import os
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from wattlas.core.errors import DataError, StoreError

METADATA = "butter_e_metadata.csv"
POWER = "butter_e_energy"
NODES = "node_sinfo.csv"
IDLE_POWER = "node_power_dist.csv"
DATASETS = "pmlb.csv"
SUMMARY = "summary_by_epoch"
# A job of a month on thirty nodes has 50 MB.
LARGEST_MEMBER_BYTES = 1 << 30
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class PowerFile:
    """One job's power file: what to call it, its job id as its name gives it, and how many bytes it has."""

    label: str
    job: str
    n_bytes: int
    path: Path
    member: str | None = None


def read_table(source: Path, name: str) -> tuple[bytes, str]:
    """The bytes of the table `name` or `name`.zip in `source`, and what to call it in a message.

    Raises:
        DataError: the archive is damaged or holds no such file.
        StoreError: it is not there.
    """
    plain, zipped = source / name, source / f"{name}.zip"
    if plain.is_file():
        return plain.read_bytes(), str(plain)
    if not zipped.is_file():
        raise StoreError(
            f"{source} has neither {name} nor {name}.zip; give the folder with the published files, or get "
            "them with 'wattlas dataset fetch butter-e'"
        )
    with _archive(zipped) as archive:
        found = [i for i in archive.infolist() if PurePosixPath(i.filename).name == name]
        if len(found) != 1:
            raise DataError(f"{zipped} holds {len(found)} files named {name}; download it again")
        return _member(archive, found[0], zipped), f"{zipped}:{found[0].filename}"


def power_files(source: Path) -> list[PowerFile]:
    """Every power file, by job.

    Raises:
        DataError: the archive is damaged, or two files are of one job.
        StoreError: there is neither a folder nor an archive of them.
    """
    folder, zipped = source / POWER, source / f"{POWER}.zip"
    if folder.is_dir():
        files = [
            PowerFile(f"{POWER}/{e.name}", e.name[:-4], e.stat().st_size, Path(e.path))
            for e in os.scandir(folder)
            if e.name.endswith(".csv") and e.is_file()
        ]
    elif zipped.is_file():
        with _archive(zipped) as archive:
            files = [
                PowerFile(f"{zipped.name}:{i.filename}", stem, i.file_size, zipped, i.filename)
                for i in archive.infolist()
                if i.filename.endswith(".csv")
                and not (stem := PurePosixPath(i.filename).name[:-4]).startswith(".")
            ]
    else:
        raise StoreError(
            f"{source} has neither {POWER}/ nor {POWER}.zip; give the folder with the published files, or "
            "get them with 'wattlas dataset fetch butter-e'"
        )
    files.sort(key=lambda f: (len(f.job), f.job))
    for one, other in pairwise(files):
        if one.job == other.job:
            raise DataError(f"{one.label} and {other.label} are both of job {one.job}; take one away")
    if not files:
        raise StoreError(f"{source} has no power file in {POWER}; download it again")
    return files


def read_power(files: list[PowerFile]) -> Iterator[bytes | str]:
    """The bytes of each file in turn; instead of them, why it cannot be read.

    An archive is unpacked by as many threads as there are processors, a few files ahead.
    """
    if files[0].member is None:
        for file in files:
            yield _read_plain(file)
        return
    n = max(1, os.cpu_count() or 1)
    archives = [_archive(files[0].path) for _ in range(n)]
    try:
        with ThreadPoolExecutor(n) as pool:
            step = 64
            pending = [pool.submit(_read_members, archives[k % n], files[i : i + step])
                       for k, i in enumerate(range(0, len(files), step))]  # fmt: skip
            for future in pending:
                yield from future.result()
    finally:
        for archive in archives:
            archive.close()


def _read_plain(file: PowerFile) -> bytes | str:
    if file.n_bytes > LARGEST_MEMBER_BYTES:
        return f"it has {file.n_bytes} bytes, no job's minutes"
    try:
        return file.path.read_bytes()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def _read_members(archive: zipfile.ZipFile, files: list[PowerFile]) -> list[bytes | str]:
    read: list[bytes | str] = []
    for file in files:
        assert file.member is not None
        try:
            read.append(_member(archive, archive.getinfo(file.member), file.path))
        except DataError as error:
            read.append(str(error).split(";")[0])
    return read


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (*_DAMAGE, OSError) as error:
        raise DataError(f"{path} is no complete zip archive ({error}); download it again") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> bytes:
    if info.file_size > LARGEST_MEMBER_BYTES:
        raise DataError(f"{path}:{info.filename} unpacks to {info.file_size} bytes; download it again")
    try:
        return archive.read(info)
    except _DAMAGE as error:
        raise DataError(f"{path}:{info.filename} is damaged ({error}); download it again") from error
