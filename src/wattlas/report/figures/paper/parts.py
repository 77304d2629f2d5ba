"""Pieces that the paper's figures share: filters that spare published rows, and how those rows look."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from wattlas.report.data import sources_of
from wattlas.report.figures.parts import filters, say_source
from wattlas.report.published import OURS, PUBLISHED, split

# The published figures leave out a dataset of 240 rows, 505_tecator.
FEWEST_OBSERVATIONS = 500
DASH = alt.Scale(domain=[OURS, PUBLISHED], range=[[1, 0], [6, 4]])


def origin_dash(table: pl.DataFrame) -> alt.StrokeDash:
    """Published lines are dashed; the legend says so where there are some."""
    legend = alt.Legend(title="From") if split(table)[1].height else None
    return alt.StrokeDash("origin:N", scale=DASH, legend=legend)


def machine_colour(table: pl.DataFrame) -> alt.Color:
    """A colour for each machine, in the order of their names."""
    machines = table["machine"].unique().sort().to_list()
    return alt.Color("machine:N", title="Machine", scale=alt.Scale(domain=machines))


def origin_sources(table: pl.DataFrame) -> str:
    """As `say_source`, of our rows; what is published is measured."""
    own, published = split(table)
    return say_source(own) + (f"; published: {sources_of(published)[0]}" if published.height else "")


def pick(
    chart: alt.LayerChart, table: pl.DataFrame, *fields: str, together: Sequence[str] = ()
) -> alt.LayerChart:
    """Dropdowns for our rows: one kind of energy at a time, but every value of the fields in `together`.

    Published rows stay whatever source or domain is picked.
    """
    for param in filters(split(table)[0], *fields, together=together):
        chart = chart.add_params(param).transform_filter(_test(str(param.name)))
    return chart


def _test(name: str) -> Any:
    picked = {"param": name}
    if name not in ("pick_source", "pick_domain"):
        return picked
    return alt.LogicalOrPredicate(**{"or": [f"datum.origin === '{PUBLISHED}'", picked]})


def difference(own: pl.DataFrame, published: pl.DataFrame, keys: Sequence[str], value: str) -> str:
    """How far values of one kind of energy are from published ones of equal `keys`; empty without those."""
    if published.is_empty():
        return ""
    rounded = [pl.col(k).round_sig_figs(4) if own.schema[k].is_float() else pl.col(k) for k in keys]
    both = own.with_columns(rounded).join(published.with_columns(rounded), on=list(keys), suffix="_published")
    ratio = both.select(pl.col(value) / pl.col(f"{value}_published")).to_series().drop_nulls().to_numpy()
    if not ratio.size:
        return ""
    off, away = np.median(ratio) - 1, np.median(np.abs(ratio - 1))
    return (
        f"from {ratio.size:,} published values they differ by {away:.1%} in the median, {off:+.1%} with signs"
    )


def quartiles(values: pl.Series) -> tuple[float, float, float]:
    """25 %, 50 % and 75 % quantiles, linearly interpolated."""
    low, middle, high = (float(q) for q in np.quantile(values.to_numpy(), (0.25, 0.5, 0.75)))
    return low, middle, high
