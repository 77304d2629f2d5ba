"""Energy per datum against depth: panel d of the published figure 3."""

import altair as alt
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.paper.medians import SIZES, Panel, rounded_x
from wattlas.report.figures.paper.panel import describe_panel, draw_panel, panel_figure

PANEL = Panel("d", "depth", "energy_per_datum_j", "size", SIZES, rounded_x())


def draw(table: pl.DataFrame) -> alt.LayerChart:
    """Depth on a linear axis."""
    return draw_panel(table, PANEL, "Depth (weight layers)", "Energy per datum", log_x=False)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """With the energy that one more layer adds."""
    return describe_panel(table, data, PANEL, ["dataset", "shape", "size"], "layer")


FIGURE = panel_figure("paper-energy-by-depth", "Energy per datum against depth", PANEL, draw, describe)
