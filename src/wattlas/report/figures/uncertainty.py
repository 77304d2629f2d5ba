"""The uncertainty budget: standard uncertainty by cause, relative to the energy."""

import json

import altair as alt
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import TABLE, apply_filters, filters, say_source, tips

BAR = 26


def compute(data: ReportData) -> pl.DataFrame:
    """Median over runs, per channel and cause, of standard uncertainty over energy."""
    channels = data.tables.channels.filter(pl.col("energy_j") > 0).select(
        "channel", "source", "energy_j", "terms"
    )
    rows = [
        {"channel": channel, "source": source, "cause": cause, "ratio": u_j / energy_j}
        for channel, source, energy_j, terms in channels.rows()
        for cause, u_j in json.loads(terms or "{}").items()
    ]
    if not rows:
        return pl.DataFrame(schema={"source": pl.String})
    return (
        pl.DataFrame(rows)
        .group_by("channel", "source", "cause")
        .agg((100 * pl.col("ratio").median()).alias("u_percent"), pl.len().alias("n_runs"))
        .filter(pl.col("u_percent") > 0)
        .sort("channel", "source", "u_percent", descending=[False, False, True])
    )


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """A bar for each cause of the picked channel; variances add, so the longest bar is nearly the whole."""
    bars = (
        alt.Chart(TABLE)
        .mark_bar()
        .encode(
            x=alt.X("u_percent:Q", title=f"Standard uncertainty (% of the energy, {say_source(table)})"),
            y=alt.Y("cause:N", title="Cause", sort="-x"),
            tooltip=tips("channel", "cause", "u_percent", "n_runs"),
        )
    )
    return apply_filters(alt.layer(bars), filters(table, "channel")).properties(
        width="container", height=alt.Step(BAR)
    )


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """The largest cause of each channel."""
    parts = []
    for group in table.partition_by("channel", "source", maintain_order=True):
        top = group.row(0, named=True)
        parts.append(f"{top['channel']} ({top['source']}): {top['cause']} with {top['u_percent']:.2g} %")
    return f"The largest cause, median over runs, is for {'; for '.join(parts)} of the energy."


FIGURE = Figure(
    name="uncertainty",
    section="measured",
    title="Where the uncertainty comes from",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No channel of this dataset has an uncertainty budget.",
)
