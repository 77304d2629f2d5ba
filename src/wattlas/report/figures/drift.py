"""Run energy over wall-clock order: does the machine drift?"""

import altair as alt
import polars as pl

from wattlas.report.data import KINDS, MAX_MARKS, ReportData, by_kind, thin
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import TABLE, apply_filters, filters, say_source, tips


def compute(data: ReportData) -> pl.DataFrame:
    """Each run's energy over the median of its experiment, where that was run at least twice."""
    keys = ["experiment_id", *KINDS]
    runs = data.tables.runs.filter((pl.col("status") == "done") & (pl.col("energy_j") > 0))
    return thin(
        runs.drop_nulls("start_utc")
        .with_columns(pl.col("domain").fill_null("not stated"))
        .with_columns(
            (pl.col("energy_j") / pl.col("energy_j").median().over(keys)).alias("ratio"),
            pl.len().over(keys).alias("n_runs"),
        )
        .filter(pl.col("n_runs") >= 2)
        .select(*KINDS, "node", "start_utc", "ratio", "dataset", "shape", "depth", "size")
        .sort(*KINDS, "start_utc"),
        MAX_MARKS,
    )


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Ratio over time, with a line at 1."""
    points = (
        alt.Chart(TABLE)
        .mark_point(filled=True, size=26, opacity=0.7)
        .encode(
            x=alt.X(
                "start_utc:T",
                title="Start of the run (UTC)",
                scale=alt.Scale(type="utc", padding=10),
                axis=alt.Axis(format="%Y-%m-%d %H:%M:%S", tickCount=4, labelOverlap="greedy"),
            ),
            y=alt.Y(
                "ratio:Q",
                title=f"Energy / median of its experiment ({say_source(table)})",
                scale=alt.Scale(type="log", nice=False, padding=10),
                axis=alt.Axis(format=".3~g", tickCount=6),
            ),
            color=alt.Color("node:N", title="Node"),
            tooltip=tips("dataset", "shape", "depth", "size", "ratio"),
        )
    )
    rule = alt.Chart(TABLE).mark_rule(strokeDash=[4, 4]).encode(y=alt.datum(1))
    return apply_filters(alt.layer(rule, points), filters(table)).properties(width="container", height=280)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Median ratio of the last third of the runs beside the first third, by kind of energy."""
    parts = []
    for machine, source, group in by_kind(table):
        ratio = group.sort("start_utc")["ratio"]
        third = max(1, group.height // 3)
        change = pl.Series([ratio.tail(third).median()]) / pl.Series([ratio.head(third).median()]) - 1
        parts.append(
            f"On {machine} ({source}) the last third of the runs takes {change[0]:+.2%} energy beside the "
            f"first third; 90 % lie between {ratio.quantile(0.05):.3g} and {ratio.quantile(0.95):.3g}."
        )
    return " ".join(parts) + " A ratio is to the median of the run's own experiment."


FIGURE = Figure(
    name="drift",
    section="qc",
    title="Run energy in the order of running",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No experiment was run twice, so a drift cannot be seen.",
)
