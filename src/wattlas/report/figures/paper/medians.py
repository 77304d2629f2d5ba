"""Medians of energy over a quantity, of all experiments and of groups of them, and what a step of it adds."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from wattlas.report.data import KINDS, ReportData
from wattlas.report.figures.paper.parts import FEWEST_OBSERVATIONS, quartiles
from wattlas.report.published import beside

ALL = "all"
# The groups of the published figures: depths, or sizes.
DEPTHS = (2, 4, 8, 16)
SIZES = (2**10, 2**15, 2**20)
# FLOPs are binned by rounding their log10 to multiples of this.
DECADE_STEP = 0.2


@dataclass(frozen=True)
class Panel:
    """A panel of the published figure 3.

    Attributes:
        name: a, b, c or d.
        x, y: columns of `quantities`.
        group: the column whose values, in `values`, have medians of their own.
        exact: how a published x, read off an axis, is the value that was drawn.
    """

    name: str
    x: str
    y: str
    group: str
    values: tuple[int, ...]
    exact: pl.Expr


def quantities(data: ReportData) -> pl.DataFrame:
    """The experiments of the figure, with its quantities.

    `training_set_size` is training batches × batch size, the last one counted as full; `energy_per_epoch_j`
    is the energy of that many data; `flops_bin` is the middle of a bin of a fifth of a decade.
    """
    size = pl.col("n_train_batches") * pl.col("batch_size")
    log_flops = pl.col("flops_per_datum").log10()
    return data.energies.filter(pl.col("n_observations") > FEWEST_OBSERVATIONS).with_columns(
        size.alias("training_set_size"),
        (pl.col("energy_per_datum_j") * size).alias("energy_per_epoch_j"),
        (10 ** ((log_flops / DECADE_STEP).round() * DECADE_STEP)).alias("flops_bin"),
    )


def medians(experiments: pl.DataFrame, panel: Panel) -> pl.DataFrame:
    """Median of y at each x: of all (with quartiles, `lower_j` and `upper_j`), and of each group.

    Every machine, source and domain has its own.
    """
    every = (
        experiments.group_by(*KINDS, panel.x)
        .agg(
            pl.col(panel.y).median(),
            pl.col(panel.y).quantile(0.25, "linear").alias("lower_j"),
            pl.col(panel.y).quantile(0.75, "linear").alias("upper_j"),
            pl.len().cast(pl.Int64).alias("experiments"),
        )
        .with_columns(pl.lit(ALL).alias("group"))
    )
    of_group = (
        experiments.filter(pl.col(panel.group).is_in(panel.values))
        .group_by(*KINDS, panel.x, panel.group)
        .agg(pl.col(panel.y).median(), pl.len().cast(pl.Int64).alias("experiments"))
        .with_columns(pl.concat_str(pl.lit(f"{panel.group} "), panel.group).alias("group"))
    )
    columns = [*KINDS, "group", panel.x, panel.y, "lower_j", "upper_j", "experiments"]
    return pl.concat([every, of_group], how="diagonal").select(columns).sort(*KINDS, "group", panel.x)


def published_medians(data: ReportData, panel: Panel) -> pl.DataFrame | None:
    """The published medians and quartiles of a panel, in the columns of `medians`."""
    table = data.published_table("3_figures")
    if table is None:
        return None
    number = pl.col("group").str.extract(r"(\d+)$")
    rows = table.filter(pl.col("panel") == panel.name).select(
        *KINDS,
        "series",
        pl.when(number.is_null())
        .then(pl.lit(ALL))
        .otherwise(pl.concat_str(pl.lit(f"{panel.group} "), number))
        .alias("group"),
        panel.exact.alias(panel.x),
        pl.col("y").alias(panel.y),
        pl.col("y_q25").alias("lower_j"),
        pl.col("y_q75").alias("upper_j"),
        "origin",
    )
    keys = [*KINDS, "group", panel.x]
    bars = rows.filter(pl.col("series") == "quartile_bar").select(*keys, "lower_j", "upper_j")
    points = rows.filter(pl.col("series") != "quartile_bar").drop("series", "lower_j", "upper_j")
    return points.join(bars, on=keys, how="left", maintain_order="left")


def panel_table(data: ReportData, panel: Panel) -> pl.DataFrame:
    """What a panel shows: our medians, and the published ones where they are at hand."""
    published = published_medians(data, panel)
    return beside(medians(quantities(data), panel), [] if published is None else [published])


def marginal(
    experiments: pl.DataFrame, within: Sequence[str], x: str, y: str
) -> tuple[float, float, float] | None:
    """Quartiles of what one more of x adds to y: differences of consecutive medians over those of x, pooled.

    Medians are of each x in each group of equal `within`. None where no group has two x.
    """
    slope = pl.col(y).diff().over(within) / pl.col(x).diff().over(within)
    slopes = (
        experiments.group_by(*within, x)
        .agg(pl.col(y).median())
        .sort(*within, x)
        .select(slope)
        .to_series()
        .drop_nulls()
    )
    return quartiles(slopes) if slopes.len() else None


def rounded_x(column: str = "x") -> pl.Expr:
    """A whole number read off an axis."""
    return pl.col(column).round().cast(pl.Int64)
