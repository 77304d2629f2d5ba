"""Energy of runs against their run time, kept and removed."""

import altair as alt
import polars as pl

from wattlas.report.data import KINDS, MAX_MARKS, ReportData, thin
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.histogram import STATE
from wattlas.report.figures.paper.qc import KEPT, MISSING, checked_runs, removed_said
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, log_axis, say_source, tips
from wattlas.report.published import OURS


def compute(data: ReportData) -> pl.DataFrame:
    """One row a run; of very many, kept ones are thinned evenly by run time, and then removed ones.

    `n` is how many runs of its state and kind a row stands for.
    """
    runs = checked_runs(data)
    if runs.is_empty():
        return runs
    runs = runs.filter(pl.col("energy_j") > 0).sort(*KINDS, "run_time_s")
    removed = thin(runs.filter(pl.col("state") != KEPT), MAX_MARKS // 6)
    kept = thin(runs.filter(pl.col("state") == KEPT), MAX_MARKS // 2 - removed.height)
    drawn = pl.concat([kept, removed])
    key = [*KINDS, "state"]
    counts = runs.group_by(key).agg(pl.len().alias("of"))
    weight = (pl.col("of") / pl.len().over(key)).alias("n")
    joined = drawn.join(counts, on=key, maintain_order="left").with_columns(weight)
    return joined.drop("of").with_columns(pl.lit(OURS).alias("origin"))


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Both axes logarithmic; removed runs are larger, and stand before the others."""
    points = (
        alt.Chart(TABLE)
        .mark_point(filled=True, opacity=0.6)
        .encode(
            x=alt.X(**log_axis("run_time_s", "Run time (s)")),
            y=alt.Y(**log_axis("energy_j", f"Energy of the run (J, {say_source(table)})")),
            color=STATE,
            size=alt.condition(f"datum.state === '{KEPT}'", alt.value(12), alt.value(46)),
            tooltip=tips("state", "flags", "dataset", "shape", "depth", "size", "run_time_s", "energy_j"),
        )
    )
    return apply_filters(alt.layer(points), filters(table)).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """How many are removed, and how many are drawn."""
    key = [*KINDS, "state"]
    counts = table.group_by(key).agg(pl.col("n").sum().round().cast(pl.Int64)).sort(key)
    said = removed_said(counts)
    return f"{said} {table.height:,} of them are drawn, more of those removed."


FIGURE = Figure(
    name="paper-qc-energy",
    section="paper",
    title="Energy against run time, and the runs that quality control removed",
    compute=compute,
    draw=draw,
    describe=describe,
    missing=MISSING,
)
