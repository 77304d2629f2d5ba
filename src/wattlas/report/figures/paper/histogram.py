"""How a histogram of runs, kept and removed, is drawn."""

import altair as alt
import polars as pl

from wattlas.report.figures.paper.qc import KEPT, REMOVED
from wattlas.report.figures.parts import TABLE, apply_filters, filters, say_source

STATE = alt.Color("state:N", title="Quality control", scale=alt.Scale(domain=[KEPT, REMOVED]))


def draw_histogram(table: pl.DataFrame, column: str, x_axis: dict[str, object]) -> alt.LayerChart:
    """Counts on a logarithmic axis, from 0.6 so that a single run has a bar; `x_axis` is both x axes'."""
    scale = alt.Scale(type="log", domainMin=0.6, nice=False)
    y = alt.Y(
        "n:Q", title=f"Runs ({say_source(table)})", scale=scale, axis=alt.Axis(format="~s", tickCount=5)
    )
    base = alt.Chart(TABLE)
    bars = base.mark_bar(opacity=0.75).encode(
        x=alt.X(**(x_axis | {"shorthand": f"{column}_from:Q"})),
        x2=f"{column}_to:Q",
        y=y,
        y2=alt.datum(0.6),
        color=STATE,
        tooltip=[
            alt.Tooltip("state:N"),
            *(alt.Tooltip(f"{c}:Q", format=".4~g") for c in (f"{column}_from", "n")),
        ],
    )
    layers = [bars]
    if table["limit"].is_not_null().any():
        rule = base.transform_aggregate(limit="min(limit)").mark_rule(strokeDash=[5, 4], strokeWidth=1.5)
        layers.append(rule.encode(x=alt.X(**(x_axis | {"shorthand": "limit:Q"}))))
    return apply_filters(alt.layer(*layers), filters(table)).properties(width="container", height=280)
