"""Energy per datum against parameters, by depth."""

import altair as alt
import polars as pl

from wattlas.core.units import format_si
from wattlas.report.data import KINDS, MAX_MARKS, ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, log_axis, say_source, tips

KEYS = ["dataset", *KINDS, "shape", "depth", "size"]
ENERGY = pl.col("energy_per_datum_j")


def compute(data: ReportData) -> pl.DataFrame:
    """One row per experiment, with ± 2 u; medians and quartiles over shapes if those are too many."""
    half = 2 * pl.col("u_energy_per_datum_j")
    table = data.energies.select(
        *KEYS,
        "n_parameters",
        "energy_per_datum_j",
        # A bar that would reach 0 has no end on a logarithmic axis.
        pl.max_horizontal(ENERGY - half, ENERGY / 10).alias("lower_j"),
        (ENERGY + half).alias("upper_j"),
    ).sort(KEYS)
    if table.height <= MAX_MARKS:
        return table
    merged = table.group_by([k for k in KEYS if k != "shape"]).agg(
        pl.lit("median of shapes").alias("shape"),
        pl.col("n_parameters").median().cast(pl.Int64),
        ENERGY.median(),
        ENERGY.quantile(0.25).alias("lower_j"),
        ENERGY.quantile(0.75).alias("upper_j"),
    )
    return merged.select(table.columns).sort(KEYS)


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Points with intervals, joined by depth."""
    base = alt.Chart(TABLE).encode(
        x=alt.X(**log_axis("n_parameters", "Trainable parameters")),
        color=alt.Color("depth:O", title="Depth"),
    )
    title = f"Energy per datum (J, {say_source(table)})"
    energy = alt.Y(**log_axis("energy_per_datum_j", title))
    lines = base.mark_line(opacity=0.45, strokeWidth=1.2).encode(y=energy, detail="shape:N")
    points = base.mark_point(filled=True, size=40, opacity=0.9).encode(
        y=energy,
        shape=alt.Shape("shape:N", title="Shape"),
        tooltip=tips(*KEYS, "n_parameters", "energy_per_datum_j"),
    )
    layers = [lines, points]
    if table["lower_j"].is_not_null().any():
        ends = {"y": alt.Y(**log_axis("lower_j", title)), "y2": "upper_j:Q"}
        layers.insert(0, base.mark_rule(opacity=0.35).encode(**ends))
    params = filters(table, "dataset", "shape")
    return apply_filters(alt.layer(*layers), params).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """The span of energies and of sizes, by kind of energy."""
    parts = []
    for machine, source, group in by_kind(table):
        sizes = group["n_parameters"].sort()
        ordered = group.sort("energy_per_datum_j")
        least, most = ordered.row(0, named=True), ordered.row(-1, named=True)
        times = most["energy_per_datum_j"] / least["energy_per_datum_j"]
        parts.append(
            f"On {machine} ({source}), over {sizes[0]:,} to {sizes[-1]:,} parameters, the energy per datum "
            f"spans {times:.3g} times: from {_say(least)} to {_say(most)}."
        )
    return " ".join(parts) + " Bars: ± 2 standard uncertainties, or quartiles over shapes in large datasets."


def _say(row: dict[str, object]) -> str:
    energy = format_si(float(str(row["energy_per_datum_j"])), "J")
    return f"{energy} ({row['dataset']}, {row['shape']}, depth {row['depth']})"


FIGURE = Figure(
    name="energy-per-datum",
    section="energy",
    title="Energy per datum against parameters, by depth",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No experiment of this dataset has an energy.",
)
