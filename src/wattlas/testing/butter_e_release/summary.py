"""`summary_by_epoch` of a made-up release: the loss of each experiment at some epochs."""

from pathlib import Path

import numpy as np
import polars as pl

from wattlas.networks import PAPER_TASKS
from wattlas.testing.butter_e_release.configurations import EPOCHS, OPTIMIZER_BATCH

_EPOCHS = np.array([1, 10, 100, 1000, 2000, EPOCHS])
# Loss of a quantile of the runs, relative to the median.
_QUANTILES = {0: 0.96, 25: 0.99, 50: 1.0, 75: 1.01, 100: 1.05}


def best_loss(n_parameters: pl.Series, depth: pl.Series) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Median best test loss, (n, epochs): floor + (1 − floor) / (1 + e / tau).

    The floor is min(0.9, 0.05 · (2^18 / P)^(1/8)) and tau 1 + depth / 2 epochs.
    """
    floor = np.minimum(0.9, 0.05 * (2**18 / n_parameters.to_numpy()) ** 0.125)[:, None]
    tau = 1.0 + 0.5 * depth.to_numpy()[:, None]
    return np.asarray(floor + (1.0 - floor) / (1.0 + _EPOCHS / tau))


def write_summary(runs: pl.DataFrame, directory: Path, rng: np.random.Generator) -> None:
    """Write the Hive folders, one file a data set and shape.

    One experiment in fifty has too few runs for the published analysis, and one in fifty too few epochs.
    """
    runs = (
        runs.filter(pl.col("batch") != OPTIMIZER_BATCH).unique("experiment", keep="first").sort("experiment")
    )
    loss = best_loss(runs["n_parameters"], runs["depth"])
    n = runs.height
    n_epochs = np.where(rng.random(n) < 0.02, len(_EPOCHS) - 2, len(_EPOCHS))
    n_runs = np.where(rng.random(n) < 0.02, rng.integers(1, 3, size=n), rng.integers(3, 31, size=n))
    task = [
        "regression" if PAPER_TASKS[name].loss == "mean_squared_error" else "classification"
        for name in runs["dataset"]
    ]
    zero = pl.lit(0.0)
    table = runs.select(
        "dataset",
        "shape",
        pl.col("depth").cast(pl.Int32),
        pl.col("old_experiment_id").alias("experiment_id"),
        pl.col("n_parameters").alias("num_free_parameters"),
        "widths",
        pl.Series("num_runs", n_runs, dtype=pl.Int32),
        "size",
        pl.Series("task", task),
        label_noise=zero,
        momentum=zero,
        l1=zero,
        l2=zero,
        epoch=_ragged(np.broadcast_to(_EPOCHS, loss.shape), n_epochs, pl.Int32()),
        **{
            f"test_loss_best_quantile_{quantile}": _ragged(loss * factor, n_epochs, pl.Float32())
            for quantile, factor in _QUANTILES.items()
        },
    )
    for (dataset, shape), part in table.partition_by(
        "dataset", "shape", as_dict=True, include_key=False
    ).items():
        folder = directory / f"dataset={dataset}" / f"shape={shape}" / "optimizer=Adam"
        folder = (
            folder / "learning_rate=0.0001" / "batch_size=256" / "regularizer=none" / "has_label_noise=false"
        )
        folder.mkdir(parents=True)
        part.write_parquet(folder / "part-0.parquet")


def _ragged(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    lengths: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    dtype: pl.DataType,
) -> pl.Series:
    rows = zip(values.tolist(), lengths.tolist(), strict=True)
    return pl.Series([row[:length] for row, length in rows], dtype=pl.List(dtype))
