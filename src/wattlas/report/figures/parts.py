"""Pieces that several figures share: the data reference, filters and axes."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from wattlas.report.data import KINDS, sources_of

HEIGHT = 380
# The chart refers to its table by name; the page and an export give it the CSV text.
TABLE = alt.NamedData(name="table")
_ONE = frozenset((*KINDS, "dataset", "channel", "network"))
LABELS = {
    "machine": "Machine",
    "source": "Source",
    "domain": "Energy of",
    "dataset": "Dataset",
    "shape": "Shape",
    "channel": "Channel",
    "network": "Network",
}


def filters(table: pl.DataFrame, *fields: str, together: Sequence[str] = ()) -> list[alt.Parameter]:
    """A dropdown for each field of the table that has more than one value.

    The kinds of energy, datasets, channels and what else is in `_ONE` are shown one at a time, measured
    energies first; other fields, and those in `together`, start with all of their values.
    """
    made = []
    for name in (*fields, *KINDS):
        values = table[name].drop_nulls().unique().sort().to_list() if name in table.columns else []
        if len(values) < 2:
            continue
        one = name in _ONE and name not in together
        options = values if one else [None, *values]
        made.append(
            alt.selection_point(
                name=f"pick_{name}",
                fields=[name],
                bind=alt.binding_select(
                    options=options,
                    labels=[*([] if one else ["all"]), *(str(v) for v in values)],
                    name=f"{LABELS[name]} ",
                ),
                value=[{name: values[0]}] if one else alt.Undefined,
            )
        )
    return made


def apply_filters(chart: alt.LayerChart, params: Sequence[alt.Parameter]) -> alt.LayerChart:
    """Add the dropdowns to a chart and keep only what they pick."""
    chart = chart.add_params(*params)
    for param in params:
        chart = chart.transform_filter(param)
    return chart


def log_axis(field: str, title: str, number: str = "~s") -> dict[str, object]:
    """Arguments of a quantitative channel with a logarithmic scale."""
    scale = alt.Scale(type="log", nice=False, padding=12)
    axis = alt.Axis(format=number, tickCount=7)
    return {"shorthand": f"{field}:Q", "title": title, "scale": scale, "axis": axis}


def say_source(table: pl.DataFrame) -> str:
    """The source of a table's energies, as it ends an axis title; of several, one is picked at a time."""
    sources = sources_of(table)
    return sources[0] if len(sources) == 1 else "source as picked"


_TEXT = frozenset(
    (
        *("dataset", "machine", "source", "domain", "shape", "node", "channel", "cause", "extrapolated"),
        *("origin", "group", "state", "network", "flags", "system"),
    )
)


def tips(*names: str) -> list[alt.Tooltip]:
    """Tooltip entries: energies with an SI prefix, losses and ratios to four digits, counts whole."""
    return [alt.Tooltip(f"{n}:N") if n in _TEXT else alt.Tooltip(f"{n}:Q", format=_format(n)) for n in names]


def _format(name: str) -> str:
    if name.endswith("_j"):
        return ".4~s"
    return ",.4~g" if name.startswith(("loss", "ratio", "u_")) else ","
