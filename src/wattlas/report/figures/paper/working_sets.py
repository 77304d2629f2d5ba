"""Energy per datum against occupied working sets, with running medians: the published figure 6."""

import altair as alt
import polars as pl

from wattlas.core.units import format_bytes, format_si
from wattlas.report.data import ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.over_sets import POINT, draw_over_sets, occupied, over_sets, windows_said
from wattlas.report.figures.paper.parts import FEWEST_OBSERVATIONS
from wattlas.report.figures.paper.windows import FEWEST
from wattlas.report.figures.parts import say_source
from wattlas.report.figures.working_set import SETS
from wattlas.report.published import OURS

KEEP = ["dataset", "shape", "depth", "size", "n_parameters"]


def compute(data: ReportData) -> pl.DataFrame:
    """Points, running quartiles and cache ends of every set, machine, source and domain."""
    large = data.energies.filter(pl.col("n_observations") > FEWEST_OBSERVATIONS)
    rows = occupied(large, data.machines)
    return over_sets(rows, "energy_per_datum_j", tuple(SETS), data, KEEP).with_columns(
        pl.lit(OURS).alias("origin")
    )


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Energy per datum on a logarithmic axis."""
    return draw_over_sets(table, "energy_per_datum_j", f"Energy per datum (J, {say_source(table)})", KEEP)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """The medians at both ends of the forward sets, by kind of energy."""
    parts = []
    for machine, source, group in by_kind(table):
        windows = windows_said(group, "f")
        if windows.is_empty():
            n = group.filter((pl.col("kind") == POINT) & (pl.col("working_set") == "f")).height
            parts.append(
                f"{machine} ({source}) has {n:,} points and nowhere {FEWEST} of them within a factor of 2 in "
                "forward set, so no median is drawn."
            )
            continue
        first, last = windows.row(0, named=True), windows.row(-1, named=True)
        parts.append(
            f"On {machine} ({source}) the running median goes from "
            f"{format_si(first['energy_per_datum_j'], 'J')} at {format_bytes(first['bytes'])} of the "
            f"forward set to {format_si(last['energy_per_datum_j'], 'J')} at {format_bytes(last['bytes'])}."
        )
    return (
        " ".join(parts)
        + f" Line and band: median and quartiles of windows a factor of 2 wide with {FEWEST} points "
        "or more, then a moving average."
    )


FIGURE = Figure(
    name="paper-working-sets",
    section="paper",
    title="Energy per datum against occupied working sets",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No experiment on more than 500 observations has an energy.",
)
