"""Loss against energy of every experiment: best loss so far, the median over its repetitions."""

from dataclasses import dataclass
from math import exp, isfinite, sqrt
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Added to a loss before its logarithm, so that a loss of 0 has one (facts of the published pipeline).
LOSS_OFFSET = 1e-18
# A level computed from a curve's own log loss comes back through exp and log: so near counts as reached.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Point:
    """A place on a curve: fractional epoch, whole epochs to stop after, log energy (J) and time (s)."""

    epoch: float
    stop_epoch: int
    log_energy: float
    duration_s: float


@dataclass(frozen=True)
class Curve:
    """One loss curve over energy, from epoch 1 on; arrays of one length.

    Epochs and energies never fall, losses never rise: `log_loss` is the logarithm of the best loss so far.
    `initial_loss` is the loss before the first step, NaN if it was not recorded.
    """

    epoch: Floats
    log_loss: Floats
    log_energy: Floats
    duration_s: Floats
    initial_loss: float

    def __len__(self) -> int:
        return len(self.log_loss)

    @property
    def best_loss(self) -> float:
        """The lowest loss of any epoch; infinite for an empty curve."""
        return exp(self.log_loss[-1]) if len(self) else float("inf")

    def improvements(self) -> NDArray[np.intp]:
        """Indices of the epochs that lowered the best loss, the first one included."""
        return np.flatnonzero(np.diff(self.log_loss, prepend=np.inf) < 0)

    def at(self, k: int, share: float = 1.0) -> Point:
        """The point at index k, or `share` of the way to it from the epoch before."""
        before = max(k - 1, 0)

        def between(values: Floats) -> float:
            return float(values[before] + share * (values[k] - values[before]))

        return Point(
            epoch=between(self.epoch),
            stop_epoch=int(self.epoch[k]),
            log_energy=between(self.log_energy),
            duration_s=between(self.duration_s),
        )

    def crossing(self, level: float) -> Point | None:
        """The first crossing of a loss level, or None if the curve stays above it.

        Between two epochs log energy is linear in log loss. A level reached within the first recorded epoch
        costs all of it: the curve's end is clamped.
        """
        if not len(self):
            return None
        target = float(np.log(level + LOSS_OFFSET))
        if 0 < self.log_loss[-1] - target <= ROUNDING * max(1.0, abs(target)):
            target = float(self.log_loss[-1])
        k = int(np.searchsorted(-self.log_loss, -target, side="left"))
        if k == len(self):
            return None
        if k == 0:
            return self.at(0)
        above, below = self.log_loss[k - 1], self.log_loss[k]
        return self.at(k, float((above - target) / (above - below)))


@dataclass(frozen=True)
class Experiment:
    """An experiment: its configuration (a row of `experiments`), median curve and those of its repetitions.

    `u_instrument` is the relative standard uncertainty of its energies from the instrument, `u_common` the
    part of it (accuracy class, model) that every energy of that instrument shares. `per_epoch_energy` tells
    that energies were recorded for epochs, not taken in proportion from the run's.
    """

    row: dict[str, Any]
    median: Curve
    repetitions: tuple[Curve, ...]
    u_instrument: float
    u_common: float
    per_epoch_energy: bool

    @property
    def u_own(self) -> float:
        """The instrument's relative standard uncertainty without what its energies share."""
        return sqrt(max(self.u_instrument**2 - self.u_common**2, 0.0))


