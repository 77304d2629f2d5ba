"""Runs in the columns of BUTTER-E's `runs_with_standardized_energy.csv`, for those who have its notebooks.

As in the published file: no run that a quality filter removes or an import excludes, energies in J, times in
s, UTC. Filters: run time above 75,000 s; energy 0; more than 4 population standard deviations of log run time
within (is_gpu, dataset, size). Unlike it: `source` and `u_energy` stand at the end, and what the dataset does
not know is empty.
"""

from collections.abc import Mapping

import polars as pl

from wattlas.hardware.machine import Machine

MAX_RUN_TIME_S = 75_000.0
MAX_DEVIATIONS = 4.0
_TIME = "%Y-%m-%d %H:%M:%S%.6f+00:00"
# Published name -> ours; a column that the runs lack is empty.
_COPIED: Mapping[str, tuple[str, type[pl.DataType]]] = {
    "run_id": ("run_id", pl.String),
    "experiment_id": ("experiment_id", pl.String),
    "slurm_job_id": ("slurm_job_id", pl.Int64),
    "node": ("node", pl.String),
    "size": ("size", pl.Int64),
    "depth": ("depth", pl.Int64),
    "shape": ("shape", pl.String),
    "dataset": ("dataset", pl.String),
    "learning_rate": ("learning_rate", pl.Float64),
    "batch_size": ("batch_size", pl.Int64),
    "batch": ("campaign", pl.String),
    "energy": ("energy_j", pl.Float64),
    "run_time": ("duration_s", pl.Float64),
    "std_energy": ("std_energy_j", pl.Float64),
    "energy_overhead": ("energy_overhead_j", pl.Float64),
    "non_overhead_energy": ("non_overhead_energy_j", pl.Float64),
    "runtime_overhead": ("runtime_overhead_s", pl.Float64),
    "non_overhead_runtime": ("non_overhead_run_time_s", pl.Float64),
    "source": ("source", pl.String),
    "u_energy": ("u_energy_j", pl.Float64),
}
COLUMNS = (
    *("run_id", "experiment_id", "slurm_job_id", "start_time", "update_time", "end_time", "node", "size"),
    *("depth", "shape", "dataset", "learning_rate", "batch_size", "optimizer", "is_gpu", "batch", "energy"),
    *("run_time", "filter_1", "filter_2", "filter_3", "filter_3_stdevs", "filter", "power", "num_reps"),
    *("std_power", "std_energy", "energy_overhead", "non_overhead_energy", "runtime_overhead"),
    *("non_overhead_runtime", "source", "u_energy"),
)


def butter_e_runs(runs: pl.DataFrame, machines: Mapping[str, Machine]) -> pl.DataFrame:
    """The done runs of a dataset, in the published columns and order, without those a filter removes."""
    done = runs.filter((pl.col("status") == "done") & pl.col("energy_j").is_not_null())
    copied = [
        (pl.col(ours) if ours in runs.columns else pl.lit(None)).cast(kind).alias(name)
        for name, (ours, kind) in _COPIED.items()
    ]
    gpus = {name: machine.device == "gpu" for name, machine in machines.items()}
    of_machine = pl.col("machine").replace_strict(gpus, default=None, return_dtype=pl.Boolean)
    start, end = (pl.col(f"{edge}_utc").dt.strftime(_TIME) for edge in ("start", "end"))
    published = done.select(
        *copied,
        start.alias("start_time"),
        end.alias("update_time"),
        end.alias("end_time"),
        pl.lit("Adam").alias("optimizer"),
        (pl.col("is_gpu") if "is_gpu" in runs.columns else of_machine).alias("is_gpu"),
        of_machine.alias("_has_gpu"),
        (pl.col("excluded") if "excluded" in runs.columns else pl.lit(None)).alias("_excluded"),
    )
    return (
        _with_filters(published)
        .filter(~pl.col("filter"))
        .with_columns(
            (pl.col("energy") / pl.col("run_time")).alias("power"),
            pl.len().over("experiment_id", "_has_gpu").cast(pl.Int64).alias("num_reps"),
            (pl.col("std_energy") / pl.col("run_time")).alias("std_power"),
        )
        .filter(pl.col("_excluded").is_null())
        .select(COLUMNS)
    )


def _with_filters(published: pl.DataFrame) -> pl.DataFrame:
    log_time = pl.col("run_time").log()
    group = ("is_gpu", "dataset", "size")
    spread = log_time.std(ddof=0).over(group)
    deviations = (log_time - log_time.mean().over(group)).abs() / spread
    return published.with_columns(
        (pl.col("run_time") > MAX_RUN_TIME_S).alias("filter_1"),
        (pl.col("energy") == 0).alias("filter_2"),
        # Where all run times of a group are one, there is no deviation to speak of.
        pl.when(spread > 0).then(deviations).alias("filter_3_stdevs"),
    ).with_columns(
        (pl.col("filter_3_stdevs") > MAX_DEVIATIONS).fill_null(value=False).alias("filter_3"),
        pl.any_horizontal(
            "filter_1", "filter_2", (pl.col("filter_3_stdevs") > MAX_DEVIATIONS).fill_null(value=False)
        ).alias("filter"),
    )
