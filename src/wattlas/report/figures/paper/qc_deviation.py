"""Histogram of the deviation of log run times from their group, with the rule's limit."""

import altair as alt
import numpy as np
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.histogram import draw_histogram
from wattlas.report.figures.paper.qc import MISSING, checked_runs, histogram, removed_said

N_BINS = 100
# Of the limit: so far the bins go, for outliers lie farther than is readable.
REACH = 2.5


def compute(data: ReportData) -> pl.DataFrame:
    """Runs in 100 equal bins of their deviation, from 0 to 2.5 times the limit; the last has all beyond."""
    runs = checked_runs(data)
    if runs.is_empty() or runs["run_time_deviation"].null_count() == runs.height:
        return pl.DataFrame()
    limit = data.limits.get("max_deviation")
    largest = float(str(runs["run_time_deviation"].max())) or 1.0
    edges = np.linspace(0.0, largest if limit is None else REACH * limit, N_BINS + 1)
    shown = pl.col("run_time_deviation").clip(upper_bound=float(edges[-1]))
    return histogram(runs.with_columns(shown), "run_time_deviation", edges, limit)


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """With a line at the limit."""
    title = "Deviation of log run time from its group (spreads of the group)"
    return draw_histogram(
        table, "run_time_deviation", {"title": title, "scale": alt.Scale(nice=False, padding=6)}
    )


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """How many are removed, and how the deviation is meant."""
    limit = table["limit"][0]
    line = "The import says no limit" if limit is None else f"The line stands at the limit, {limit:g}"
    return (
        f"{removed_said(table)} {line}. Runs "
        "beyond the axis stand in its last bin. A group is the runs of equal hardware, dataset and size; "
        "those too small for a deviation are not shown."
    )


FIGURE = Figure(
    name="paper-qc-deviation",
    section="paper",
    title="Deviation of run times from their group",
    compute=compute,
    draw=draw,
    describe=describe,
    missing=MISSING,
)
