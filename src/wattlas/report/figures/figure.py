"""What a figure is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from wattlas.report.data import ReportData

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Attributes:
        name: as `--figure` takes it; also the name of its CSV file.
        section: id of the report's section that it stands in.
        title: its heading.
        compute: data to table; a table without rows means there is nothing to draw.
        draw: table to Altair chart. The chart's data are the table's, under the name `table`.
        describe: one sentence, from the table, of what it shows.
        missing: why there may be nothing, shown in the figure's place.
    """

    name: str
    section: str
    title: str
    compute: Callable[[ReportData], pl.DataFrame]
    draw: Callable[[pl.DataFrame, ReportData], "alt.LayerChart"]
    describe: Callable[[pl.DataFrame, ReportData], str]
    missing: str
