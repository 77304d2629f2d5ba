"""Energy per datum against network size: panel b of the published figure 3."""

import altair as alt
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.paper.medians import DEPTHS, Panel
from wattlas.report.figures.paper.panel import describe_panel, draw_panel, panel_figure

# Sizes are powers of two; read off an axis they are not.
POWER_OF_TWO = (2 ** pl.col("x").log(2).round()).round().cast(pl.Int64)
PANEL = Panel("b", "size", "energy_per_datum_j", "depth", DEPTHS, POWER_OF_TWO)
# Below it what a parameter adds drowns in what a step takes.
LARGE = 2**21


def draw(table: pl.DataFrame) -> alt.LayerChart:
    """Both axes logarithmic."""
    return draw_panel(table, PANEL, "Size (target number of parameters)", "Energy per datum")


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """With the energy that one more parameter of a large network adds."""
    unit = "parameter from 2^21 up"
    text = describe_panel(table, data, PANEL, ["dataset", "shape", "depth"], unit, LARGE)
    return text + " Unlike the published figure, depth 16 has a mark of its own."


FIGURE = panel_figure("paper-energy-by-size", "Energy per datum against size", PANEL, draw, describe)