def read_curves(
    experiments: pl.DataFrame, runs: pl.DataFrame, epochs: pl.DataFrame, channels: pl.DataFrame
) -> list[Experiment]:
    """Curves of all `experiments` (of one machine, source and domain) that have epochs with energies.

    An epoch whose loss is missing or not finite does not improve on the best so far; a repetition that
    stopped early keeps its best loss, its energy goes missing. Where no energy was recorded
    for epochs, the run's is taken in proportion to them.
    """
    keys = ["experiment_id", "machine", "source", "domain"]
    used = runs.join(experiments.select(keys), on=keys, how="semi", nulls_equal=True).filter(
        pl.col("status").is_in(["done", "diverged"]) & (pl.col("energy_j") > 0)
    )
    used = used.join(_common_share(used, channels), on="run_id", how="left").select(
        "run_id",
        "experiment_id",
        "start_s",
        "duration_s",
        pl.col("energy_j").alias("run_j"),
        pl.col("epochs").alias("run_epochs"),
        (pl.col("u_energy_j") / pl.col("energy_j")).alias("u_run"),
        (pl.col("u_energy_j") / pl.col("energy_j") * pl.col("common_share").fill_null(0.0)).alias("u_common"),
    )
    share = pl.col("epoch") / pl.col("run_epochs")
    table = (
        epochs.select("run_id", "epoch", "test_loss", pl.col("energy_j").alias("epoch_j"), "end_s")
        .join(used, on="run_id", how="inner")
        .with_columns(
            pl.coalesce("epoch_j", pl.col("run_j") * share).alias("cumulative_j"),
            pl.coalesce(pl.col("end_s") - pl.col("start_s"), pl.col("duration_s") * share).alias("elapsed_s"),
        )
        .sort("experiment_id", "run_id", "epoch")
    )
    rows = {row["experiment_id"]: row for row in experiments.iter_rows(named=True)}
    groups = table.partition_by("experiment_id", maintain_order=True)
    found = (_experiment(rows[group["experiment_id"][0]], group) for group in groups)
    return [experiment for experiment in found if len(experiment.median)]


def _experiment(row: dict[str, Any], group: pl.DataFrame) -> Experiment:
    grid = np.unique(group["epoch"].to_numpy())
    losses, energies, times = [], [], []
    for run in group.partition_by("run_id", maintain_order=True):
        at = np.searchsorted(grid, run["epoch"].to_numpy())
        loss, energy, elapsed = (np.full(len(grid), np.nan) for _ in range(3))
        loss[at] = run["test_loss"].to_numpy()
        energy[at] = run["cumulative_j"].to_numpy()
        elapsed[at] = run["elapsed_s"].to_numpy()
        # NaN never improves: fmin.accumulate passes over it and carries the best so far on.
        losses.append(np.fmin.accumulate(np.where(np.isfinite(loss), loss, np.nan)))
        energies.append(energy)
        times.append(elapsed)
    return Experiment(
        row=row,
        median=_curve(grid, *(_median(np.array(columns)) for columns in (losses, energies, times))),
        repetitions=tuple(_curve(grid, *each) for each in zip(losses, energies, times, strict=True)),
        u_instrument=_median_of(group["u_run"]),
        u_common=_median_of(group["u_common"]),
        per_epoch_energy=group["epoch_j"].null_count() == 0,
    )


def _median(columns: Floats) -> Floats:
    """Over repetitions, the median of the logarithm, passing over missing values."""
    result = np.full(columns.shape[1], np.nan)
    some = np.isfinite(columns).any(axis=0)
    logs = np.log(np.maximum(columns[:, some], 0.0) + LOSS_OFFSET)
    result[some] = np.exp(np.nanmedian(logs, axis=0))
    return result


def _median_of(column: pl.Series) -> float:
    value = column.median()
    return value if isinstance(value, float) and isfinite(value) else float("nan")


def _curve(grid: NDArray[np.int64], loss: Floats, energy: Floats, elapsed: Floats) -> Curve:
    keep = (grid >= 1) & np.isfinite(loss) & np.isfinite(energy) & (energy > 0)
    return Curve(
        epoch=grid[keep].astype(np.float64),
        log_loss=np.minimum.accumulate(np.log(np.maximum(loss[keep], 0.0) + LOSS_OFFSET)),
        # The median of cumulative energies can dip where a repetition ended early; energy spent does not.
        log_energy=np.maximum.accumulate(np.log(energy[keep])),
        duration_s=elapsed[keep],
        initial_loss=float(loss[0]) if len(grid) and grid[0] == 0 else float("nan"),
    )


def _common_share(runs: pl.DataFrame, channels: pl.DataFrame) -> pl.DataFrame:
    """Per run, the part of the standard uncertainty of its energy that the `accuracy` term holds, 0 to 1.

    An instrument's accuracy error is the same in every run it metered, so it cancels in a ratio of two.
    Runs whose budget is not known are left out: all their uncertainty counts in comparisons.
    """
    primary = channels.join(runs.select("run_id", "channel"), on=["run_id", "channel"], how="semi")
    accuracy = pl.col("terms").str.json_path_match("$.accuracy").cast(pl.Float64, strict=False)
    return (
        primary.select("run_id", (accuracy / pl.col("u_energy_j")).clip(0.0, 1.0).alias("common_share"))
        .filter(pl.col("common_share").is_finite())
        .unique("run_id")
    )
