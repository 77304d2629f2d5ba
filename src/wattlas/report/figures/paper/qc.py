"""Runs as quality control saw them, for its three figures."""

import numpy as np
import polars as pl

from wattlas.report.data import KINDS, ReportData, by_kind
from wattlas.report.published import OURS

KEPT, REMOVED = "kept", "removed"
MISSING = (
    "The runs of this dataset have no quality-control columns (qc_flags, excluded, run_time_deviation), "
    "which an import with 'wattlas dataset import-butter-e' gives them."
)
_NEEDED = ("qc_flags", "excluded", "run_time_deviation")


def checked_runs(data: ReportData) -> pl.DataFrame:
    """Runs with an energy, `state` kept or removed by QC, and `flags`, the names of the rules that hold."""
    runs = data.tables.runs
    if not set(_NEEDED) <= set(runs.columns):
        return pl.DataFrame()
    removed = pl.col("excluded") == "qc"
    return runs.filter((pl.col("status") == "done") & (pl.col("duration_s") > 0)).select(
        pl.col("machine", "source"),
        pl.col("domain").fill_null("not stated"),
        pl.when(removed).then(pl.lit(REMOVED)).otherwise(pl.lit(KEPT)).alias("state"),
        pl.col("qc_flags").list.join(" ").alias("flags"),
        pl.col("duration_s").alias("run_time_s"),
        "energy_j",
        "run_time_deviation",
        *("dataset", "shape", "depth", "size"),
    )


def histogram(runs: pl.DataFrame, column: str, edges: np.ndarray, limit: float | None) -> pl.DataFrame:
    """Runs by bin of `column`, state and kind: `from`, `to` and `n`; `limit` is the rule's threshold.

    Bins are half-open but for the last; a value outside them or missing is in none.
    """
    known = runs.filter(pl.col(column).is_between(edges[0], edges[-1]))
    index = np.clip(np.searchsorted(edges, known[column].to_numpy(), "right") - 1, 0, len(edges) - 2)
    return (
        known.with_columns(
            pl.Series(f"{column}_from", edges[index]), pl.Series(f"{column}_to", edges[index + 1])
        )
        .group_by(*KINDS, "state", f"{column}_from", f"{column}_to")
        .agg(pl.len().cast(pl.Int64).alias("n"))
        .with_columns(pl.lit(limit, pl.Float64).alias("limit"), pl.lit(OURS).alias("origin"))
        .sort(*KINDS, "state", f"{column}_from")
    )


def removed_said(counts: pl.DataFrame) -> str:
    """How many runs (`n`) there are and how many QC removed, by kind of energy."""
    parts = []
    for machine, source, group in by_kind(counts):
        total = int(group["n"].sum())
        removed = int(group.filter(pl.col("state") == REMOVED)["n"].sum())
        parts.append(
            f"On {machine} ({source}) QC removed {removed:,} of {total:,} runs ({removed / total:.3%})."
        )
    return " ".join(parts)
