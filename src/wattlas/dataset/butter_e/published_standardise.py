"""The published standardisation: every node as if it had the idle power of the reference type.

    std_power = E / T + (idle of the reference type - idle of the own type)

where a type's idle power is the median over its nodes of the 2nd percentile of two months of readings. From
std_power · T goes the overhead: the 5 % quantile over runs of 505_tecator of at most 2^10 parameters.
"""

import polars as pl

from wattlas.dataset.butter_e.tables_in import REFERENCE_TYPE

OVERHEAD_DATASET = "505_tecator"
OVERHEAD_SIZE = 1 << 10
OVERHEAD_QUANTILE = 0.05
# What makes two runs of depth 2 the same experiment, whatever shape they name.
_SAME = ["dataset", "size", "depth", "optimizer", "batch_size", "learning_rate"]
# Why a run has no non-overhead energy.
NOT_JOINED, QC, OVERHEAD_RUN, BELOW_OVERHEAD, NO_TYPE = (
    "not_joined",
    "qc",
    "overhead_dataset",
    "below_overhead",
    "unknown_node_type",
)


def type_idle(nodes: pl.DataFrame) -> pl.DataFrame:
    """`nodes` with `type_idle_w` and `power_offset_w` (reference type less own type)."""
    idle = nodes.with_columns(pl.col("p2").median().over("type").alias("type_idle_w"))
    reference = [
        pl.when(pl.col("has_gpu") == gpu).then(pl.col("p2").filter(pl.col("type") == name).median())
        for gpu, name in REFERENCE_TYPE.items()
    ]
    return idle.with_columns((pl.coalesce(reference) - pl.col("type_idle_w")).alias("power_offset_w"))


def merge_depth_2(runs: pl.DataFrame, among: pl.Expr) -> pl.DataFrame:
    """One experiment and the shape `rectangle` for all runs of depth 2 that differ in shape only.

    The experiment is the first after sorting by rectangle first, then by the columns; only runs `among` take
    part.
    """
    merged = (
        runs.filter(among & (pl.col("depth") == 2))
        .sort([pl.col("shape") != "rectangle", *map(pl.col, _SAME)], maintain_order=True)
        .unique(_SAME, keep="first", maintain_order=True)
        .select(*_SAME, pl.col("old_experiment_id").alias("_canonical"))
    )
    found = pl.col("_canonical").is_not_null() & among
    return (
        runs.join(merged, on=_SAME, how="left", maintain_order="left", nulls_equal=True)
        .with_columns(
            pl.when(found).then("_canonical").otherwise("old_experiment_id").alias("experiment"),
            pl.when(found).then(pl.lit("rectangle")).otherwise("shape").alias("shape"),
        )
        .drop("_canonical")
    )


def published_standardise(runs: pl.DataFrame) -> pl.DataFrame:
    """Standardised and non-overhead energy of the runs that no QC rule takes out.

    Adds `std_energy_j`, `energy_overhead_j`, `runtime_overhead_s`, `non_overhead_energy_j`,
    `non_overhead_run_time_s`, `experiment`, `n_repetitions`, and `excluded`: why a run is not in the result.
    """
    joined = pl.col("energy_j").is_not_null()
    kept = joined & (pl.col("qc_flags").list.len() == 0) & pl.col("power_offset_w").is_not_null()
    runs = merge_depth_2(runs, kept)
    std_w = pl.col("energy_j") / pl.col("run_time_s") + pl.col("power_offset_w")
    runs = runs.with_columns(
        pl.when(kept).then(std_w * pl.col("run_time_s")).alias("std_energy_j"),
        pl.when(kept).then(kept.sum().over("experiment", "has_gpu")).alias("n_repetitions"),
    )
    small = kept & (pl.col("dataset") == OVERHEAD_DATASET) & (pl.col("size") <= OVERHEAD_SIZE)

    def overhead(column: str) -> pl.Expr:
        low = pl.when(small).then(pl.col(column)).quantile(OVERHEAD_QUANTILE, "linear")
        return low.over("has_gpu")

    runs = runs.with_columns(
        overhead("std_energy_j").alias("energy_overhead_j"),
        overhead("run_time_s").alias("runtime_overhead_s"),
    )
    rest_j = pl.col("std_energy_j") - pl.col("energy_overhead_j")
    rest_s = pl.col("run_time_s") - pl.col("runtime_overhead_s")
    why = (
        pl.when(~joined).then(pl.lit(NOT_JOINED))
        .when(pl.col("qc_flags").list.len() > 0).then(pl.lit(QC))
        .when(~kept).then(pl.lit(NO_TYPE))
        .when(pl.col("dataset") == OVERHEAD_DATASET).then(pl.lit(OVERHEAD_RUN))
        .when((rest_j <= 0) | (rest_s <= 0)).then(pl.lit(BELOW_OVERHEAD))
    )  # fmt: skip
    return runs.with_columns(why.alias("excluded")).with_columns(
        pl.when(pl.col("excluded").is_null()).then(rest_j).alias("non_overhead_energy_j"),
        pl.when(pl.col("excluded").is_null()).then(rest_s).alias("non_overhead_run_time_s"),
    )
