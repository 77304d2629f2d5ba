"""Quality control: named flags on runs. Nothing is dropped; what a flag excludes is said in `excluded`."""

from dataclasses import dataclass

import polars as pl

from wattlas.core.errors import UsageError

LONG_RUN, ZERO_ENERGY, RUN_TIME_OUTLIER = "long_run", "zero_energy", "run_time_outlier"
POWER_BELOW_IDLE, POWER_ABOVE_PEAK = "power_below_idle", "power_above_peak"
PARAMETERS_DIFFER, EPOCHS_ASSUMED = "parameters_differ", "epochs_assumed"
# Runs with one of these enter no standardisation and no median.
EXCLUDING = (LONG_RUN, ZERO_ENERGY, RUN_TIME_OUTLIER, POWER_BELOW_IDLE, POWER_ABOVE_PEAK)
# Of normal data, the standard deviation is this many median absolute deviations.
_MAD = 1.4826


@dataclass(frozen=True)
class QcLimits:
    """Thresholds of the rules.

    Attributes:
        max_run_time_s: a longer run is a `long_run`; the published figure is 75,000 s.
        max_deviation: standard deviations of log run time from the group of the same hardware, dataset and
            size, above which a run is a `run_time_outlier`.
        min_group: smaller groups say nothing of their members.
        idle_margin: a mean power below (1 - margin) × idle of the node is `power_below_idle`.
        max_power_w: above it, a node draws `power_above_peak`.
        max_gap_s: a longer time between samples is a `gap`; they are a minute apart.
        max_gap_share: a run of which more is gap has no energy.
    """

    max_run_time_s: float = 75_000.0
    max_deviation: float = 4.0
    min_group: int = 5
    idle_margin: float = 0.1
    max_power_w: float = 1274.0
    max_gap_s: float = 90.0
    max_gap_share: float = 0.25

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise UsageError(f"QC limit {name} is {value}; give a number above 0")
        if self.max_gap_share > 1 or self.idle_margin >= 1:
            raise UsageError("QC limits max_gap_share and idle_margin are shares; give numbers below 1")


def published_qc(runs: pl.DataFrame, limits: QcLimits) -> pl.DataFrame:
    """`qc_flags` and `run_time_deviation` of the runs with an energy, by the published rules.

    Deviation: |ln T - mean| / σ of the group of equal hardware, dataset and size, with σ over n (not n - 1)
    and the run itself in both: at most √(n - 1), so that no group under 18 can lose a run.
    """
    group = ["is_gpu", "dataset", "size"]
    done = pl.col("energy_j").is_not_null()
    log_s = pl.when(done).then(pl.col("run_time_s").log())
    deviation = (log_s - log_s.mean().over(group)).abs() / log_s.std(ddof=0).over(group)
    # A group of one has 0 / 0.
    frame = runs.with_columns(deviation.fill_nan(None).alias("run_time_deviation"))
    return with_flag(
        frame,
        {
            LONG_RUN: done & (pl.col("run_time_s") > limits.max_run_time_s),
            ZERO_ENERGY: pl.col("energy_j") == 0,
            RUN_TIME_OUTLIER: pl.col("run_time_deviation") > limits.max_deviation,
        },
    )


def own_qc(runs: pl.DataFrame, limits: QcLimits) -> pl.DataFrame:
    """`qc_flags` and `run_time_deviation` by our rules; the flags that runs have already stay.

    Deviation: |ln T - median| of the group of equal hardware, dataset and size less what depth explains, over
    1.4826 median absolute deviations (at least 5 %): an outlier does not hide in its own spread.
    """
    group = ["is_gpu", "dataset", "size"]
    log_s = pl.when(pl.col("energy_j").is_not_null()).then(pl.col("run_time_s").log())
    away = (log_s - log_s.median().over(group)).abs()
    spread = (_MAD * away.median().over(group)).clip(lower_bound=0.05)
    enough = log_s.count().over(group) >= limits.min_group
    frame = runs.with_columns(pl.when(enough).then(away / spread).alias("run_time_deviation"))
    power_w = pl.col("energy_j") / pl.col("run_time_s")
    return with_flag(
        frame,
        {
            LONG_RUN: pl.col("energy_j").is_not_null() & (pl.col("run_time_s") > limits.max_run_time_s),
            ZERO_ENERGY: pl.col("energy_j") <= 0,
            RUN_TIME_OUTLIER: pl.col("run_time_deviation") > limits.max_deviation,
            POWER_BELOW_IDLE: power_w < (1 - limits.idle_margin) * pl.col("node_idle_w"),
            POWER_ABOVE_PEAK: power_w > limits.max_power_w,
        },
    )


def with_flag(frame: pl.DataFrame, flags: dict[str, pl.Expr], column: str = "qc_flags") -> pl.DataFrame:
    """Append the names of the rules that hold to a column of lists."""
    named = [pl.when(rule.fill_null(value=False)).then(pl.lit(name)) for name, rule in flags.items()]
    return frame.with_columns(
        pl.concat_list(pl.col(column), pl.concat_list(named)).list.drop_nulls().alias(column)
    )


def excluded_by(column: str = "qc_flags") -> pl.Expr:
    """True for runs that a flag excludes."""
    return pl.col(column).list.eval(pl.element().is_in(EXCLUDING)).list.any()
