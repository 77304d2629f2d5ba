"""Energy per datum against floating-point operations per datum: panel c of the published figure 3."""

import altair as alt
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.paper.medians import DECADE_STEP, DEPTHS, Panel
from wattlas.report.figures.paper.panel import describe_panel, draw_panel, panel_figure

# The published axis shows exp of a log10; the table has what that undoes to.
EXACT = 10 ** ((pl.col("x_true_flops_per_datum").log10() / DECADE_STEP).round(6) * DECADE_STEP)
PANEL = Panel("c", "flops_bin", "energy_per_datum_j", "depth", DEPTHS, EXACT)


def draw(table: pl.DataFrame) -> alt.LayerChart:
    """Both axes logarithmic."""
    return draw_panel(table, PANEL, "FLOPs per datum (a multiply-accumulate counts 1)", "Energy per datum")


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """With what is mended of the published axis."""
    return (
        describe_panel(table, data, PANEL, [], "")
        + " The published axis shows exp(log10 FLOPs); here published values too stand at their FLOPs. "
        "Published FLOPs count raw features as inputs, ours the inputs of the dataset's networks."
    )


FIGURE = panel_figure(
    "paper-energy-by-flops", "Energy per datum against FLOPs per datum", PANEL, draw, describe
)
