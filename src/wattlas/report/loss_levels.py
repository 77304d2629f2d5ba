"""Energy to reach a loss: of every experiment, at loss levels that its dataset and machine share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

N_LEVELS = 200
# Added to a loss before its logarithm, so that a loss of 0 has one.
LOSS_OFFSET = 1e-18
KEYS = ["experiment_id", "machine", "source", "domain"]
GROUP = ["dataset", "machine", "source", "domain"]
# An import's curve is that of an experiment on any machine.
_ID, _BEST = "butter_experiment_id", "test_loss_best_quantile_50"


@dataclass(frozen=True)
class LossLevels:
    """`experiments` [n] with a loss curve, and the ends `loss_low` and `loss_high` of their group's grid.

    `share` [n, 200] is the part of an experiment's epochs, and so of its energy, at which it reaches level k,
    loss_low (loss_high / loss_low)^(k/199); NaN where it never does, and where it was there after its first
    recorded epoch, so that nobody knows when.
    """

    experiments: pl.DataFrame
    share: NDArray[np.float64]

    def loss(self, level: int | pl.Expr) -> pl.Expr:
        """The loss of a level, of each row of `experiments`."""
        low, high = pl.col("loss_low").log(), pl.col("loss_high").log()
        return (low + (high - low) * (level / (N_LEVELS - 1))).exp()


def loss_levels(
    experiments: pl.DataFrame, runs: pl.DataFrame, epochs: pl.DataFrame, curves_path: Path | None
) -> LossLevels:
    """Log energy interpolated linearly in log loss, on the published grid.

    The loss is the best test loss so far, the median over repetitions; of the epochs of one loss the median
    one counts; energy grows in proportion to epochs. The grid runs between the least and the greatest loss
    on any curve of one dataset, machine, source and domain.
    """

    def batches() -> Iterator[pl.DataFrame]:
        if curves_path is None:
            yield _of_epochs(experiments, runs, epochs)
        elif _ID in experiments.columns:
            yield from _of_import(experiments, curves_path)

    first, last = pl.col("log_loss").list.first(), pl.col("log_loss").list.last()
    ends = [batch.select(*KEYS, first.alias("low"), last.alias("high")) for batch in batches()]
    known = (
        experiments.join(pl.concat(ends), on=KEYS, maintain_order="left", validate="1:1")
        if ends
        else experiments.clear()
    )
    if known.is_empty():
        return LossLevels(known, np.empty((0, N_LEVELS)))
    known = known.with_columns(
        pl.col("low").min().over(GROUP).exp().alias("loss_low"),
        pl.col("high").max().over(GROUP).exp().alias("loss_high"),
    ).drop("low", "high")
    place = known.select(*KEYS, "loss_low", "loss_high").with_row_index("row")
    share = np.full((known.height, N_LEVELS), np.nan)
    for batch in batches():
        curves = batch.join(place, on=KEYS)
        for row, low, high, log_loss, log_share in curves.select(
            "row", "loss_low", "loss_high", "log_loss", "log_share"
        ).iter_rows():
            levels = np.linspace(np.log(low), np.log(high), N_LEVELS)
            # Rounding must not put a curve's own end outside of it.
            levels = np.where(np.isclose(levels, log_loss[0], rtol=0, atol=1e-12), log_loss[0], levels)
            share[row] = np.exp(np.interp(levels, log_loss, log_share, left=np.nan, right=np.nan))
    return LossLevels(known, share)


def _of_epochs(experiments: pl.DataFrame, runs: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    """Curves of runs that recorded their epochs; epoch 0, before the first step, took nothing."""
    loss = pl.when(pl.col("test_loss").is_finite()).then("test_loss")
    best = loss.cum_min().forward_fill().over("run_id", order_by="epoch")
    done = runs.filter(pl.col("status") == "done").select("run_id", *KEYS, n_epochs="epochs")
    points = (
        epochs.filter(pl.col("epoch") >= 1)
        .with_columns(best.alias("loss"))
        .drop_nulls("loss")
        .join(done.with_columns(pl.col("domain").fill_null("not stated")), on="run_id")
        .join(experiments.select(KEYS), on=KEYS, how="semi")
        .group_by(*KEYS, "epoch")
        .agg(pl.col("loss").median(), pl.col("n_epochs").first())
    )
    return _curves(points)


def _of_import(experiments: pl.DataFrame, path: Path) -> Iterator[pl.DataFrame]:
    """Curves of an import, a row group at a time: the whole file may not fit in memory."""
    wanted = experiments.select(*KEYS, _ID, n_epochs="epochs").drop_nulls(_ID)
    file = pq.ParquetFile(path)
    for i in range(file.num_row_groups):
        group = pl.from_arrow(file.read_row_group(i, columns=["experiment_id", "epoch", _BEST]))
        assert isinstance(group, pl.DataFrame)
        points = (
            group.rename({"experiment_id": _ID, _BEST: "loss"})
            .join(wanted, on=_ID)
            .explode("epoch", "loss")
            .with_columns(pl.col("loss").cast(pl.Float64))
            .filter(pl.col("loss").is_finite() & (pl.col("epoch") >= 1))
        )
        yield _curves(points)


def _curves(points: pl.DataFrame) -> pl.DataFrame:
    """One row an experiment from one a point: losses rising, each once, and log shares of the epochs."""
    return (
        points.with_columns(
            (pl.col("loss") + LOSS_OFFSET).log().alias("log_loss"),
            (pl.col("epoch") / pl.col("n_epochs")).log().alias("log_share"),
        )
        .group_by(*KEYS, "log_loss")
        .agg(pl.col("log_share").median())
        .sort("log_loss")
        .group_by(KEYS)
        .agg("log_loss", "log_share")
    )
