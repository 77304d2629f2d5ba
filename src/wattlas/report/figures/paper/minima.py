"""Occupied working set where the energy to a loss is least, a histogram: the published figure 7."""

import altair as alt
import numpy as np
import polars as pl

from wattlas.report.data import KINDS, ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.least_energy import along_levels
from wattlas.report.figures.paper.parts import origin_dash, origin_sources, pick
from wattlas.report.figures.parts import TABLE, apply_filters
from wattlas.report.figures.working_set import SETS
from wattlas.report.published import OURS, PUBLISHED, beside, split

SETS_SHOWN = ("f", "l", "b")
_PUBLISHED_SETS = {"interlayer_l": "l", "forward_f": "f", "backward_b": "b"}


def compute(data: ReportData) -> pl.DataFrame:
    """Minima by whole log2 of occupied bytes: their number `n`, and `share` of all of the set and machine.

    `at_end` is how many of them are at the smallest or largest network of their family.
    """
    rows = along_levels(data)
    if rows.is_empty():
        return rows
    least = rows.filter("least")
    tables = [
        least.with_columns(
            pl.lit(name).alias("working_set"),
            pl.col(f"{name}_bytes").log(2).floor().cast(pl.Int64).alias("log2_from"),
        )
        for name in SETS_SHOWN
    ]
    counted = (
        pl.concat(tables)
        .group_by(*KINDS, "working_set", "log2_from")
        .agg(pl.len().cast(pl.Int64).alias("n"), pl.col("at_end").sum().cast(pl.Int64))
    )
    return _shares(beside(counted, _published(data, counted)))


def _published(data: ReportData, own: pl.DataFrame) -> list[pl.DataFrame]:
    table = data.published_table("7_minimum_histograms")
    if table is None:
        return []
    return [
        table.join(own, on="machine", how="semi", maintain_order="left").select(
            *KINDS,
            pl.col("working_set").replace_strict(_PUBLISHED_SETS, return_dtype=pl.String),
            pl.col("bin_left_log2").cast(pl.Int64).alias("log2_from"),
            pl.col("count").cast(pl.Int64).alias("n"),
            "origin",
        )
    ]


def _shares(counted: pl.DataFrame) -> pl.DataFrame:
    group = [*KINDS, "working_set", "origin"]
    return (
        counted.with_columns(
            (pl.col("n") / pl.col("n").sum().over(group)).alias("share"),
            (pl.col("log2_from") + 1).alias("log2_to"),
        )
        .select(*KINDS, "working_set", "log2_from", "log2_to", "n", "share", "at_end", "origin")
        .sort("origin", *KINDS, "working_set", "log2_from", descending=[True, *[False] * 5])
    )


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Bars of ours, steps of what is published, one set and machine at a time."""
    sets = list(SETS_SHOWN)
    chosen = alt.selection_point(
        name="pick_set",
        fields=["working_set"],
        bind=alt.binding_select(options=sets, labels=[f"{n}: {SETS[n]}" for n in sets], name="Working set "),
        value=[{"working_set": sets[0]}],
    )
    title = "log2 of the working set of one cache unit, with what it lies on (bytes)"
    x = alt.X("log2_from:Q", title=title, scale=alt.Scale(zero=False, nice=False, padding=8))
    y = alt.Y(
        "share:Q",
        title=f"Share of the minima ({origin_sources(table)})",
        axis=alt.Axis(format="%"),
        stack=None,
    )
    base = alt.Chart(TABLE)
    shown = [alt.Tooltip(f"{n}:Q") for n in ("log2_from", "n", "at_end")]
    bars = (
        base.transform_filter(f"datum.origin === '{OURS}'")
        .mark_bar()
        .encode(x=x, x2="log2_to:Q", y=y, y2=alt.datum(0), tooltip=shown)
    )
    steps = (
        base.transform_filter(f"datum.origin === '{PUBLISHED}'")
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(x=x, y=y, strokeDash=origin_dash(table))
    )
    layers = [bars, steps] if split(table)[1].height else [bars]
    return pick(apply_filters(alt.layer(*layers), [chosen]), table).properties(width="container", height=280)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """Median of the forward set at the minimum, by machine, and what is mended of the published figure."""
    own, published = split(table)
    parts = []
    for machine, source, group in by_kind(own.filter(pl.col("working_set") == "f")):
        n, ends = group["n"].sum(), group["at_end"].sum()
        parts.append(
            f"On {machine} ({source}) half of {n:,} families take the least energy at a forward set of "
            f"2^{_median(group)} bytes or less; {ends:,} at their smallest or largest network."
        )
    parts.append(
        "Each machine has its own minima; the published figure pools CPU and GPU in both of its rows."
    )
    if published.height:
        middle = _median(published.filter(pl.col("working_set") == "f"))
        parts.append(f"Dashed: published, pooled; half of them lie at 2^{middle} bytes or less.")
    return " ".join(parts)


def _median(group: pl.DataFrame) -> int:
    """The upper end, in log2, of the bin that holds the median."""
    ordered = group.sort("log2_from")
    total = np.cumsum(ordered["n"].to_numpy())
    return int(ordered["log2_to"][int(np.searchsorted(total, total[-1] / 2))])


FIGURE = Figure(
    name="paper-minima",
    section="paper",
    title="Working set at which a loss takes the least energy",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No loss level is reached by three networks of one dataset, shape and depth, or no loss curve "
    "is known.",
)
