"""Loss against the energy spent to reach it, with the Pareto front."""

import altair as alt
import numpy as np
import polars as pl

from wattlas.advice import Advice, Design
from wattlas.core.units import format_energy
from wattlas.report.data import KINDS, MAX_MARKS, ReportData, thin
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, log_axis, say_source, tips

# Points on a front's line, of one dataset and machine; fewer where there are many of those.
FRONT_POINTS = 200
SAID = 4


def compute(data: ReportData) -> pl.DataFrame:
    """Kinds of row: `best`, a design at its lowest loss; `pareto`, its last point on the front; `front`.

    `front` rows are the epochs, of any design, that no other beats: the line.
    """
    share = MAX_MARKS // (2 * max(1, len(data.advice)))
    tables = [_rows(advice, share) for advice in data.advice]
    return pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()


def _rows(advice: Advice, share: int) -> pl.DataFrame:
    front = pl.DataFrame({"kind": "front", "loss": advice.front.loss, "energy_j": advice.front.energy_j})
    parts = [
        thin(pl.DataFrame([_row("best", d) for d in advice.bests], infer_schema_length=None), share),
        pl.DataFrame([_row("pareto", d) for d in advice.pareto], infer_schema_length=None),
        thin(front, min(FRONT_POINTS, share)),
    ]
    same = {"dataset": advice.dataset, **{kind: getattr(advice, kind) for kind in KINDS}}
    same["domain"] = same["domain"] or "not stated"
    return pl.concat(parts, how="diagonal_relaxed").select(
        *(pl.lit(value).alias(name) for name, value in same.items()), pl.all()
    )


def _row(kind: str, design: Design) -> dict[str, object]:
    configuration = {k: design.configuration[k] for k in ("shape", "depth", "n_parameters")}
    measures = ("epochs", "loss", "energy_j", "lower_j", "upper_j", "evidence")
    return {"kind": kind, **configuration, **{k: getattr(design, k) for k in measures}}


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Every design at its lowest loss, the front, and rings with intervals round the designs on it."""
    title = f"Energy to reach the loss (J, {say_source(table)})"
    base = alt.Chart(TABLE).encode(
        x=alt.X(**log_axis("energy_j", title)), y=alt.Y(**log_axis("loss", "Test loss", "~g"))
    )
    shown = tips("shape", "depth", "n_parameters", "epochs", "loss", "energy_j")
    depth = alt.Color("depth:O", title="Depth")
    rings = base.transform_filter("datum.kind == 'pareto'")
    layers = [
        base.transform_filter("datum.kind == 'best'")
        .mark_point(filled=True, size=34, opacity=0.65)
        .encode(color=depth, tooltip=shown),
        base.transform_filter("datum.kind == 'front'")
        .mark_line(strokeWidth=1.8, interpolate="step-after")
        .encode(order="energy_j:Q"),
        rings.mark_point(filled=False, size=110, strokeWidth=2).encode(color=depth, tooltip=shown),
    ]
    if table["lower_j"].is_not_null().any():
        ends = {"x": alt.X(**log_axis("lower_j", title)), "x2": "upper_j:Q"}
        layers.append(rings.mark_rule(opacity=0.6).encode(**ends))
    params = filters(table, "dataset")
    return apply_filters(alt.layer(*layers), params).properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Per dataset: how many designs are on the front, what the lowest loss costs and what twice that loss."""
    parts = []
    for advice in data.advice[:SAID]:
        loss, energy_j = advice.front.loss, advice.front.energy_j
        twice = int(np.argmax(loss <= 2 * loss[-1]))
        parts.append(
            f"{advice.dataset} on {advice.machine} ({advice.source}): {len(advice.pareto)} of "
            f"{len(advice.bests)} designs are on the front, a loss of {loss[-1]:.3g} takes "
            f"{format_energy(energy_j[-1], 3)} and one of {loss[twice]:.3g} "
            f"{format_energy(energy_j[twice], 3)}."
        )
    more = f" {len(data.advice) - SAID} more under the filters." if len(data.advice) > SAID else ""
    return (
        " ".join(parts)
        + more
        + " Dots: every design at its lowest loss. Rings: on the front, 95 % intervals."
    )


FIGURE = Figure(
    name="loss-energy",
    section="advice",
    title="Loss against energy, with the Pareto front",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No run of this dataset has epochs with a test loss and an energy.",
)
