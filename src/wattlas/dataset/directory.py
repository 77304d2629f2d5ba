"""A directory that is complete or absent: written beside its place, and put there by one rename."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wattlas.core.errors import StoreError


def check_dest(dest: Path, force: bool) -> None:
    """Refuse a destination that is there, but for a dataset with `force`.

    Raises:
        StoreError: it is there and `force` is False, or it is no dataset.
    """
    if dest.exists() and not force:
        raise StoreError(f"{dest} is there already; replace it with --force, or give another directory")
    if dest.exists() and not _is_dataset(dest):
        raise StoreError(
            f"{dest} is there and is no dataset, so --force does not replace it; give another directory"
        )


@contextmanager
def whole_directory(dest: Path) -> Iterator[Path]:
    """A new directory to write into; it becomes `dest`, replacing what was there, if nothing is raised.

    Raises:
        StoreError: it could not be written, a full disk for one; `dest` is as it was.
    """
    temporary = dest.with_name(f".{dest.name}.{uuid.uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _swap(temporary, dest)
    except OSError as error:
        raise StoreError(
            f"{dest} could not be written ({error.strerror or error}); make room and try again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, as every dataset has it."""
    pq.write_table(table, path, compression="zstd")


def _is_dataset(directory: Path) -> bool:
    return directory.is_dir() and ((directory / "runs.parquet").is_file() or not any(directory.iterdir()))


def _swap(temporary: Path, dest: Path) -> None:
    old = temporary.with_name(f"{temporary.name}.old")
    if dest.exists():
        dest.rename(old)
    temporary.rename(dest)
    shutil.rmtree(old, ignore_errors=True)
