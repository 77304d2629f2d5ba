"""A result file: refused before the work if it cannot be written, and complete or absent afterwards."""

import os
import tempfile
from pathlib import Path

from wattlas.core.errors import UsageError


class Output:
    """A file that `write` puts in place at once. With no path, writing does nothing.

    Raises:
        UsageError: it exists and `force` is not given, or its folder cannot be written to.
    """

    def __init__(self, path: Path | None, force: bool) -> None:
        self._path = path
        if path is None:
            return
        if path.exists() and not force:
            raise UsageError(f"{path} exists; choose another path, or give --force to overwrite it")
        if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
            raise UsageError(f"{path} cannot be written; give a file in a directory that exists")

    def write(self, content: bytes) -> None:
        """Write the file beside its place and move it there."""
        if self._path is None:
            return
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.absolute().parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)
