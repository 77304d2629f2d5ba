"""HTML from data: everything that comes from a dataset passes through here, escaped."""

import json
from collections.abc import Sequence
from html import escape
from urllib.parse import quote


class Html(str):
    """Text that is HTML already."""


def embed_json(value: object) -> str:
    """JSON that can stand inside a `<script>` element: no `<`, `>`, `&` nor line separators of JavaScript."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def data_uri(csv: str) -> str:
    """CSV text as the address of a link that downloads it, without a script and without the network."""
    return "data:text/csv;charset=utf-8," + quote(csv, safe=",:;-_.")


def badge(source: str) -> Html:
    """A source as a label that is read as well as seen."""
    return Html(f'<span class="badge {escape(source, quote=True)}">{escape(source)}</span>')


def badges(sources: Sequence[str]) -> Html:
    """Labels of several sources."""
    return Html(" ".join(badge(source) for source in sources))


def labelled(text: str, source: str) -> Html:
    """Text with the label of its source behind it."""
    return Html(f"{escape(text)} {badge(source)}")


def table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int] = ()
) -> str:
    """A table in a box that scrolls sideways; columns in `numbers` are set flush right.

    Cells are escaped, but those that are `Html`; None is a dash.
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
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<caption>{label}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, Html) else escape(str(value))
