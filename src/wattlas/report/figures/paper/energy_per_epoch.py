"""Energy of an epoch against the size of the training set: panel a of the published figure 3."""

import altair as alt
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.paper.medians import DEPTHS, Panel, rounded_x
from wattlas.report.figures.paper.panel import describe_panel, draw_panel, panel_figure

PANEL = Panel("a", "training_set_size", "energy_per_epoch_j", "depth", DEPTHS, rounded_x())


def draw(table: pl.DataFrame) -> alt.LayerChart:
    """Both axes logarithmic."""
    return draw_panel(table, PANEL, "Training set (data, whole batches)", "Energy of an epoch")


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """With the energy that one more observation adds to an epoch."""
    text = describe_panel(table, data, PANEL, ["shape", "depth", "size"], "datum of the training set")
    return text + " Unlike the published figure, depth 16 has a mark of its own."


FIGURE = panel_figure(
    "paper-energy-per-epoch", "Energy of an epoch against training set size", PANEL, draw, describe
)
