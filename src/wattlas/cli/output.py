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
            raise UsageError(f"{path} exists; give another path, or --force to overwrite it")
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise UsageError(f"{path.parent} is no folder that can be written to; make it first")

    def write(self, text: str) -> None:
        """Write the file beside its place and move it there."""
        if self._path is None:
            return
        with tempfile.NamedTemporaryFile(
            "w", dir=self._path.parent, prefix=".wattlas-", delete=False
        ) as file:
            temporary = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                temporary.unlink()
                raise
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(self._path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
