"""HTML from data: everything that comes from a dataset passes through here, escaped."""

import json
from collections.abc import Sequence
from html import escape


def embed_json(value: object) -> str:
    """JSON that can stand inside a `<script>` element: no `<`, `>`, `&` nor line separators of JavaScript."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def badge(source: str) -> str:
    """A source as a label that is read as well as seen."""
    return f'<span class="badge {escape(source, quote=True)}">{escape(source)}</span>'


def badges(sources: Sequence[str]) -> str:
    """Labels of several sources."""
    return " ".join(badge(source) for source in sources)


def table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int] = ()
) -> str:
    """A table in a box that scrolls sideways; columns in `numbers` are set flush right.

    Cells are escaped, but those that are `Html`.
    """
    if not rows:
        return ""
    kinds = [' class="n"' if i in numbers else "" for i in range(len(header))]
    head = "".join(f'<th scope="col"{k}>{escape(h)}</th>' for h, k in zip(header, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{k}>{_cell(c)}</td>" for c, k in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    label = escape(caption, quote=True)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class Html(str):
    """Text that is HTML already."""


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, Html) else escape(str(value))
