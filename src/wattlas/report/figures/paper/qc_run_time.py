"""Histogram of run times, kept and removed: the published figure 3 of quality control, first part."""

import altair as alt
import numpy as np
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.histogram import draw_histogram
from wattlas.report.figures.paper.qc import MISSING, checked_runs, histogram, removed_said
from wattlas.report.figures.parts import log_axis

N_BINS = 100


def compute(data: ReportData) -> pl.DataFrame:
    """Runs in 100 equal bins of log run time, from the shortest to the longest of all machines."""
    runs = checked_runs(data)
    if runs.is_empty():
        return runs
    low, high = (
        float(x) for x in runs.select(pl.min("run_time_s"), pl.max("run_time_s").alias("high")).row(0)
    )
    # The ends themselves, which a logarithm and back would miss by its rounding.
    edges = np.concatenate(
        [[low], np.geomspace(low, max(high, low * 1.01), N_BINS + 1)[1:-1], [max(high, low * 1.01)]]
    )
    return histogram(runs, "run_time_s", edges, data.limits.get("max_run_time_s"))


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """With a line at the longest run time that QC keeps."""
    return draw_histogram(table, "run_time_s", log_axis("run_time_s_from", "Run time (s)"))


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """How many are removed, and which line is drawn."""
    limit = table["limit"][0]
    line = (
        "The import says no limit"
        if limit is None
        else f"The line stands at {limit:,.0f} s, the longest run kept"
    )
    return f"{removed_said(table)} {line}; a shorter run can be removed for its deviation."


FIGURE = Figure(
    name="paper-qc-run-time",
    section="paper",
    title="Run times, and the runs that quality control removed",
    compute=compute,
    draw=draw,
    describe=describe,
    missing=MISSING,
)
