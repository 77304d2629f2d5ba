"""Model error: energy predicted over energy recorded, of every experiment."""

import math

import altair as alt
import numpy as np
import polars as pl

from wattlas.core.errors import ModelError
from wattlas.model import load_model
from wattlas.report.data import KINDS, MAX_MARKS, ReportData, by_kind, thin
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import TABLE, apply_filters, filters, say_source

N_BINS = 40
KEYS = ["dataset", *KINDS, "shape", "depth", "size"]


def compute(data: ReportData) -> pl.DataFrame:
    """One row per experiment of the machines that the model knows, with the bin of its ratio.

    Of very many rows a part is taken, evenly by ratio; `n` is how many experiments a row stands for.

    Raises:
        ModelError: there is a model, and it knows none of the machines.
    """
    table = ratios(data)
    if table.is_empty():
        return table
    drawn = thin(table.sort(*KINDS, "ratio"), MAX_MARKS)
    return _binned(drawn.with_columns(pl.lit(table.height / drawn.height).alias("n")))


def ratios(data: ReportData) -> pl.DataFrame:
    """One row per experiment of the machines that the model knows; none without a model.

    Raises:
        ModelError: there is a model, and it knows none of the machines.
    """
    if data.model_path is None or data.energies.is_empty():
        return pl.DataFrame()
    model = load_model(data.model_path)
    points = data.energies.filter(pl.col("machine").is_in(list(model.machines_))).sort(KEYS)
    if points.is_empty():
        machines = ", ".join(data.energies["machine"].unique().sort())
        raise ModelError(
            f"{data.model_path} knows the machines {', '.join(model.machines_)}, not {machines}; fit one to "
            "this dataset with 'wattlas model fit'"
        )
    predicted = model.predict_interval(points)
    ratio = pl.col("predicted_energy_per_datum_j") / pl.col("energy_per_datum_j")
    return points.select(
        *KEYS,
        "n_parameters",
        "energy_per_datum_j",
        pl.Series("predicted_energy_per_datum_j", predicted.energy_j),
        pl.Series("lower_j", predicted.lower_j),
        pl.Series("upper_j", predicted.upper_j),
        pl.Series("extrapolated", predicted.extrapolated),
        pl.lit("modelled").alias("predicted_source"),
    ).with_columns(ratio.alias("ratio"))


def _binned(table: pl.DataFrame) -> pl.DataFrame:
    """With the ends of the bin of each ratio: equal bins of log ratio about 1, over all that there are."""
    log_ratio = np.log(table["ratio"].to_numpy())
    reach = max(float(np.abs(log_ratio).max()), math.log(1.05))
    edges = np.linspace(-reach, reach, N_BINS + 1)
    index = np.clip(np.searchsorted(edges, log_ratio, side="right") - 1, 0, N_BINS - 1)
    return table.with_columns(
        pl.Series("bin_lower", np.exp(edges[index])), pl.Series("bin_upper", np.exp(edges[index + 1]))
    )


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Histogram over a logarithmic axis, with a line at 1."""
    scale = alt.Scale(type="log", nice=False, padding=10)
    title = f"Energy per datum, predicted (modelled) / actual ({say_source(table.drop('predicted_source'))})"
    x = alt.X("bin_lower:Q", title=title, scale=scale, axis=alt.Axis(format=".3~g", tickCount=9))
    bars = (
        alt.Chart(TABLE)
        .mark_bar()
        .encode(
            x=x,
            x2="bin_upper:Q",
            y=alt.Y("sum(n):Q", title="Experiments", axis=alt.Axis(tickMinStep=1)),
            tooltip=[
                alt.Tooltip("bin_lower:Q", format=".4~g", title="ratio from"),
                alt.Tooltip("bin_upper:Q", format=".4~g", title="to"),
                alt.Tooltip("sum(n):Q", format=",.0f", title="experiments"),
            ],
        )
    )
    rule = alt.Chart(TABLE).mark_rule(strokeDash=[5, 4], strokeWidth=1.5).encode(x=alt.datum(1, scale=scale))
    params = filters(table)
    return apply_filters(alt.layer(bars, rule), params).properties(width="container", height=280)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Median and typical error by kind of energy, and the model's own error on points left out of its fit."""
    assert data.model_path is not None
    model = load_model(data.model_path)
    parts = []
    for machine, source, group in by_kind(table):
        ratio = group["ratio"].to_numpy()
        inside = group.filter(
            pl.col("energy_per_datum_j").is_between(pl.col("lower_j"), pl.col("upper_j"))
        ).height
        held_out = model.machines_[machine].held_out.get("median_ape")
        middle, error = np.median(ratio), np.median(np.abs(ratio - 1))
        text = (
            f"On {machine} ({source}) the median of {group['n'].sum():,.0f} ratios is {middle:.3g} and the "
            f"median error {error:.1%}; {inside / group.height:.0%} of energies lie in "
            "the model's 95 % interval."
        )
        if held_out is not None:
            text += f" On networks held out of its fit the model's median error was {held_out:.1%}."
        parts.append(text)
    left_out = data.energies.height - round(table["n"].sum())
    if left_out:
        parts.append(f"{left_out:,} experiments are of machines that the model does not know.")
    return " ".join(parts) + " Ratios of points that the model was fitted to flatter it."


FIGURE = Figure(
    name="model-error",
    section="model",
    title="Model error: predicted over actual energy",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No energy model was given: make one with 'wattlas model fit DATASET -o MODEL.json', and report "
    "with --model MODEL.json.",
)
