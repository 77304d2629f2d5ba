"""Energy along a loss level over its least, against working sets: the published figure 7, all isolines."""

import altair as alt
import polars as pl

from wattlas.core.units import format_bytes
from wattlas.report.data import ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.least_energy import along_levels
from wattlas.report.figures.paper.over_sets import POINT, draw_over_sets, over_sets, windows_said
from wattlas.report.figures.paper.parts import quartiles
from wattlas.report.figures.parts import say_source
from wattlas.report.published import OURS

KEEP = ["dataset", "shape", "depth", "size", "n_parameters", "loss"]
SETS_SHOWN = ("f", "l", "b")


def compute(data: ReportData) -> pl.DataFrame:
    """Points, running quartiles and cache ends, for the sets l, f and b."""
    rows = along_levels(data)
    if rows.is_empty():
        return rows
    table = over_sets(rows, "relative_energy", SETS_SHOWN, data, KEEP)
    return table.with_columns(pl.lit(OURS).alias("origin"))


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Relative energy on a logarithmic axis."""
    title = f"Energy to the loss / least of its family ({say_source(table)})"
    return draw_over_sets(table, "relative_energy", title, KEEP)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """How many points, and where the running median over forward sets is least."""
    parts = []
    for machine, source, group in by_kind(table):
        points = group.filter((pl.col("kind") == POINT) & (pl.col("working_set") == "f"))
        text = (
            f"On {machine} ({source}) half of {points.height:,} networks drawn take "
            f"{quartiles(points['relative_energy'])[1]:.3g} times the least energy of their family or more"
        )
        windows = windows_said(group, "f")
        if windows.height:
            least = windows.sort("relative_energy").row(0, named=True)
            text += (
                f"; the running median is least, {least['relative_energy']:.3g}, at "
                f"{format_bytes(least['bytes'])} of the forward set"
            )
        parts.append(f"{text}.")
    return (
        " ".join(parts)
        + " Of each dataset, shape and depth the loss level is the lowest that half of its sizes reach."
    )


FIGURE = Figure(
    name="paper-iso-loss-aggregate",
    section="paper",
    title="Energy to reach a loss, relative to the least, against working sets",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No loss level is reached by three networks of one dataset, shape and depth, or no loss curve "
    "is known.",
)
