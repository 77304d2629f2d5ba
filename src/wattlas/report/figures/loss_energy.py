"""Loss against the energy spent to reach it, with the Pareto front."""

from typing import cast

import altair as alt
import polars as pl

from wattlas.core.units import format_energy
from wattlas.report.data import MAX_MARKS, ReportData, thin
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, log_axis, say_source, tips

# Points on the front's line, by dataset and machine.
FRONT_POINTS = 60


def compute(data: ReportData) -> pl.DataFrame:
    """Kinds of row: `best` (a design at its lowest loss), `front` (on the line), `kept` (not surely beaten)."""
    rows: list[dict[str, object]] = []
    for advice in data.advice:
        where = {"dataset": advice.dataset, "machine": advice.machine, "source": advice.source}
        for kind, designs in (
            ("best", advice.bests),
            ("kept", tuple(d for d, _ in advice.pareto)),
        ):
            for design in designs:
                c = design.configuration
                rows.append(
                    {
                        **where,
                        "kind": kind,
                        **{k: c[k] for k in ("shape", "depth", "n_parameters")},
                        "epochs": design.epochs,
                        "loss": design.loss,
                        "energy_j": design.energy_j,
                        "lower_j": design.lower_j,
                        "upper_j": design.upper_j,
                    }
                )
        front = pl.DataFrame({"loss": advice.front.loss, "energy_j": advice.front.energy_j})
        for loss, energy_j in thin(front, FRONT_POINTS).rows():
            rows.append({**where, "kind": "front", "loss": loss, "energy_j": energy_j})
    if not rows:
        return pl.DataFrame(schema={"source": pl.String})
    table = pl.DataFrame(rows, infer_schema_length=None)
    bests = table.filter(pl.col("kind") == "best")
    if bests.height > MAX_MARKS:
        table = pl.concat([thin(bests.sort("dataset", "energy_j")), table.filter(pl.col("kind") != "best")])
    return table


def draw(table: pl.DataFrame, data: ReportData) -> alt.TopLevelMixin:
    """Every design at its lowest loss, those that no other surely beats, and the least energy for each loss."""
    params = filters(
        table, ("dataset", "Dataset"), ("machine", "Machine"), ("source", "Source"), first="dataset"
    )
    base = alt.Chart(TABLE).encode(
        x=alt.X(**log_axis("energy_j", f"Energy to reach the loss (J, {say_source(table)})")),
        y=alt.Y(**log_axis("loss", "Test loss")),
    )
    shown = tips("shape", "depth", "n_parameters", "epochs", "loss", "energy_j")
    best = (
        base.transform_filter("datum.kind == 'best'")
        .mark_point(filled=True, size=30, opacity=0.6)
        .encode(color=alt.Color("depth:O", title="Depth"), tooltip=shown)
    )
    line = base.transform_filter("datum.kind == 'front'").mark_line(strokeWidth=2).encode(order="loss:Q")
    intervals = (
        base.transform_filter("datum.kind == 'kept'")
        .mark_rule(opacity=0.5)
        .encode(x=alt.X(**log_axis("lower_j", "")), x2="upper_j:Q")
    )
    kept = (
        base.transform_filter("datum.kind == 'kept'")
        .mark_point(filled=False, size=90, strokeWidth=1.8)
        .encode(color=alt.Color("depth:O", title="Depth"), tooltip=shown)
    )
    layers = alt.layer(best, intervals, kept, line)
    return apply_filters(cast(alt.Chart, layers), params).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Per dataset: how many designs stay, and what the lowest loss costs beside a loss twice as high."""
    parts = []
    for (dataset, machine), group in table.group_by("dataset", "machine", maintain_order=True):
        front = group.filter(pl.col("kind") == "front").sort("loss")
        kept = group.filter(pl.col("kind") == "kept").height
        designs = group.filter(pl.col("kind") == "best").height
        low = front.row(0, named=True)
        twice = front.filter(pl.col("loss") <= 2 * low["loss"]).row(-1, named=True)
        parts.append(
            f"{dataset} on {machine}: {kept} of {designs} designs are not surely beaten at some loss; a loss of "
            f"{low['loss']:.3g} takes {format_energy(low['energy_j'], 3)}, one of {twice['loss']:.3g} takes "
            f"{format_energy(twice['energy_j'], 3)}"
        )
        if len(parts) == 4:
            break
    return "; ".join(parts) + ". Rings have 95 % intervals."


FIGURE = Figure(
    name="loss-energy",
    section="advice",
    title="Loss against energy, with the Pareto front",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No run of this dataset has epochs with a test loss and an energy.",
)
