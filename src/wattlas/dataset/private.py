"""What must not leave a machine with its data: paths, addresses, user names in them, and secrets.

    scrub("File '/home/eve/run.py'; redfish://eve:pw@bmc1")  ->  "File '<path>'; redfish://bmc1"

Paths below /sys, /proc and /dev are the kernel's, the same on every machine, and stay.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import polars as pl

PATH, ADDRESS, SECRET = "<path>", "<address>", "<removed>"
_KERNEL = r"(?!(?:sys|proc|dev)(?:/|\b))"
# (what, instead), in this order: a secret may hold what looks like an address, and an address a path.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(\b[a-zA-Z][\w+.-]*://)[^/\s@\"']+@"), r"\1"),
    (
        re.compile(
            r"(?i)\b((?:\w*[_-])?(?:password|passwd|secret|token|api[_-]?key|community))(\\?[\"']?\s*[=:]\s*)"
            r"(?!<removed>)(?:\\?[\"'][^\"']*[^\\\"']\\?[\"']|[^\s\"',;&}]+)"
        ),
        rf"\1\2{SECRET}",
    ),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*"), ADDRESS),
    # In quotes a path ends with them and may have blanks; elsewhere it has two parts at least, for "/s" is a
    # unit.
    (re.compile(rf"(?<=[\"'])/{_KERNEL}(?!/)[^\"'\\\n]+"), PATH),
    (re.compile(rf"(?:(?<![\w/.>-])|(?<=://))/{_KERNEL}[\w.@~-]+(?:/[\w.@~-]+)+/?"), PATH),
    (re.compile(r"~[\w.-]*(?:/[\w.@~-]+)+/?"), PATH),
    (re.compile(r"\b[A-Za-z]:\\+[^\"'\n]+"), PATH),
)
# What has none of these characters has nothing private in it.
_SUSPECT = r"[/\\@=:~]"


def scrub(text: str) -> str:
    """The text with every path, address and secret replaced; text without any is returned as it is."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def is_private(text: str) -> bool:
    """Whether a text holds what `scrub` would replace."""
    return scrub(text) != text


def last_line(text: str) -> str:
    """Of a traceback: what was raised. The lines above are somebody's code."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def rename(names: Mapping[str, str]) -> Callable[[str], str]:
    """A function that replaces names of hosts in a text, with the domain after them if there is one.

    A name with a digit is found within names made of it (`bmc-r1i3n33`); one without, such as `vm`, is a word
    like others and found where it stands alone.
    """
    longest_first = sorted(names, key=len, reverse=True)
    numbered = [re.escape(name) for name in longest_first if re.search(r"\d", name)]
    words = [re.escape(name) for name in longest_first if not re.search(r"\d", name)]
    domain = r"(?:\.[A-Za-z][\w-]*)*"
    alternatives = [rf"(?<![A-Za-z0-9])({'|'.join(numbered)})(?![A-Za-z0-9]){domain}"] if numbered else []
    alternatives += [rf"(?<![\w.-])({'|'.join(words)})(?![\w-]){domain}"] if words else []
    pattern = re.compile("|".join(alternatives))
    return lambda text: pattern.sub(lambda match: names[match[match.lastindex or 0]], text)


def suspects(column: pl.Series) -> pl.Series:
    """The distinct texts of a column, or in its lists, that might hold something private."""
    if column.dtype == pl.List(pl.String):
        column = column.explode()
    texts = column.drop_nulls().unique(maintain_order=True)
    return texts.filter(texts.str.contains(_SUSPECT))


def text_columns(frame: pl.DataFrame) -> list[str]:
    """Names of the columns that hold text, or lists of it."""
    return [n for n, kind in frame.schema.items() if kind == pl.String or kind == pl.List(pl.String)]


def replace_texts(
    frame: pl.DataFrame, columns: Iterable[str], function: Callable[[str], str], only_suspects: bool = True
) -> pl.DataFrame:
    """The frame with a function of text applied to columns, once to each distinct text."""
    changed = []
    for name in columns:
        column = frame[name]
        flat = column.explode() if column.dtype == pl.List(pl.String) else column
        texts = suspects(flat) if only_suspects else flat.drop_nulls().unique()
        new = {text: replaced for text in texts if (replaced := function(text)) != text}
        if new:
            here = pl.element() if column.dtype == pl.List(pl.String) else pl.col(name)
            swap = here.replace(list(new), list(new.values()))
            changed.append(pl.col(name).list.eval(swap) if column.dtype == pl.List(pl.String) else swap)
    return frame.with_columns(changed) if changed else frame
