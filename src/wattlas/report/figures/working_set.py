"""Working set against energy, with the machine's cache levels."""

from itertools import accumulate
from typing import Any

import altair as alt
import polars as pl

from wattlas.core.units import format_bytes
from wattlas.hardware.machine import Machine
from wattlas.hardware.placement import place_sets
from wattlas.networks.network import Network
from wattlas.networks.working_sets import working_sets
from wattlas.report.data import KINDS, MAX_MARKS, ReportData, by_kind, thin
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, log_axis, say_source, tips

SETS = {"f": "forward pass", "l": "inter-layer", "b": "backward pass", "d": "dataset"}
KEYS = ["dataset", *KINDS, "shape", "depth", "size"]
BYTES = ("datum.value >= 1073741824 ? format(datum.value / 1073741824, '~g') + ' GiB' : "
         "datum.value >= 1048576 ? format(datum.value / 1048576, '~g') + ' MiB' : "
         "datum.value >= 1024 ? format(datum.value / 1024, '~g') + ' KiB' : datum.value + ' B'")  # fmt: skip


def limits(machine: Machine) -> list[tuple[str, float]]:
    """What each cache holds for one of its units, with the levels nearer: the running sum of unit sizes."""
    caches = [c for c in machine.hierarchy if c.kind != "memory"]
    sums = accumulate(c.capacity_bytes for c in caches)
    return [(c.name, float(s)) for c, s in zip(caches, sums, strict=True)]


def occupied(row: dict[str, Any], machine: Machine | None) -> dict[str, float]:
    """Bytes that each set takes of one unit, what it lies on included, as `placement` deals it out.

    On a machine that is not known, the set's total bytes.
    """
    network = Network(row["shape"], row["n_inputs"], tuple(row["widths"]), row["shape"].endswith("_residual"))
    sets = working_sets(network, row["batch_size"], row["n_observations"])
    if machine is None or not machine.hierarchy:
        return {f"{each.name}_bytes": float(each.total_bytes) for each in sets}
    placed = place_sets(machine.hierarchy, sets)
    return {f"{name}_bytes": placement.occupied_bytes for name, placement in placed.items()}


def compute(data: ReportData) -> pl.DataFrame:
    """One row per experiment, and one per cache level (`level` set, energy missing)."""
    rows = thin(data.energies.sort(KEYS), MAX_MARKS)
    if rows.is_empty():
        return rows
    sets = [occupied(row, data.machines.get(row["machine"])) for row in rows.iter_rows(named=True)]
    table = rows.select(*KEYS, "n_parameters", "energy_per_datum_j").hstack(
        pl.DataFrame(sets, schema={f"{name}_bytes": pl.Float64 for name in SETS})
    )
    marks = [
        {**dict(zip(KINDS, kind, strict=True)), "level": name, "limit_bytes": limit}
        for kind in table.select(KINDS).unique().sort(KINDS).rows()
        if kind[0] in data.machines
        for name, limit in limits(data.machines[kind[0]])
    ]
    lines = pl.DataFrame(
        marks, schema=dict.fromkeys((*KINDS, "level"), pl.String) | {"limit_bytes": pl.Float64}
    )
    return pl.concat([table, lines], how="diagonal")


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Points by depth over the chosen working set; a dashed line where a cache level ends."""
    drawn = table.filter(pl.col("level").is_null())
    chosen = alt.param(
        name="working_set",
        value="f_bytes",
        bind=alt.binding_select(
            options=[f"{name}_bytes" for name in SETS],
            labels=[f"{name}: {meaning}" for name, meaning in SETS.items()],
            name="Working set ",
        ),
    )
    x_axis = log_axis("bytes", "Working set of one cache unit, with what it lies on (bytes)") | {
        "scale": alt.Scale(type="log", base=2, nice=False, padding=16),
        "axis": alt.Axis(tickCount=9, labelExpr=BYTES, labelOverlap="greedy"),
    }
    points = alt.Chart(TABLE).transform_filter("datum.energy_per_datum_j > 0")
    # Of the dropdowns, a level's line has no dataset: only points are picked by it.
    kinds = filters(drawn)
    others = [p for p in filters(drawn, "dataset") if p.name not in {k.name for k in kinds}]
    for param in others:
        points = points.transform_filter(param)
    marks = (
        points.transform_calculate(bytes="datum[working_set]")
        .transform_filter("datum.bytes > 0")
        .mark_point(filled=True, size=40, opacity=0.85)
        .encode(
            x=alt.X(**x_axis),
            y=alt.Y(**log_axis("energy_per_datum_j", f"Energy per datum (J, {say_source(drawn)})")),
            color=alt.Color("depth:O", title="Depth"),
            shape=alt.Shape("shape:N", title="Shape"),
            tooltip=tips(*KEYS, "n_parameters", "bytes", "energy_per_datum_j"),
        )
    )
    layers = [marks]
    if drawn.height < table.height:
        lines = alt.Chart(TABLE).transform_filter("datum.limit_bytes > 0").encode(x="limit_bytes:Q")
        rules = lines.mark_rule(strokeDash=[5, 4], strokeWidth=1.5)
        names = lines.mark_text(align="right", dx=-5, dy=6, baseline="top", fontWeight="bold").encode(
            y=alt.value(0), text="level:N"
        )
        layers = [rules, names, marks]
    layered = alt.layer(*layers).add_params(chosen, *others)
    return apply_filters(layered, kinds).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """How many forward working sets are beyond each level of each machine."""
    parts = []
    for machine, source, group in by_kind(table):
        drawn = group.filter(pl.col("level").is_null())
        lines = group.filter(pl.col("level").is_not_null()).select("level", "limit_bytes").rows()
        if not lines:
            parts.append(f"The caches of {machine} are not known, so no line is drawn and sets are whole.")
            continue
        beyond = ", ".join(
            f"{drawn.filter(pl.col('f_bytes') > limit).height:,} beyond {level} ({format_bytes(limit)})"
            for level, limit in lines
        )
        parts.append(f"Of {drawn.height:,} forward working sets on {machine} ({source}) lie {beyond}.")
    return " ".join(parts) + " A line stands where a level and those nearer than it are full."


FIGURE = Figure(
    name="working-set",
    section="cache",
    title="Working set against energy, and where the caches end",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No experiment of this dataset has an energy.",
)
