"""Predicted over actual energy in the published bins, with normal curves: the published figure 8."""

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.report.data import KINDS, ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.model_error import FIGURE as OWN_FIGURE
from wattlas.report.figures.model_error import ratios
from wattlas.report.figures.paper.parts import machine_colour, origin_dash, origin_sources, pick
from wattlas.report.figures.parts import HEIGHT, TABLE
from wattlas.report.published import OURS, PUBLISHED, beside, split

Floats = NDArray[np.float64]
# The published bins: so many, equal, between these ratios.
EDGES = np.linspace(0.470219, 1.964925, 100)
KEYS = [*KINDS, "origin"]


def compute(data: ReportData) -> pl.DataFrame:
    """Experiments by bin: number `n`, `share` of those in bins, mean and deviation of ratios, `normal`.

    Mean and deviation are of the ratios inside the bins, those drawn; `outside` counts the others.
    """
    table = ratios(data)
    if table.is_empty():
        return table
    own = pl.concat(_binned(group) for group in table.partition_by(KINDS, maintain_order=True))
    return beside(own, _published(data, own))


def _binned(group: pl.DataFrame) -> pl.DataFrame:
    ratio = group["ratio"].to_numpy()
    inside = ratio[(ratio >= EDGES[0]) & (ratio <= EDGES[-1])]
    counts = np.histogram(inside, EDGES)[0].astype(np.float64)
    mean, sd = (float(inside.mean()), float(inside.std())) if inside.size else (1.0, 0.0)
    made = _columns(EDGES[:-1], EDGES[1:], counts, mean, sd)
    same = [pl.lit(group[kind][0]).alias(kind) for kind in (*KINDS, "predicted_source")]
    return made.select(*same, pl.all(), pl.lit(ratio.size - inside.size).alias("outside"))


def _columns(low: Floats, high: Floats, counts: Floats, mean: float, sd: float) -> pl.DataFrame:
    total = counts.sum()
    share = counts / total if total else counts
    return pl.DataFrame(
        {
            "bin_lower": low,
            "bin_upper": high,
            "n": counts.round().astype(np.int64),
            "share": share,
            "normal": normal_curve((low + high) / 2, share, mean, sd),
        }
    ).with_columns(pl.lit(mean).alias("ratio_mean"), pl.lit(sd).alias("ratio_sd"))


def normal_curve(x: Floats, y: Floats, mean: float, sd: float) -> Floats:
    """h exp(-(x - mean)² / 2 sd²) with the height h that is nearest to y in least squares; nil if sd is 0."""
    if sd == 0:
        return np.zeros_like(x)
    bell = np.exp(-(((x - mean) / sd) ** 2) / 2)
    return np.asarray(bell * (bell @ y) / (bell @ bell))


def _published(data: ReportData, own: pl.DataFrame) -> list[pl.DataFrame]:
    """Of our machines. What is at hand are counts: mean and deviation are taken at the middle of bins."""
    table = data.published_table("8_model_error_hist")
    if table is None:
        return []
    found = []
    for group in (
        table.join(own, on="machine", how="semi")
        .sort("bin_left")
        .partition_by("machine", maintain_order=True)
    ):
        low, high, n = (group[name].to_numpy() for name in ("bin_left", "bin_right", "count"))
        middle, n = (low + high) / 2, np.maximum(n.round(), 0)
        mean = float(np.average(middle, weights=n))
        sd = float(np.sqrt(np.average((middle - mean) ** 2, weights=n)))
        same = [pl.lit(group[key][0]).alias(key) for key in KEYS]
        found.append(_columns(low, high, n, mean, sd).with_columns(same))
    return found


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Bars of ours, steps of what is published, the normal curve of each."""
    title = f"Energy predicted (modelled) / actual ({origin_sources(table.drop('predicted_source'))})"
    # Numbers below 1 on a linear axis: no SI prefix, which would turn 0.5 into 500m.
    x_axis = alt.Axis(format=".2~f", tickCount=9)
    y_title = "Share of the experiments in bins"
    y = alt.Y("share:Q", title=y_title, axis=alt.Axis(format=".1%"), stack=None)
    x = alt.X("bin_lower:Q", title=title, axis=x_axis, scale=alt.Scale(zero=False, nice=False, padding=6))
    base = alt.Chart(TABLE).encode(color=machine_colour(table))
    bars = (
        base.transform_filter(f"datum.origin === '{OURS}'")
        .mark_bar(opacity=0.5)
        .encode(
            x=x,
            x2="bin_upper:Q",
            y=y,
            y2=alt.datum(0),
            tooltip=["machine:N", *_tips("bin_lower", "bin_upper", "n", "share")],
        )
    )
    middle = base.transform_calculate(middle="(datum.bin_lower + datum.bin_upper) / 2").encode(
        x=alt.X("middle:Q", title=title, axis=x_axis)
    )
    curves = middle.mark_line(strokeWidth=2).encode(
        y=alt.Y("normal:Q", title=y_title), strokeDash=origin_dash(table)
    )
    layers = [bars, curves]
    if split(table)[1].height:
        layers.append(
            middle.transform_filter(f"datum.origin === '{PUBLISHED}'")
            .mark_point(size=12, opacity=0.8)
            .encode(y=y)
        )
    return pick(alt.layer(*layers), table, together=("machine",)).properties(width="container", height=HEIGHT)


def _tips(*names: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format=".4~g") for name in names]


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Number, mean and deviation of the ratios, ours and those published."""
    own, published = split(table)
    parts = []
    for machine, source, group in by_kind(own):
        mean, sd, outside = group.select("ratio_mean", "ratio_sd", "outside").row(0)
        parts.append(
            f"On {machine} ({source}) {group['n'].sum():,} ratios have a mean of {mean:.4g} and a standard "
            f"deviation of {sd:.3g}; {outside:,} more lie outside the published bins."
        )
    for machine, _, group in by_kind(published) if published.height else []:
        mean, sd = group.select("ratio_mean", "ratio_sd").row(0)
        parts.append(
            f"Published for {machine}: {group['n'].sum():,} ratios of another model, mean {mean:.4g}, "
            f"standard deviation {sd:.3g}."
        )
    return " ".join(parts) + " Lines: normal curves of that mean and deviation, their height fitted."


FIGURE = Figure(
    name="paper-model-error",
    section="paper",
    title="Model error in the published bins, with normal curves",
    compute=compute,
    draw=draw,
    describe=describe,
    missing=OWN_FIGURE.missing,
)
