"""Where a key stands in a TOML text: what an error message needs and `tomllib` does not tell."""

import re
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[|\[)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")
_MULTILINE = ('"""', "'''")

Path = tuple[str | int, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Line, from 1, of every table header and key that starts a line; array tables carry their index.

    Keys inside an inline table or a list are not listed: `line_of` falls back to the key that holds them.
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    open_brackets = 0
    quote = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        if quote:
            quote = "" if quote in raw else quote
            continue
        if open_brackets > 0:
            open_brackets += _bracket_change(raw)
            continue
        if header := _HEADER.match(raw):
            names: Path = _split(header.group(2))
            if header.group(1) == "[[":
                counts[names] = counts.get(names, -1) + 1
                table = (*names, counts[names])
            else:
                table = names
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], number)
        elif key := _KEY.match(raw):
            lines.setdefault((*table, *_split(key.group(1))), number)
            value = raw[key.end() :]
            quote = next((q for q in _MULTILINE if value.count(q) % 2), "")
            open_brackets = 0 if quote else _bracket_change(value)
    return lines


def line_of(lines: dict[Path, int], location: Sequence[str | int]) -> int | None:
    """Line of the longest part of `location` that has one."""
    for length in range(len(location), 0, -1):
        if (line := lines.get(tuple(location[:length]))) is not None:
            return line
    return None


def _split(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _bracket_change(text: str) -> int:
    bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*", "", text)
    return bare.count("[") - bare.count("]")
