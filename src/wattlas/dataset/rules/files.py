"""Rules about the files of a dataset: that they are those which were written."""

import hashlib
import re
from pathlib import Path

from wattlas.dataset.rules.rule import Finding, listed, rule
from wattlas.dataset.rules.subject import SUMS, Subject

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sums(path: Path) -> dict[str, str | None]:
    """Checksums by file name, as `sha256sum` writes them.

    A line that is none, or that names a file outside the directory, has None under its own number.
    """
    sums: dict[str, str | None] = {}
    lines = path.read_bytes().decode("utf-8", "replace").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or Path(match[2]).is_absolute() or ".." in Path(match[2]).parts:
            sums[f"{path.name} line {number}"] = None
        else:
            sums[match[2]] = match[1]
    return sums


@rule("readable", "every file of the dataset can be read as what it is")
def _readable(subject: Subject) -> Finding:
    return listed(
        len(subject.arrow) + len(subject.others) + len(subject.unreadable), list(subject.unreadable)
    )


@rule("checksums", f"every file has the checksum that {SUMS} gives it; a release has that file")
def _checksums(subject: Subject) -> Finding:
    path = subject.directory / SUMS
    if not path.is_file():
        return listed(1, [SUMS]) if subject.is_release else Finding()
    sums = read_sums(path)

    def kept(name: str, stated: str | None) -> bool:
        file = subject.directory / name
        return stated is not None and file.is_file() and sha256(file) == stated

    return listed(len(sums), [name for name, stated in sums.items() if not kept(name, stated)])


@rule("listed-files", f"where there is a {SUMS}, it lists every file of the directory", severity="warning")
def _listed(subject: Subject) -> Finding:
    path = subject.directory / SUMS
    if not path.is_file():
        return Finding()
    files = [p for p in subject.directory.rglob("*") if p.is_file() and p != path]
    names = sorted(p.relative_to(subject.directory).as_posix() for p in files)
    sums = read_sums(path)
    return listed(len(names), [name for name in names if name not in sums])
