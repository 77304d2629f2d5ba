"""The published experiments table: its columns, its features, its slips.

The first layer's width is PMLB's feature count; 3,000 epochs whatever was recorded; `cache_level_k_count`
counts level k - 1; energies are rounded to 32 bits before the median.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.dataset.butter_e.features import Networks, Places, place_working_sets
from wattlas.dataset.butter_e.summary import Summary, published_epochs
from wattlas.hardware.catalogue import load_machine
from wattlas.hardware.placement_table import PlacementTable

EPOCHS = 3000
MACHINES = {False: "eagle-cpu", True: "eagle-gpu"}
_SINGLE = {
    "power": "power_w",
    "energy": "energy_j",
    "std_energy": "std_energy_j",
    "std_power": "std_power_w",
    "energy_overhead": "energy_overhead_j",
    "non_overhead_energy": "non_overhead_energy_j",
    "runtime_overhead": "runtime_overhead_s",
    "non_overhead_runtime": "non_overhead_run_time_s",
}
_L = "per_layer_interlayer_working_set"


def published_experiments(runs: pl.DataFrame, datasets: pl.DataFrame, summary: Summary) -> pl.DataFrame:
    """One row per experiment and kind of node: medians over the runs that are left, and the features."""
    median = [
        *(
            pl.col(own).cast(pl.Float32).cast(pl.Float64).median().alias(name)
            for name, own in _SINGLE.items()
        ),
        pl.col("run_time_s").median().alias("run_time"),
        pl.col("depth", "size").median(),
        pl.col("type_idle_w").median().alias("median_idle_power_for_type"),
        pl.col("type_idle_w").median().alias("idle_power"),
    ]
    facts = summary.experiments.filter(published_epochs()).select(
        "experiment_id", "num_free_parameters", "widths", "num_runs", "task", "batch_size", "learning_rate"
    )
    frame = (
        runs.filter(pl.col("excluded").is_null())
        .with_columns(
            (pl.col("energy_j") / pl.col("run_time_s")).alias("power_w"),
            (pl.col("std_energy_j") / pl.col("run_time_s")).alias("std_power_w"),
        )
        .sort("run_id")
        .group_by(pl.col("experiment").alias("experiment_id"), "has_gpu", maintain_order=True)
        .agg(*median, pl.col("shape", "type", "dataset").first(), pl.col("host_name").first().alias("node"))
        .join(facts, on="experiment_id", how="inner", maintain_order="left")
        .join(datasets.rename({"Dataset": "dataset"}), on="dataset", how="inner", maintain_order="left")
        .with_columns(pl.col("n_classes").fill_null(0), pl.lit(EPOCHS).alias("num_epochs"))
        .sort("experiment_id", "has_gpu")
    )
    return frame.hstack(_features(frame).get_columns()) if frame.height else frame


def _features(frame: pl.DataFrame) -> pl.DataFrame:
    def ints(name: str) -> NDArray[np.int64]:
        return frame[name].cast(pl.Int64).to_numpy()

    networks = Networks.of(
        ints("n_features"), frame["widths"].to_list(), ints("batch_size"), ints("num_free_parameters")
    )
    batch = networks.batch_size
    train = np.ceil(0.8 * ints("n_observations") / batch).astype(np.int64)
    test = np.ceil(0.2 * ints("n_observations") / batch).astype(np.int64)
    energy_j, run_time_s = (
        frame[name].to_numpy() for name in ("non_overhead_energy", "non_overhead_runtime")
    )
    per_batch_j = energy_j / (train * EPOCHS)
    classes = np.where((frame["task"] == "classification").to_numpy(), ints("n_classes"), 0)
    datum_bytes = 4 * (ints("n_features") + np.where(classes > 2, classes, 1))
    data_bytes = datum_bytes * ints("n_observations")
    flops = networks.flops_per_epoch(train, test)
    columns: dict[str, NDArray[np.generic] | pl.Series] = {
        "full_widths": frame.select(
            pl.concat_list(pl.col("n_features").cast(pl.Int64), "widths")
        ).to_series(),
        "num_nodes": networks.widths.sum(axis=1),
        "log_size": np.log2(frame["size"].to_numpy()).astype(np.int64),
        "log_parameters": np.log2(networks.n_parameters).astype(np.int64),
        "num_training_batches_per_epoch": train,
        "num_test_batches_per_epoch": test,
        "num_batches_per_epoch": train + test,
        "energy_per_training_batch": per_batch_j,
        "energy_per_training_datum": per_batch_j / batch,
        "log10_energy_per_training_datum": np.log10(per_batch_j / batch),
        "seconds_per_training_batch": run_time_s / (train * EPOCHS),
        "log10_energy_per_training_batch": np.log10(per_batch_j),
        "traning_data_per_epoch": train * batch,
        "energy_per_epoch": energy_j / EPOCHS,
        "energy_per_data_per_epochs_per_size": per_batch_j / batch / frame["size"].to_numpy(),
        "fwd_operations": networks.forward_flops,
        "max_width": networks.widths.max(axis=1),
        "bwd_layer_operations": networks.backward_layer_flops,
        "bwd_reduce_operations": networks.reduction_flops,
        "bwd_operations": networks.backward_flops,
        "flops_per_epoch": flops,
        "flops_per_training_datum": flops / (train * batch),
        "bytes_per_datum": datum_bytes,
        "dataset_bytes": data_bytes,
    }
    gpu = frame["has_gpu"].to_numpy()
    places = {
        has_gpu: place_working_sets(load_machine(name).hierarchy, networks, data_bytes, whole_bytes=True)
        for has_gpu, name in MACHINES.items()
    }
    cpu_values, gpu_values = (_placed(networks, places[has_gpu], data_bytes) for has_gpu in (False, True))
    for name, cpu_value in cpu_values.items():
        columns[name] = np.where(gpu, gpu_values[name], cpu_value)
    layers = {has_gpu: _layers(networks, places[has_gpu]) for has_gpu in MACHINES}
    for name, cpu_value in layers[False].items():
        every = pl.Series(name, np.where(gpu[:, None], layers[True][name], cpu_value)).arr.to_list()
        columns[name] = frame.select(pl.lit(every).list.head(pl.col("widths").list.len())).to_series()
    return pl.DataFrame(columns)


def _layers(networks: Networks, places: Places) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
    """Published names and values of each layer's inter-layer set, [n, D]."""
    placed = places.layers
    return {
        f"{_L}_distributed": networks.layer_bytes,
        f"{_L}_cache_level": placed.level,
        f"{_L}_cached_size": placed.cached_bytes,
        f"{_L}_occupied_size": placed.occupied_bytes,
        f"{_L}_singular_size": networks.layer_bytes,
        f"{_L}_singular_occupied_size": placed.singular_occupied_bytes,
        f"{_L}_effective_size": placed.effective_bytes,
    }


