"""Reading the kernel's small text files and the notations in them."""

import re
from pathlib import Path

_SIZE = re.compile(r"(\d+)([KMG]?)B?", re.IGNORECASE)
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def read_text(path: Path) -> str | None:
    """The stripped text of a file, or None if it is not there, not readable or not text."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def parse_cpu_list(text: str) -> frozenset[int]:
    """CPU numbers of the kernel's list notation.

    Raises:
        ValueError: not such a list.

    >>> sorted(parse_cpu_list("0-2,8"))
    [0, 1, 2, 8]
    """
    cpus: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        low, high = int(first), int(last) if dash else int(first)
        if not 0 <= low <= high <= 2**20:
            raise ValueError(f"{part!r} is no range of CPUs")
        cpus.update(range(low, high + 1))
    return frozenset(cpus)


def parse_size_bytes(text: str) -> int:
    """Bytes of the kernel's size notation.

    Raises:
        ValueError: not such a size, or none.

    >>> parse_size_bytes("25344K")
    25952256
    """
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _FACTORS[match[2].upper()] if match else 0
    if size <= 0:
        raise ValueError(f"{text!r} is no size")
    return size
