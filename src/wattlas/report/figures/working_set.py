"""Working set against energy, with the machine's cache levels."""

from itertools import accumulate

import altair as alt
import polars as pl

from wattlas.core.units import format_bytes
from wattlas.report.data import MAX_MARKS, ReportData
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, log_axis, say_source, tips

SETS = {
    "f: forward pass": "ws_f_bytes",
    "l: inter-layer": "ws_l_bytes",
    "b: backward pass": "ws_b_bytes",
    "d: dataset": "ws_d_bytes",
}
KEYS = ["machine", "source", "dataset", "depth", "size"]


def boundaries(data: ReportData, machine: str) -> list[tuple[str, float]]:
    """Upper limit of what each cache level holds beside the levels nearer: the running sum of unit sizes."""
    if machine not in data.machines:
        return []
    caches = [c for c in data.machines[machine].hierarchy if c.kind != "memory"]
    return [
        (c.name, float(s)) for c, s in zip(caches, accumulate(c.capacity_bytes for c in caches), strict=True)
    ]


def compute(data: ReportData) -> pl.DataFrame:
    """One row per experiment, and one per cache level (`level` set, energy missing)."""
    rows = data.tables.experiments.filter(pl.col("energy_per_datum_j") > 0)
    table = rows.select(*KEYS, "shape", "n_parameters", *SETS.values(), "energy_per_datum_j").sort(KEYS)
    if table.height > MAX_MARKS:
        table = (
            table.group_by(KEYS)
            .agg(
                pl.lit("median of shapes").alias("shape"),
                pl.col("n_parameters").median().cast(pl.Int64),
                *(pl.col(c).median() for c in (*SETS.values(), "energy_per_datum_j")),
            )
            .select(table.columns)
            .sort(KEYS)
        )
    if table.is_empty():
        return table
    marks = [
        {"machine": machine, "source": source, "level": name, "limit_bytes": limit}
        for machine, source in table.select("machine", "source").unique().sort("machine", "source").rows()
        for name, limit in boundaries(data, machine)
    ]
    if not marks:
        return table.with_columns(
            pl.lit(None, dtype=pl.String).alias("level"), pl.lit(None, dtype=pl.Float64).alias("limit_bytes")
        )
    return pl.concat([table, pl.DataFrame(marks)], how="diagonal")


def draw(table: pl.DataFrame, data: ReportData) -> alt.TopLevelMixin:
    """Points by depth over the chosen working set; a dashed line where a cache level ends."""
    chosen = alt.param(
        name="working_set",
        value="ws_f_bytes",
        bind=alt.binding_select(options=list(SETS.values()), labels=list(SETS), name="Working set "),
    )
    points_of = table.filter(pl.col("level").is_null())
    params = filters(points_of, ("machine", "Machine"), ("source", "Source"), first="machine")
    only = filters(points_of, ("dataset", "Dataset"), first="dataset")
    points = (
        alt.Chart(TABLE)
        .transform_filter("datum.energy_per_datum_j > 0")
        .transform_calculate(bytes="datum[working_set]")
        .transform_filter("datum.bytes > 0")
        .mark_point(filled=True, size=34, opacity=0.85)
        .encode(
            x=alt.X(
                "bytes:Q",
                title="Bytes of the working set (log2 steps)",
                scale=alt.Scale(type="log", base=2, nice=False, padding=16),
                axis=alt.Axis(
                    tickCount=9,
                    labelExpr="datum.value >= 1073741824 ? format(datum.value/1073741824, '~g') + ' GiB' : "
                    "datum.value >= 1048576 ? format(datum.value/1048576, '~g') + ' MiB' : "
                    "datum.value >= 1024 ? format(datum.value/1024, '~g') + ' KiB' : datum.value + ' B'",
                    labelOverlap="greedy",
                ),
            ),
            y=alt.Y(**log_axis("energy_per_datum_j", f"Energy per datum (J, {say_source(points_of)})")),
            color=alt.Color("depth:O", title="Depth"),
            shape=alt.Shape("shape:N", title="Shape"),
            tooltip=tips(*KEYS, "shape", "n_parameters", "bytes", "energy_per_datum_j"),
        )
    )
    for param in only:
        points = points.transform_filter(param)
    lines = alt.Chart(TABLE).transform_filter("datum.limit_bytes > 0")
    rules = lines.mark_rule(strokeDash=[5, 4], strokeWidth=1.5).encode(x="limit_bytes:Q")
    names = lines.mark_text(align="left", dx=4, dy=6, baseline="top", fontWeight="bold").encode(
        x="limit_bytes:Q", y=alt.value(0), text="level:N"
    )
    layers = alt.layer(rules, names, points).add_params(chosen, *only)
    return apply_filters(layers, params).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Where the levels end, and how many experiments have a forward pass that fits none of the caches."""
    rows = table.filter(pl.col("level").is_null())
    levels = table.filter(pl.col("level").is_not_null())
    if levels.is_empty():
        return (
            f"Working sets of {rows.height:,} points; the caches of {', '.join(rows['machine'].unique())} are not "
            "known, so no lines are drawn."
        )
    parts = []
    for (machine,), group in levels.group_by("machine", maintain_order=True):
        limits = group.unique("level", maintain_order=True)
        own = rows.filter(pl.col("machine") == machine)
        said = ", ".join(
            f"{own.filter(pl.col('ws_f_bytes') > limit).height:,} spill {name} ({format_bytes(limit)})"
            for name, limit in limits.select("level", "limit_bytes").rows()
        )
        parts.append(f"Of {own.height:,} forward working sets on {machine}, {said}")
    return "; ".join(parts) + ". A line stands where a level and those nearer than it are full."


FIGURE = Figure(
    name="working-set",
    section="cache",
    title="Working set against energy, and where the caches end",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No experiment of this dataset has an energy and a working set.",
)
