"""Our standardisation: per-node offset and scale, start-up taken off as what it is."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from wattlas.dataset.butter_e.node_effects import NodeEffects, fit_node_effects
from wattlas.dataset.butter_e.overhead import Overhead, fit_overhead
from wattlas.dataset.butter_e.published_standardise import (
    BELOW_OVERHEAD,
    NO_TYPE,
    NOT_JOINED,
    OVERHEAD_DATASET,
    OVERHEAD_QUANTILE,
    OVERHEAD_SIZE,
    QC,
    merge_depth_2,
)
from wattlas.dataset.butter_e.quality import excluded_by
from wattlas.dataset.butter_e.tables_in import REFERENCE_TYPE

# Without a network of the size, or of a start-up that no run shows.
NO_OVERHEAD = "no_overhead"
# Of a start-up that is a quantile, its epochs included: an estimate (64 s for 55 s in the reference case).
U_QUANTILE = 0.2
# What energies are standardised to where no node is of the reference type.
ALL_NODES = "the median of these nodes"


@dataclass(frozen=True)
class Standardised:
    """Runs and nodes with their new columns, and by kind of node the fits behind them.

    `references` says whose idle power energies were standardised to.
    """

    runs: pl.DataFrame
    nodes: pl.DataFrame
    effects: dict[bool, NodeEffects] = field(default_factory=dict)
    references: dict[bool, str] = field(default_factory=dict)
    overheads: dict[bool, Overhead] = field(default_factory=dict)


def own_standardise(runs: pl.DataFrame, nodes: pl.DataFrame) -> Standardised:
    """Standardised and non-overhead energies of the runs, with their uncertainties, and what excludes a run.

    Nodes get `offset_w`, `scale` and their uncertainties; a node that ran nothing repeated keeps what its
    readings of idle power and its type say.
    """
    joined = pl.col("energy_j").is_not_null()
    kept = joined & ~excluded_by() & pl.col("node_idle_w").is_not_null() & pl.col("type").is_not_null()
    # Excluded runs too, so that an experiment is the same for all of its runs; and with one length, the
    # rectangle's summary's, for all of what is merged.
    runs = merge_depth_2(runs, pl.col("is_rectangle").fill_null(value=False)).with_columns(
        pl.col("epochs")
        .filter(pl.col("experiment") == pl.col("old_experiment_id"))
        .first()
        .over("experiment")
    )
    runs = runs.with_columns(
        pl.when(kept).then(kept.sum().over("experiment", "has_gpu")).alias("n_repetitions")
    )
    runs = runs.with_columns(kept.alias("_kept"))
    effects, references, fitted = {}, {}, []
    for gpu in (False, True):
        part = runs.filter(pl.col("_kept") & (pl.col("has_gpu") == gpu))
        if part.height:
            own = nodes.filter(pl.col("has_gpu") == gpu)
            effects[gpu], frame, references[gpu] = _node_effects(part, own, gpu)
            fitted.append(frame)
    nodes = nodes.join(pl.concat(fitted), on="node", how="left", maintain_order="left") if fitted else (
        nodes.with_columns(pl.lit(None, pl.Float64).alias(n) for n in _NODE_COLUMNS)
    )  # fmt: skip
    runs = runs.join(
        nodes.select("node", *_NODE_COLUMNS), left_on="host_name", right_on="node", how="left",
        maintain_order="left",
    )  # fmt: skip
    reference = pl.col("reference_idle_w")
    power, seconds = pl.col("energy_j") / pl.col("run_time_s"), pl.col("run_time_s")
    above = power - pl.col("offset_w") - reference
    u_power = (
        (pl.col("u_energy_j") / seconds) ** 2
        + pl.col("u_offset_w") ** 2
        + (above / pl.col("scale") * pl.col("u_scale")) ** 2
    ).sqrt() / pl.col("scale")
    runs = runs.with_columns(
        pl.when("_kept").then((reference + above / pl.col("scale")) * seconds).alias("std_energy_j"),
        pl.when("_kept").then(u_power * seconds).alias("u_std_energy_j"),
    )
    runs, overheads = _without_overhead(runs)
    return Standardised(runs.drop("_kept"), nodes, effects, references, overheads)


_NODE_COLUMNS = ["offset_w", "u_offset_w", "scale", "u_scale", "n_repeats", "reference_idle_w"]


def _node_effects(
    runs: pl.DataFrame, nodes: pl.DataFrame, gpu: bool
) -> tuple[NodeEffects, pl.DataFrame, str]:
    """The effects of the nodes that ran something, a frame of them, and what they are relative to."""
    used = nodes.filter(pl.col("node").is_in(runs["host_name"].unique().implode())).sort("node")
    types = sorted(used["type"].unique())
    index = pl.DataFrame({"host_name": used["node"], "_node": np.arange(used.height)})
    rows = runs.select("host_name", "experiment", "energy_j", "u_energy_j", "run_time_s").join(
        index, on="host_name", maintain_order="left"
    )
    seconds = rows["run_time_s"].to_numpy()
    of_type = nodes.filter(pl.col("type") == REFERENCE_TYPE[gpu])
    reference = REFERENCE_TYPE[gpu] if of_type.height else ALL_NODES
    reference_w = float(np.median((of_type if of_type.height else used)["p2"]))
    found = fit_node_effects(
        rows["energy_j"].to_numpy() / seconds,
        rows["u_energy_j"].to_numpy() / seconds,
        rows["experiment"].to_numpy(),
        rows["_node"].to_numpy(),
        used["p2"].to_numpy(),
        used["type_idle_w"].to_numpy(),
        np.array([types.index(name) for name in used["type"]]),
        reference_w,
    )
    frame = pl.DataFrame(
        {
            "node": used["node"],
            "offset_w": found.offset_w,
            "u_offset_w": found.u_offset_w,
            "scale": found.scale,
            "u_scale": found.u_scale,
            "n_repeats": found.n_repeats,
            "reference_idle_w": np.full(used.height, reference_w),
        }
    )
    return found, frame, reference


def _without_overhead(runs: pl.DataFrame) -> tuple[pl.DataFrame, dict[bool, Overhead]]:
    overheads: dict[bool, Overhead] = {}
    small = pl.col("_kept") & (pl.col("size") <= OVERHEAD_SIZE) & pl.col("n_train_batches").is_not_null()
    for gpu in (False, True):
        part = runs.filter(small & (pl.col("has_gpu") == gpu))
        found = fit_overhead(
            part["run_time_s"].to_numpy(),
            part["std_energy_j"].to_numpy(),
            ((part["n_train_batches"] + part["n_test_batches"] / 3) * part["epochs"])
            .cast(pl.Float64)
            .to_numpy(),
            part["depth"].cast(pl.Float64).to_numpy(),
        ) or _smallest(part)
        if found is not None:
            overheads[gpu] = found
    table = pl.DataFrame(
        [
            (g, o.energy_j, float(np.hypot(o.u_energy_j, o.scatter_j)), o.run_time_s)
            for g, o in overheads.items()
        ],
        schema={
            "has_gpu": pl.Boolean,
            "energy_overhead_j": pl.Float64,
            "u_energy_overhead_j": pl.Float64,
            "runtime_overhead_s": pl.Float64,
        },
        orient="row",
    )
    runs = runs.join(table, on="has_gpu", how="left", maintain_order="left")
    rest_j = pl.col("std_energy_j") - pl.col("energy_overhead_j")
    rest_s = pl.col("run_time_s") - pl.col("runtime_overhead_s")
    why = (
        pl.when(pl.col("energy_j").is_null()).then(pl.lit(NOT_JOINED))
        .when(excluded_by()).then(pl.lit(QC))
        .when(~pl.col("_kept")).then(pl.lit(NO_TYPE))
        .when(rest_j.is_null()).then(pl.lit(NO_OVERHEAD))
        .when((rest_j <= 0) | (rest_s <= 0)).then(pl.lit(BELOW_OVERHEAD))
    )  # fmt: skip
    left = pl.col("excluded").is_null()
    runs = runs.with_columns(why.alias("excluded")).with_columns(
        pl.when(left).then(rest_j).alias("non_overhead_energy_j"),
        pl.when(left).then((pl.col("u_std_energy_j") ** 2 + pl.col("u_energy_overhead_j") ** 2).sqrt())
        .alias("u_non_overhead_energy_j"),
        pl.when(left).then(rest_s).alias("non_overhead_run_time_s"),
    )  # fmt: skip
    return runs, overheads


def _smallest(runs: pl.DataFrame) -> Overhead | None:
    """Too few runs for a fit: the published quantile of the smallest."""
    least = runs.filter(pl.col("dataset") == OVERHEAD_DATASET)
    if least.height == 0:
        return None
    time_s, start_j = (
        float(np.quantile(least[name], OVERHEAD_QUANTILE)) for name in ("run_time_s", "std_energy_j")
    )
    u_s, u_j = U_QUANTILE * time_s, U_QUANTILE * start_j
    return Overhead(time_s, u_s, start_j, u_j, 0.0, least.height, "quantile of the smallest runs")
