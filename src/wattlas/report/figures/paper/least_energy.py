"""Energy along one loss level of each family of networks, over the least of it."""

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.report.data import KINDS, ReportData
from wattlas.report.figures.paper.over_sets import occupied

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FAMILY = [*KINDS, "dataset", "shape", "depth"]
# A family of fewer networks on the level has no minimum worth the name.
FEWEST = 3


def along_levels(data: ReportData) -> pl.DataFrame:
    """One row per network on its family's level: `relative_energy`, `least`, and bytes of sets.

    The level is the lowest that at least half of the family's networks reach, three of them or more; a family
    is all sizes of one dataset, shape, depth, machine, source and domain. `at_end` tells a family whose
    least is at its smallest or largest network.
    """
    levels = data.loss_levels
    if levels.experiments.is_empty():
        return pl.DataFrame()
    rows = levels.experiments.with_row_index("row").sort(*FAMILY, "n_parameters")
    share = levels.share[rows["row"].to_numpy()]
    whole_j = rows.select(
        pl.col("energy_per_datum_j") * pl.col("n_train_batches") * pl.col("batch_size") * pl.col("epochs")
    ).to_series()
    level, energy_j = _on_level(
        share, whole_j.to_numpy(), rows.select(pl.struct(FAMILY).rle_id()).to_series()
    )
    over = pl.col("energy_to_loss_j")
    on_level = (
        rows.with_columns(pl.Series("level", level), pl.Series("energy_to_loss_j", energy_j).fill_nan(None))
        .drop_nulls("energy_to_loss_j")
        .with_columns(
            levels.loss(pl.col("level")).alias("loss"),
            (pl.int_range(pl.len()) == over.arg_min()).over(FAMILY).alias("least"),
            ((over.arg_min() == 0) | (over.arg_min() == pl.len() - 1)).over(FAMILY).alias("at_end"),
        )
        .with_columns((over / over.filter("least").first().over(FAMILY)).alias("relative_energy"))
    )
    return occupied(on_level, data.machines)


def _on_level(share: Floats, whole_j: Floats, family: pl.Series) -> tuple[Ints, Floats]:
    """Level of each row's family and energy there, NaN where a row is not on it or its family has none."""
    level, energy_j = np.zeros(len(share), dtype=np.int64), np.full(len(share), np.nan)
    starts = np.flatnonzero(np.diff(family.to_numpy(), prepend=-1))
    for first, end in pairwise([*starts.tolist(), len(share)]):
        reached = np.isfinite(share[first:end]).sum(axis=0)
        enough = np.flatnonzero(reached >= max(FEWEST, (end - first) / 2))
        if enough.size:
            level[first:end] = enough[0]
            energy_j[first:end] = whole_j[first:end] * share[first:end, enough[0]]
    return level, energy_j
