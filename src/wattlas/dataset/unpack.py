"""A zip or tar made into a folder, trusting nothing that the archive says of itself.

Names are checked and only plain files are written, each under a name of our own making: no member can leave
the folder, be a link, or replace another. What comes out is counted as it is written, not as it is declared.
"""

import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wattlas.core.errors import DataError, StoreError

SUFFIXES = (".zip", ".tar")
_BLOCK_BYTES = 1 << 20
# Tables this small may shrink a thousandfold without being a bomb.
_RATIO_SLACK_BYTES = 1 << 20
_TAR_RECORD_BYTES = 512


@dataclass(frozen=True)
class Limits:
    """What an archive may become: bytes and members in all, and bytes for each byte of the archive."""

    max_bytes: int = 32 * 2**30
    max_members: int = 100_000
    max_ratio: float = 200.0


@dataclass(frozen=True)
class _Member:
    name: str
    is_folder: bool
    content: IO[bytes] | None


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> None:
    """Unpack `archive` so that `target` is complete or absent.

    Where the archive holds nothing but one folder, that folder becomes `target`, unless it is part of a
    partitioned table (`key=value`); where it holds one file with the suffix of `target`, that file does.

    Raises:
        DataError: a member would leave the folder, is a link or device, or comes twice; the limits are
            passed; or the archive is truncated, damaged, encrypted or empty.
        StoreError: the disk is full or `target` cannot be written.
    """
    temporary = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        writer = _Writer(archive, temporary, limits or Limits())
        with _open(archive) as members:
            for member in members:
                writer.write(member)
        _settle(archive, temporary, target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{archive} is truncated or damaged ({error}); fetch it again") from error
    except NotImplementedError as error:
        raise DataError(f"{archive} cannot be unpacked here ({error}); ask for a plain zip or tar") from error
    except OSError as error:
        raise StoreError(
            f"{target} could not be unpacked ({error.strerror or error}); make room and run it again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Writer:
    """Writes members below a folder and keeps account of what has been written."""

    def __init__(self, archive: Path, folder: Path, limits: Limits) -> None:
        self._archive, self._folder, self._limits = archive, folder, limits
        by_ratio = limits.max_ratio * archive.stat().st_size + _RATIO_SLACK_BYTES
        self._n_bytes_left = int(min(limits.max_bytes, by_ratio))
        self._n_members = 0
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def write(self, member: _Member) -> None:
        """Write one member, or refuse the archive."""
        self._n_members += 1
        if self._n_members > self._limits.max_members:
            raise self._refuse(f"has more than {self._limits.max_members} members")
        parts = self._parts(member.name)
        if not parts:
            return
        path = self._folder.joinpath(*parts)
        # Names that differ in case or in how accents are coded are one file on some file systems.
        key = unicodedata.normalize("NFC", "/".join(parts)).casefold()
        above = {key[:i] for i, letter in enumerate(key) if letter == "/"}
        if member.is_folder:
            above.add(key)
        if key in self._files or above & self._files or (not member.is_folder and key in self._folders):
            raise self._refuse(f"has {member.name!r} twice")
        self._folders |= above
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            return
        if member.content is None:
            raise self._refuse(f"has {member.name!r}, which is a link or device")
        self._files.add(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            while block := member.content.read(_BLOCK_BYTES):
                self._n_bytes_left -= len(block)
                if self._n_bytes_left < 0:
                    raise self._refuse(f"grows beyond all measure when unpacked, at {member.name!r}")
                stream.write(block)

    def _parts(self, name: str) -> list[str]:
        parts = [part for part in name.removesuffix("/").split("/") if part != "."]
        strange = any(ord(letter) < 32 or letter in "\\:" for letter in name)
        if strange or "" in parts or ".." in parts:
            raise self._refuse(f"has {name!r}, which is no plain path below a folder")
        return parts

    def _refuse(self, what: str) -> DataError:
        return DataError(
            f"{self._archive} {what}; nothing of it was unpacked: do not trust it, and get it from the "
            "publisher's own page"
        )


def _settle(archive: Path, temporary: Path, target: Path) -> None:
    entries = list(temporary.iterdir())
    if not entries:
        raise DataError(f"{archive} has nothing in it; fetch it again")
    whole, only = temporary, entries[0]
    if len(entries) == 1 and (only.is_file() or "=" not in only.name):
        whole = only if only.is_dir() or only.suffix == target.suffix else temporary
    whole.rename(target)


@contextmanager
def _open(archive: Path) -> Iterator[Iterator[_Member]]:
    if archive.suffix == ".zip":
        # The member being read is closed before its archive.
        with zipfile.ZipFile(archive) as opened, closing(_zip_members(opened)) as members:
            yield members
    else:
        with archive.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield _tar_members(tar, stream)


def _zip_members(archive: zipfile.ZipFile) -> Generator[_Member, None, None]:
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            yield _Member(info.filename, info.is_dir() and kind in (0, stat.S_IFDIR), None)
            continue
        if info.flag_bits & 1:
            raise NotImplementedError(f"{info.filename!r} is encrypted")
        with archive.open(info) as content:
            yield _Member(info.filename, False, content)


def _tar_members(archive: tarfile.TarFile, stream: IO[bytes]) -> Iterator[_Member]:
    for info in archive:
        content = archive.extractfile(info) if info.isreg() else None
        yield _Member(info.name, info.isdir(), content)
    # tarfile takes the end of the file for the end of the archive; a whole archive ends with an empty record.
    stream.seek(archive.offset)
    if len(stream.read(_TAR_RECORD_BYTES)) < _TAR_RECORD_BYTES:
        raise tarfile.ReadError("it ends without an end mark")
