"""The experiments table of an import: medians over runs, network facts, working sets and where they lie."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.dataset.butter_e.features import Networks, place_working_sets
from wattlas.dataset.experiments import MEDIAN_EFFICIENCY
from wattlas.hardware.catalogue import load_machine

MACHINES = {False: "eagle-cpu", True: "eagle-gpu"}
GROUP = ["experiment_id", "machine"]
_FACTS = [
    *("dataset", "shape", "depth", "size", "n_parameters", "widths", "n_inputs", "n_outputs"),
    *("n_observations", "n_train_batches", "n_test_batches", "loss", "batch_size", "epochs", "learning_rate"),
    *("epsilon", "epsilon_convention", "engine", "has_gpu", "experiment", "source", "domain"),
]


def own_experiments(runs: pl.DataFrame) -> pl.DataFrame:
    """One row per experiment and kind of node that has a run with an energy; medians over those not excluded.

    u² of a median is that of the runs (median) and (1.2533 s / √n)² for their scatter s.
    """
    energies = ("energy_j", "std_energy_j", "non_overhead_energy_j")
    kept = pl.col("excluded").is_null()

    def of_kept(name: str) -> pl.Expr:
        return pl.col(name).filter(kept)

    def u(name: str) -> pl.Expr:
        scatter = (MEDIAN_EFFICIENCY * of_kept(name).std() / kept.sum().sqrt()).fill_null(0.0)
        return (of_kept(f"u_{name}").median() ** 2 + scatter**2).sqrt().alias(f"u_{name}")

    grouped = (
        runs.filter((pl.col("status") == "done") & pl.col("widths").is_not_null())
        .sort("run_id")
        .group_by(GROUP, maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in _FACTS),
            kept.sum().cast(pl.Int64).alias("n_runs"),
            *(of_kept(name).median() for name in energies),
            *map(u, energies),
            of_kept("energy_j").quantile(0.25, "linear").alias("energy_q25_j"),
            of_kept("energy_j").quantile(0.75, "linear").alias("energy_q75_j"),
            of_kept("run_time_s").median().alias("duration_s"),
            of_kept("non_overhead_run_time_s").median(),
        )
        .sort(GROUP)
    )
    return with_network_facts(grouped)


def published_as_ours(published: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The published experiments under the house's names: its numbers, its first-layer width, its epochs."""
    ids = pl.col("experiment_id").cast(pl.String)
    counts = (
        runs.filter(pl.col("excluded").is_null())
        .group_by("experiment_id", "machine")
        .agg(
            pl.len().cast(pl.Int64).alias("n_runs"),
            pl.col("energy_j").quantile(0.25, "linear").alias("energy_q25_j"),
            pl.col("energy_j").quantile(0.75, "linear").alias("energy_q75_j"),
            pl.col("u_energy_j").median(),
            *(
                pl.col(n).first()
                for n in ("loss", "epsilon", "epsilon_convention", "engine", "source", "domain")
            ),
        )
    )
    frame = published.select(
        pl.col("experiment_id").alias("experiment"),
        ids,
        "has_gpu",
        pl.col("has_gpu").replace_strict(MACHINES, return_dtype=pl.String).alias("machine"),
        "dataset",
        "shape",
        pl.col("depth", "size").cast(pl.Int64),
        pl.col("num_free_parameters").alias("n_parameters"),
        "widths",
        pl.col("n_features").alias("n_inputs"),
        (pl.col("bytes_per_datum") // 4 - pl.col("n_features")).alias("n_outputs"),
        "n_observations",
        pl.col("num_training_batches_per_epoch").alias("n_train_batches"),
        pl.col("num_test_batches_per_epoch").alias("n_test_batches"),
        "batch_size",
        pl.col("num_epochs").cast(pl.Int64).alias("epochs"),
        "learning_rate",
        pl.col("energy").alias("energy_j"),
        pl.col("std_energy").alias("std_energy_j"),
        pl.col("non_overhead_energy").alias("non_overhead_energy_j"),
        pl.col("run_time").alias("duration_s"),
        pl.col("non_overhead_runtime").alias("non_overhead_run_time_s"),
    )
    joined = frame.join(counts, on=["experiment_id", "machine"], how="left", maintain_order="left")
    return with_network_facts(joined, whole_bytes=True)


def with_network_facts(grouped: pl.DataFrame, whole_bytes: bool = False) -> pl.DataFrame:
    """Add energies per datum, work, working sets and the level that each lies in."""

    def ints(name: str) -> NDArray[np.int64]:
        return grouped[name].cast(pl.Int64).to_numpy()

    networks = Networks.of(
        ints("n_inputs"), grouped["widths"].to_list(), ints("batch_size"), ints("n_parameters")
    )
    batch, train = ints("batch_size"), ints("n_train_batches")
    data_bytes = ints("n_observations") * 4 * (ints("n_inputs") + ints("n_outputs"))
    inner, parameters = networks.layer_bytes.max(axis=1, initial=0), 4 * networks.n_parameters
    backward = inner + 2 * parameters + networks.backward_bytes if grouped.height else inner
    sizes = {"l": inner, "f": inner + parameters, "b": backward, "d": backward + data_bytes}
    columns: dict[str, NDArray[np.float64]] = {
        "forward_flops": networks.forward_flops / batch,
        "backward_flops": networks.backward_flops / batch,
        "flops_per_datum": networks.flops_per_epoch(train, ints("n_test_batches")) / (train * batch),
        **{f"ws_{name}_bytes": size.astype(np.float64) for name, size in sizes.items()},
    }
    frame = grouped.with_columns([pl.Series(name, values) for name, values in columns.items()])
    if grouped.height:
        frame = frame.with_columns(_levels(grouped, networks, data_bytes, whole_bytes))
    data = pl.col("epochs") * pl.col("n_train_batches") * pl.col("batch_size")
    extra = [
        (pl.col("u_non_overhead_energy_j") / data).alias("u_energy_per_datum_j")
    ] if "u_non_overhead_energy_j" in frame.columns else []  # fmt: skip
    return frame.with_columns(
        (pl.col("energy_j") / pl.col("duration_s")).alias("mean_power_w"),
        (pl.col("non_overhead_energy_j") / data).alias("energy_per_datum_j"),
        pl.lit(0, pl.Int64).alias("n_diverged"),
        *extra,
    )


def _levels(
    grouped: pl.DataFrame, networks: Networks, data_bytes: NDArray[np.int64], whole_bytes: bool
) -> list[pl.Series]:
    gpu = grouped["has_gpu"].to_numpy()
    named: dict[str, NDArray[np.object_]] = {}
    occupied: dict[str, NDArray[np.float64]] = {}
    for has_gpu, machine in MACHINES.items():
        hierarchy = load_machine(machine).hierarchy
        names = np.array([None, *(level.name for level in hierarchy)], dtype=object)
        places = place_working_sets(hierarchy, networks, data_bytes, whole_bytes)
        for name in "lfbd":
            placed = getattr(places, name)
            own = gpu == has_gpu
            named.setdefault(name, np.full(len(gpu), None, dtype=object))[own] = names[placed.level][own]
            occupied.setdefault(name, np.zeros(len(gpu)))[own] = placed.occupied_bytes[own]
    return [
        *(pl.Series(f"ws_{name}_level", values.tolist(), pl.String) for name, values in named.items()),
        *(pl.Series(f"ws_{name}_occupied_bytes", values) for name, values in occupied.items()),
    ]
