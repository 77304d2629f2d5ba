"""The truth of a made-up release: every run's exact energy, and what was planted in its samples."""

import numpy as np
import polars as pl

from wattlas.testing.butter_e_release.law import Law
from wattlas.testing.butter_e_release.schedule import FOLD, GAP, HOUR_US, Ints, Schedule, instant_us


def truth_table(
    schedule: Schedule, nodes: pl.DataFrame, law: Law, n_samples: Ints, rng: np.random.Generator
) -> pl.DataFrame:
    """One row a run: its configuration, where and when it ran, and its exact energies.

    `energy_j` is the integral of its node's power over the run, `std_energy_j` what the reference node of
    its hardware (nominal idle power, gain 1) would have drawn in the same time, `dynamic_j` the part of that
    above idle, and `n_samples` how many samples its file has inside the run. What was planted:
    `planted_defect` (zero: a sample of the run; edge_zero: the one before it; absent: no sample; gap1, gap2:
    one lost, some in a row; no_file), `planted_duration` (long, odd), and `crosses` (fold: the run touches
    the repeated hour of autumn; gap: it spans the missing one of spring).
    """
    runs = schedule.runs
    n_experiments = runs["experiment"].n_unique()
    node = nodes[schedule.lanes["node"].gather(runs["lane"])]
    written = schedule.jobs["written"].gather(runs["job"])
    duration_s = runs["duration_us"].to_numpy() / 1e6
    columns = [runs[name].to_numpy() for name in ("startup_s", "startup_w", "train_w")]
    dynamic_j = law.dynamic_j(duration_s, *columns)
    return runs.with_columns(
        node.select("node", pl.col("type").alias("node_type"), "idle_w", "gain", "reference_idle_w"),
        run_id=pl.Series(_uuids(runs.height, rng)),
        experiment_id=pl.Series(_uuids(n_experiments, rng)).gather(runs["experiment"]),
        old_experiment_id=2_026_000 + pl.col("experiment"),
        slurm_job_id=schedule.jobs["job_id"].gather(runs["job"]),
        file_layout=schedule.jobs["layout"].gather(runs["job"]),
        n_samples=pl.Series(n_samples) * written.cast(pl.Int64),
        planted_defect=pl.when(written).then("planted_defect").otherwise(pl.lit("no_file")),
        crosses=_crosses(runs),
        duration_s=duration_s,
        dynamic_j=dynamic_j,
    ).with_columns(
        energy_j=pl.col("idle_w") * duration_s + pl.col("gain") * dynamic_j,
        std_energy_j=pl.col("reference_idle_w") * duration_s + dynamic_j,
    )


def _crosses(runs: pl.DataFrame) -> pl.Expr:
    fold, gap = instant_us(FOLD), instant_us(GAP)
    repeated = (pl.col("start_us") < fold + HOUR_US) & (pl.col("end_us") > fold - HOUR_US)
    missing = pl.lit(gap).is_between("start_us", "end_us")
    return pl.when(repeated).then(pl.lit("fold")).when(missing).then(pl.lit("gap")).otherwise(pl.lit(""))


def _uuids(n: int, rng: np.random.Generator) -> list[str]:
    digits = rng.bytes(16 * n).hex()
    ids = (digits[i : i + 32] for i in range(0, 32 * n, 32))
    return [f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}" for d in ids]
