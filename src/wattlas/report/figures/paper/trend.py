"""Energy of training the industry's models by year, and its doubling time: the published trend figure.

The systems behind it are in no file that ships with Wattlas or with the published curves: they are drawn
where a report is given them, as `ai_energy_co2_cpu_gpu_trends.csv` with the columns system, year (a decimal
number) and energy_j.
"""

import math

import altair as alt
import numpy as np
import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, log_axis, tips
from wattlas.report.published import PUBLISHED

# Before the first of these years and after the second, growth was fitted apart.
ERAS = (
    ("before 2012", -math.inf, 2012.0),
    ("2012 to 2019", 2012.0, 2019.0),
    ("after 2019", 2019.0, math.inf),
)


def compute(data: ReportData) -> pl.DataFrame:
    """One row per system, with its era and the energy on the era's line, `fit_j`; none without systems."""
    table = data.published_table("ai_energy_co2_cpu_gpu_trends")
    if table is None:
        return pl.DataFrame()
    known = table.filter((pl.col("energy_j") > 0) & pl.col("year").is_finite()).sort("year")
    parts = []
    for era, first, end in ERAS:
        rows = known.filter((pl.col("year") >= first) & (pl.col("year") < end))
        doubling_y, fit_j = growth(rows)
        parts.append(
            rows.with_columns(pl.lit(era).alias("era"), pl.lit(doubling_y).alias("doubling_y"), fit_j)
        )
    # They are figures that others told, and no meter of ours saw them.
    return pl.concat(parts).with_columns(
        pl.lit("modelled").alias("source"), pl.lit(PUBLISHED).alias("origin")
    )


def growth(rows: pl.DataFrame) -> tuple[float | None, pl.Series]:
    """Doubling time (years) of the least-squares line of log2 energy over year, and energies on that line.

    None and nulls of fewer than three systems, or where they are of one year.
    """
    year, log_j = rows["year"].to_numpy(), np.log2(rows["energy_j"].to_numpy())
    if rows.height < 3 or np.ptp(year) == 0:
        return None, pl.Series("fit_j", [None] * rows.height, pl.Float64)
    slope, start = np.polyfit(year - year[0], log_j, 1)
    return float(1 / slope), pl.Series("fit_j", 2 ** (start + slope * (year - year[0])))


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """A point a system, a line an era."""
    title = "Energy of a training (J, modelled)"
    x = alt.X("year:Q", title="Year", axis=alt.Axis(format="d"), scale=alt.Scale(zero=False, padding=10))
    base = alt.Chart(TABLE).encode(
        x=x, color=alt.Color("era:N", title="Era", sort=[name for name, *_ in ERAS])
    )
    points = base.mark_point(filled=True, size=40).encode(
        y=alt.Y(**log_axis("energy_j", title)), tooltip=tips("system", "year", "energy_j")
    )
    lines = base.transform_filter("datum.fit_j > 0").mark_line().encode(y=alt.Y(**log_axis("fit_j", title)))
    return alt.layer(points, lines).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Doubling time of each era."""
    parts = []
    for era, *_ in ERAS:
        rows = table.filter(pl.col("era") == era)
        time = rows["doubling_y"].drop_nulls()
        said = f"energy doubles every {time[0]:.4g} years" if time.len() else "too few for a line"
        parts.append(f"{era}, {rows.height:,} systems: {said}")
    return (
        "; ".join(parts).capitalize()
        + ". Energies are as given. The published ones count FLOPs per clock of Intel and "
        "AMD processors twice; give energies that count them once."
    )


FIGURE = Figure(
    name="paper-trend",
    section="paper",
    title="Training energy of the industry's models by year",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="The data of this figure, the industry's trained models with year and energy, ship neither "
    "with Wattlas nor "
    "with the published curves, so it is not drawn. The paper found a doubling of energy every 2.1037 "
    "years before 2012 "
    "and every 0.4252 years after 2019, with the FLOPs per clock of Intel and AMD processors counted "
    "twice. Put the "
    "systems into ai_energy_co2_cpu_gpu_trends.csv (system, year, energy_j) in the directory of "
    "--published to draw it.",
)
