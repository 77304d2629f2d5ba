"""Loss against energy of every experiment: best loss so far, the median over its repetitions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.advice.target import Quantity

Floats = NDArray[np.float64]
# Added to a loss before its logarithm, so that a loss of 0 has one (facts of the published pipeline).
LOSS_OFFSET = 1e-18


@dataclass(frozen=True)
class Crossing:
    """Where a curve first reaches a level: fractional epoch, energy, time, and whole epochs to stop after."""

    epoch: float
    stop_epoch: int
    log_energy: float
    duration_s: float


@dataclass(frozen=True)
class Curve:
    """One loss curve over energy, from epoch 1 on; arrays of one length, `log_loss` never rising.

    `initial_loss` is the loss before the first step, NaN if it was not recorded.
    """

    epoch: Floats
    log_loss: Floats
    log_energy: Floats
    duration_s: Floats
    initial_loss: float

    @property
    def best_loss(self) -> float:
        """The lowest loss of any epoch; infinite for an empty curve."""
        return float(np.exp(self.log_loss[-1])) if len(self.log_loss) else float("inf")

    def crossing(self, level: float) -> Crossing | None:
        """The first crossing of a loss level, or None if the curve stays above it.

        Between two epochs log energy is interpolated linearly in log loss. A level reached within the first
        epoch costs the whole first epoch: the curve's end is clamped.
        """
        target = np.log(level + LOSS_OFFSET)
        k = int(np.searchsorted(-self.log_loss, -target, side="left"))
        # A level just computed from this curve's own loss must not be missed by rounding.
        if k == len(self.log_loss):
            if k == 0 or self.log_loss[-1] - target > 1e-12 * max(1.0, abs(target)):
                return None
            k = int(np.searchsorted(-self.log_loss, -self.log_loss[-1], side="left"))
        share = 1.0
        if k > 0:
            above, below = self.log_loss[k - 1], self.log_loss[k]
            share = float(np.clip((above - target) / (above - below), 0.0, 1.0))
        before = max(k - 1, 0)
        return Crossing(
            epoch=float(self.epoch[before] + share * (self.epoch[k] - self.epoch[before])),
            stop_epoch=int(self.epoch[k]),
            log_energy=float(
                self.log_energy[before] + share * (self.log_energy[k] - self.log_energy[before])
            ),
            duration_s=float(
                self.duration_s[before] + share * (self.duration_s[k] - self.duration_s[before])
            ),
        )

    def log_energies(self, log_levels: Floats) -> Floats:
        """Log energy at the first crossing of each level; infinite where it is not reached."""
        n = len(self.log_loss)
        if n == 0:
            return np.full(len(log_levels), np.inf)
        k = np.searchsorted(-self.log_loss, -log_levels, side="left")
        inside = np.clip(k, 0, n - 1)
        before = np.clip(inside - 1, 0, n - 1)
        drop = self.log_loss[before] - self.log_loss[inside]
        share = np.where(drop > 0, (self.log_loss[before] - log_levels) / np.where(drop > 0, drop, 1.0), 1.0)
        share = np.clip(share, 0.0, 1.0)
        energy = self.log_energy[before] + share * (self.log_energy[inside] - self.log_energy[before])
        return np.where(k >= n, np.inf, energy)


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
        return float(np.sqrt(max(self.u_instrument**2 - self.u_common**2, 0.0)))


def read_curves(
    experiments: pl.DataFrame,
    runs: pl.DataFrame,
    epochs: pl.DataFrame,
    channels: pl.DataFrame,
    quantity: Quantity = "test_loss",
) -> list[Experiment]:
    """Curves of all `experiments` (one machine and source) that have runs with epochs and energies.

    For an accuracy the loss is the error rate 1 − accuracy. Epochs whose loss is missing or not finite do not
    improve on the best so far; a repetition that stopped early keeps its best loss, its energy goes missing.
    Where no energy was recorded for epochs, the run's is taken in proportion to them.
    """
    keys = ["experiment_id", "machine", "source"]
    used = runs.join(experiments.select(keys), on=keys, how="semi").filter(
        pl.col("status").is_in(["done", "diverged"]) & (pl.col("energy_j") > 0)
    )
    shared = _common_share(used, channels)
    used = used.join(shared, on="run_id", how="left").select(
        "run_id",
        "experiment_id",
        pl.col("energy_j").alias("run_j"),
        pl.col("epochs").alias("run_epochs"),
        "duration_s",
        "start_s",
        (pl.col("u_energy_j") / pl.col("energy_j")).alias("u_run"),
        "common_share",
    )
    loss = pl.col("test_loss") if quantity == "test_loss" else 1.0 - pl.col("test_accuracy")
    table = (
        epochs.select("run_id", "epoch", loss.alias("value"), "energy_j", "end_s")
        .join(used, on="run_id", how="inner")
        .with_columns(
            pl.when(pl.col("value").is_finite()).then(pl.col("value")).alias("value"),
            (pl.col("run_j") * pl.col("epoch") / pl.col("run_epochs")).alias("proportional_j"),
            (pl.col("end_s") - pl.col("start_s")).alias("elapsed_s"),
        )
        .with_columns(
            pl.coalesce("energy_j", "proportional_j").alias("cumulative_j"),
            pl.coalesce("elapsed_s", pl.col("duration_s") * pl.col("epoch") / pl.col("run_epochs")).alias(
                "elapsed_s"
            ),
        )
        .sort("experiment_id", "run_id", "epoch")
    )
    rows = {row["experiment_id"]: row for row in experiments.iter_rows(named=True)}
    found = []
    for group in table.partition_by("experiment_id", maintain_order=True):
        experiment = _experiment(rows[group["experiment_id"][0]], group)
        if experiment is not None:
            found.append(experiment)
    return found


def _experiment(row: dict[str, Any], group: pl.DataFrame) -> Experiment | None:
    grid = np.unique(group["epoch"].to_numpy())
    losses, energies, times, repetitions = [], [], [], []
    for run in group.partition_by("run_id", maintain_order=True):
        at = np.searchsorted(grid, run["epoch"].to_numpy())
        loss, energy, elapsed = (np.full(len(grid), np.nan) for _ in range(3))
        loss[at] = run["value"].cast(pl.Float64).to_numpy()
        energy[at] = run["cumulative_j"].to_numpy()
        elapsed[at] = run["elapsed_s"].to_numpy()
        # NaN never improves: fmin.accumulate passes over it and carries the best so far on.
        loss = np.fmin.accumulate(loss)
        losses.append(loss)
        energies.append(energy)
        times.append(elapsed)
        repetitions.append(_curve(grid, loss, energy, elapsed))
    median = _curve(grid, *(_median(np.array(columns)) for columns in (losses, energies, times)))
    if not len(median.log_loss):
        return None
    u_run, share = group["u_run"].median(), group["common_share"].median()
    return Experiment(
        row=row,
        median=median,
        repetitions=tuple(repetitions),
        u_instrument=float(u_run) if isinstance(u_run, int | float) else float("nan"),
        u_common=float(u_run) * float(share)
        if isinstance(u_run, int | float) and isinstance(share, int | float)
        else 0.0,
        per_epoch_energy=group["energy_j"].null_count() == 0,
    )


def _median(columns: Floats) -> Floats:
    """Median over repetitions, of the logarithm, passing over missing values."""
    result = np.full(columns.shape[1], np.nan)
    columns = np.where(columns >= 0, columns, np.nan)
    some = np.isfinite(columns).any(axis=0)
    result[some] = np.exp(np.nanmedian(np.log(columns[:, some] + LOSS_OFFSET), axis=0))
    return result


def _curve(grid: NDArray[np.int64], loss: Floats, energy: Floats, elapsed: Floats) -> Curve:
    started = np.flatnonzero(grid == 0)
    initial = float(loss[started[0]]) if len(started) else float("nan")
    keep = (grid >= 1) & np.isfinite(loss) & np.isfinite(energy) & (energy > 0) & (loss >= -LOSS_OFFSET)
    return Curve(
        epoch=grid[keep].astype(np.float64),
        log_loss=np.minimum.accumulate(np.log(np.maximum(loss[keep], 0.0) + LOSS_OFFSET)),
        # The median of cumulative energies can dip where a repetition ended early; energy spent does not.
        log_energy=np.maximum.accumulate(np.log(energy[keep])),
        duration_s=elapsed[keep],
        initial_loss=initial,
    )


def _common_share(runs: pl.DataFrame, channels: pl.DataFrame) -> pl.DataFrame:
    """Per run, the root of the share of the energy's variance that its `accuracy` term holds.

    An instrument's accuracy error is the same in every run it metered, so it cancels in a ratio of two.
    Runs whose budget is not known have a share of 0: all their uncertainty counts in comparisons.
    """
    primary = channels.join(runs.select("run_id", "channel"), on=["run_id", "channel"], how="semi")
    accuracy = pl.col("terms").str.json_path_match("$.accuracy").cast(pl.Float64, strict=False)
    return (
        primary.select("run_id", (accuracy / pl.col("u_energy_j")).clip(0.0, 1.0).alias("common_share"))
        .filter(pl.col("common_share").is_finite())
        .unique("run_id")
    )