def _placed(
    networks: Networks, places: Places, data_bytes: NDArray[np.int64]
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Published name and values of everything that follows from placing the working sets."""
    level, share = places.layers.level, np.floor(places.layers.cached_bytes)
    real = networks.widths[:, 1:] > 0
    found: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}
    sizes = {k: np.where(real & (level == k), share, 0.0).sum(axis=1) for k in range(1, 5)}
    for k in sizes:
        name = f"{_L}_cache_level_{k}"
        found[f"{name}_size"] = sizes[k].astype(np.int64)
        found[f"{name}_cumulative_size"] = np.sum([sizes[j] for j in range(k, 5)], axis=0)
        found[f"{name}_count"] = (real & (level == k - 1)).sum(axis=1)
        found[f"{name}_cumulative_count"] = (real & (level >= k - 2)).sum(axis=1)
    parameters = 4 * networks.n_parameters
    widest = networks.layer_bytes.max(axis=1)
    backward = networks.backward_bytes
    found |= {
        f"{_L}_max_distributed": widest,
        "fwd_pass_working_set_replicated": parameters,
        "bwd_pass_working_set_distributed": backward,
        "bwd_pass_working_set_replicated": 2 * parameters,
        "epoch_working_set_higher_distributed": backward + widest,
    }
    for prefix, placed, singular in (
        (f"{_L}_max", places.l, widest),
        ("fwd_pass_working_set", places.f, parameters),
        ("bwd_pass_working_set", places.b, 2 * parameters + backward),
        ("epoch_working_set", places.d, data_bytes),
    ):
        found |= {f"{prefix}_{key}": values for key, values in _fields(placed, singular).items()}
    return found


def _fields(placed: PlacementTable, singular: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Published fields of a placement, cut to whole bytes; -1 for a set that fits in no level."""

    def whole(values: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.where(np.isfinite(values), np.floor(np.nan_to_num(values)), -1).astype(np.int64)

    return {
        "cache_level": np.where(placed.level == 0, -1, placed.level),
        "cached_size": whole(placed.cached_bytes),
        "occupied_size": whole(placed.occupied_bytes),
        "singular_size": singular,
        "singular_occupied_size": whole(placed.singular_occupied_bytes),
        "effective_size": whole(placed.effective_bytes),
    }
