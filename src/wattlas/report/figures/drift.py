"""Run energy over wall-clock order: does the machine drift?"""

import altair as alt
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import TABLE, apply_filters, filters, say_source, tips

# More runs than this are drawn as medians and quartiles over slices of equal numbers of runs.
MAX_RUNS = 2000
N_SLICES = 400


def compute(data: ReportData) -> pl.DataFrame:
    """Each run's energy over the median of its experiment, where that was run at least twice."""
    keys = ["experiment_id", "machine", "source"]
    runs = data.tables.runs.filter((pl.col("status") == "done") & (pl.col("energy_j") > 0)).drop_nulls(
        "start_utc"
    )
    table = (
        runs.with_columns(
            pl.col("energy_j").median().over(keys).alias("median_j"), pl.len().over(keys).alias("n_runs")
        )
        .filter(pl.col("n_runs") >= 2)
        .with_columns((pl.col("energy_j") / pl.col("median_j")).alias("ratio"))
        .select("machine", "node", "source", "start_utc", "ratio", "dataset", "shape", "depth", "size")
        .sort("machine", "source", "start_utc")
        .with_columns(
            pl.lit(None, dtype=pl.Float64).alias("q25"), pl.lit(None, dtype=pl.Float64).alias("q75")
        )
    )
    if table.height <= MAX_RUNS:
        return table.with_columns(pl.lit(1).alias("n"))
    slice_of = pl.int_range(pl.len()) * N_SLICES // table.height
    return (
        table.with_columns(slice_of.alias("slice"))
        .group_by("machine", "source", "slice", maintain_order=True)
        .agg(
            pl.lit("several").alias("node"),
            pl.col("start_utc").min(),
            pl.col("ratio").quantile(0.25).alias("q25"),
            pl.col("ratio").quantile(0.75).alias("q75"),
            pl.col("ratio").median(),
            pl.len().alias("n"),
        )
        .drop("slice")
    )


def draw(table: pl.DataFrame, data: ReportData) -> alt.TopLevelMixin:
    """Ratio over time, with a line at 1."""
    params = filters(table, ("machine", "Machine"), ("source", "Source"))
    base = alt.Chart(TABLE).encode(x=alt.X("start_utc:T", title="Start of the run (UTC)"))
    title = f"Energy / median of its experiment (1, {say_source(table)})"
    scale = alt.Scale(type="log", nice=False, padding=10)
    y = alt.Y("ratio:Q", title=title, scale=scale, axis=alt.Axis(format=".3~g", tickCount=6))
    rule = alt.Chart(TABLE).mark_rule(strokeDash=[4, 4]).encode(y=alt.datum(1))
    bars = (
        base.transform_filter("isValid(datum.q25)")
        .mark_rule(opacity=0.5)
        .encode(y=alt.Y("q25:Q", title=title, scale=scale), y2="q75:Q")
    )
    shown = [n for n in ("dataset", "shape", "depth", "size", "n") if n in table.columns]
    points = base.mark_point(filled=True, size=26, opacity=0.7).encode(
        y=y, color=alt.Color("node:N", title="Node"), tooltip=tips(*shown, "ratio")
    )
    return apply_filters(alt.layer(rule, bars, points), params).properties(width="container", height=280)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Median ratio of the last third of the runs beside the first third."""
    third = max(1, table.height // 3)
    ordered = table.sort("start_utc")
    first, last = ordered["ratio"].head(third).median(), ordered["ratio"].tail(third).median()
    assert isinstance(first, float)
    assert isinstance(last, float)
    spread = ordered["ratio"].quantile(0.95), ordered["ratio"].quantile(0.05)
    assert spread[0] is not None
    assert spread[1] is not None
    return (
        f"The last third of the runs takes {last / first - 1:+.2%} energy beside the first third, each against the "
        f"median of its experiment; 90 % of what is drawn lies between {spread[1]:.3g} and {spread[0]:.3g}."
    )


FIGURE = Figure(
    name="drift",
    section="qc",
    title="Run energy in the order of running",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No experiment was run twice, so a drift cannot be seen.",
)
