"""Energy per datum against parameters, by depth."""

import altair as alt
import polars as pl

from wattlas.core.units import format_si
from wattlas.report.data import MAX_MARKS, ReportData
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, log_axis, say_source, tips

KEYS = ["dataset", "machine", "source", "shape", "depth", "size"]


def compute(data: ReportData) -> pl.DataFrame:
    """One row per experiment; medians over shapes where there are too many to draw."""
    rows = data.tables.experiments.filter(
        (pl.col("energy_per_datum_j") > 0) & pl.col("energy_per_datum_j").is_finite()
    )
    half = 2 * pl.col("u_energy_per_datum_j")
    table = rows.select(
        *KEYS,
        "n_parameters",
        "energy_per_datum_j",
        pl.max_horizontal(pl.col("energy_per_datum_j") - half, pl.col("energy_per_datum_j") / 10).alias(
            "lower_j"
        ),
        (pl.col("energy_per_datum_j") + half).alias("upper_j"),
    ).sort(KEYS)
    if table.height <= MAX_MARKS:
        return table
    keys = [k for k in KEYS if k != "shape"]
    merged = table.group_by(keys).agg(
        pl.lit("median of shapes").alias("shape"),
        pl.col("n_parameters").median().cast(pl.Int64),
        pl.col("energy_per_datum_j").median(),
        pl.col("energy_per_datum_j").quantile(0.25).alias("lower_j"),
        pl.col("energy_per_datum_j").quantile(0.75).alias("upper_j"),
    )
    return merged.select(table.columns).sort(KEYS)


def draw(table: pl.DataFrame, data: ReportData) -> alt.TopLevelMixin:
    """Points with intervals, joined by depth."""
    params = filters(
        table,
        ("dataset", "Dataset"),
        ("shape", "Shape"),
        ("machine", "Machine"),
        ("source", "Source"),
        first="dataset",
    )
    base = alt.Chart(TABLE).encode(
        x=alt.X(**log_axis("n_parameters", "Trainable parameters")),
        color=alt.Color("depth:O", title="Depth"),
    )
    y_title = f"Energy per datum (J, {say_source(table)})"
    bars = base.mark_rule(opacity=0.35).encode(y=alt.Y(**log_axis("lower_j", y_title)), y2="upper_j:Q")
    lines = base.mark_line(opacity=0.45, strokeWidth=1.2).encode(
        y=alt.Y(**log_axis("energy_per_datum_j", y_title)),
        detail=["dataset:N", "machine:N", "source:N", "shape:N"],
    )
    points = base.mark_point(filled=True, size=34, opacity=0.9).encode(
        y=alt.Y(**log_axis("energy_per_datum_j", y_title)),
        shape=alt.Shape("shape:N", title="Shape"),
        tooltip=tips(*KEYS, "n_parameters", "energy_per_datum_j"),
    )
    layers = alt.layer(bars, lines, points)
    return apply_filters(layers, params).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """The span of energies and of sizes, and what the best size per parameter count costs more."""
    least, most = (
        table.sort("energy_per_datum_j").row(0, named=True),
        table.sort("energy_per_datum_j").row(-1, named=True),
    )
    sizes = table.select(
        pl.col("n_parameters").min().alias("a"), pl.col("n_parameters").max().alias("b")
    ).row(0)
    ratio = most["energy_per_datum_j"] / least["energy_per_datum_j"]
    return (
        f"Over {sizes[0]:,} to {sizes[1]:,} parameters ({sizes[1] / sizes[0]:.3g} times) the energy per datum spans "
        f"{ratio:.3g} times: from {format_si(least['energy_per_datum_j'], 'J')} ({least['dataset']}, {least['shape']}, "
        f"depth {least['depth']}) to {format_si(most['energy_per_datum_j'], 'J')} ({most['dataset']}, "
        f"{most['shape']}, depth {most['depth']})."
    )


FIGURE = Figure(
    name="energy-per-datum",
    section="energy",
    title="Energy per datum against parameters, by depth",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No experiment of this dataset has an energy.",
)
