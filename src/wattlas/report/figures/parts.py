"""Pieces that several figures share: the data reference, filters and axes."""

from collections.abc import Sequence

import altair as alt
import polars as pl

HEIGHT = 380
# The chart refers to its table by name; the page gives it the CSV text, an export the rows.
TABLE = alt.NamedData(name="table")


def dropdown(field: str, label: str, values: Sequence[object], start: object | None = None) -> alt.Parameter:
    """A select element over the values of a field; the first entry shows all of them."""
    options: list[object] = [None, *values]
    labels = ["all", *(str(v) for v in values)]
    initial = [{field: start}] if start is not None else alt.Undefined
    return alt.selection_point(
        name=f"pick_{field}",
        fields=[field],
        bind=alt.binding_select(options=options, labels=labels, name=f"{label} "),
        value=initial,
    )


def filters(table: pl.DataFrame, *fields: tuple[str, str], first: str | None = None) -> list[alt.Parameter]:
    """Dropdowns for those (field, label) that have more than one value; `first` starts at its first value."""
    made = []
    for field, label in fields:
        values = table[field].drop_nulls().unique().sort().to_list()
        if len(values) > 1:
            made.append(dropdown(field, label, values, values[0] if field == first else None))
    return made


def apply_filters(chart: alt.Chart, params: Sequence[alt.Parameter]) -> alt.Chart:
    """Add the dropdowns to a chart and keep only what they pick."""
    chart = chart.add_params(*params)
    for param in params:
        chart = chart.transform_filter(param)
    return chart


def log_axis(field: str, title: str, base: int = 10) -> dict[str, object]:
    """Arguments of a quantitative channel with a logarithmic scale."""
    scale = alt.Scale(type="log", base=base, nice=False, padding=12)
    axis = alt.Axis(format="~s", tickCount=7) if base == 10 else alt.Axis(tickCount=10)
    return {"shorthand": f"{field}:Q", "title": title, "scale": scale, "axis": axis}


def say_source(table: pl.DataFrame) -> str:
    """The sources of a table, as they end an axis title."""
    return "/".join(sorted(str(s) for s in table["source"].unique()))


_TEXT = frozenset(("dataset", "machine", "source", "shape", "node", "channel", "cause", "term"))


def tips(*names: str) -> list[alt.Tooltip]:
    """Tooltip entries: energies with an SI prefix, other numbers to four digits."""
    return [
        alt.Tooltip(f"{name}:N")
        if name in _TEXT
        else alt.Tooltip(
            f"{name}:Q",
            format=".4~s"
            if name.endswith("_j")
            else ",.4~g"
            if name.startswith(("loss", "ratio", "u_"))
            else ",",
        )
        for name in names
    ]
