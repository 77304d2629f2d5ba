"""The tables of an import: the house's columns first, then what only BUTTER-E has."""

import json
from dataclasses import asdict
from datetime import date

import polars as pl
import pyarrow as pa

from wattlas.dataset.butter_e.experiments import MACHINES
from wattlas.dataset.schema import EXPERIMENTS, NODES, RUNS, extended
from wattlas.hardware.catalogue import load_machine

_F8, _I8, _S, _B = pa.float64(), pa.int64(), pa.string(), pa.bool_()
_LIST = pa.list_(pa.string())

_ENERGIES = [
    ("std_energy_j", _F8, "energy as on a node of the reference type", "J"),
    ("u_std_energy_j", _F8, "standard uncertainty of std_energy_j", "J"),
    ("non_overhead_energy_j", _F8, "std_energy_j without the start-up of a run", "J"),
    ("u_non_overhead_energy_j", _F8, "standard uncertainty of non_overhead_energy_j", "J"),
    ("non_overhead_run_time_s", _F8, "run time without the start-up of a run", "s"),
]
IMPORTED_RUNS = extended(
    RUNS,
    [
        ("run_time_s", _F8, "end less start; duration_s under its published name", "s"),
        *_ENERGIES,
        (
            "u_systematic_j",
            _F8,
            "of energy_j by the meter's accuracy, which runs share; not in u_energy_j",
            "J",
        ),
        ("energy_overhead_j", _F8, "start-up of a run on this kind of node, taken off", "J"),
        ("runtime_overhead_s", _F8, "start-up of a run on this kind of node, taken off", "s"),
        ("qc_flags", _LIST, "quality rules that hold for the run; a rule's meaning is in the docs", ""),
        ("excluded", _S, "why the run enters no median, else null", ""),
        ("run_time_deviation", _F8, "of log run time from its group, in spreads of the group", ""),
        ("n_samples", _I8, "readings inside the window", ""),
        ("n_repetitions", _I8, "runs of the experiment on this kind of node that nothing excludes", ""),
        ("node_type", _S, "cpu1 … cpu4, gpu1, gpu2 by memory and scratch; null if of none", ""),
        ("has_gpu", _B, "the node has GPUs", ""),
        ("is_gpu", _B, "the run was sent to the GPU queue", ""),
        ("butter_experiment_id", _I8, "legacy id of the experiment, depth-2 duplicates merged", ""),
        ("published_experiment_id", _S, "id in the metadata", ""),
        ("slurm_job_id", _S, "job that ran it", ""),
    ],
)
IMPORTED_EXPERIMENTS = extended(
    EXPERIMENTS,
    [
        *_ENERGIES,
        ("has_gpu", _B, "ran on nodes with GPUs", ""),
        ("butter_experiment_id", _I8, "legacy id, of curves.parquet too", ""),
        *((f"ws_{n}_occupied_bytes", _F8, f"of a unit and the levels before it, with {n} in place", "B")
          for n in "lfbd"),
    ],
)  # fmt: skip
IMPORTED_NODES = extended(
    NODES,
    [
        ("node_type", _S, "cpu1 … cpu4, gpu1, gpu2 by memory and scratch; null if of none", ""),
        ("has_gpu", _B, "the node has GPUs", ""),
        ("n_cpus", _I8, "CPU cores", ""),
        ("memory_mb", _I8, "memory that Slurm offers", "MB"),
        ("scratch_mb", _I8, "local disk", "MB"),
        ("type_idle_w", _F8, "median over the type of idle_power_w", "W"),
        ("power_offset_w", _F8, "published: idle power of the reference type less that of this type", "W"),
        ("offset_w", _F8, "fitted: what the node draws above the reference; null if it ran nothing", "W"),
        ("u_offset_w", _F8, "standard uncertainty of offset_w", "W"),
        ("scale", _F8, "fitted: its power above idle relative to the reference", ""),
        ("u_scale", _F8, "standard uncertainty of scale", ""),
        ("n_repeats", _I8, "its runs that were repeated on another node", ""),
    ],
)


def runs_table(runs: pl.DataFrame) -> pa.Table:
    """The runs in the imported schema, in the order of the metadata."""
    frame = runs.with_columns(
        pl.col("batch").alias("campaign"),
        pl.col("host_name").alias("node"),
        pl.col("run_time_s").alias("duration_s"),
        (pl.col("node_idle_w") * pl.col("run_time_s")).alias("idle_energy_j"),
        pl.lit("node").alias("channel"),
        (pl.col("run_id").rank("ordinal").over("experiment_id", "machine") - 1).alias("repetition"),
        pl.lit(1).alias("attempt"),
        pl.col("type").alias("node_type"),
        pl.col("experiment").alias("butter_experiment_id"),
        pl.col("published_id").alias("published_experiment_id"),
    )
    return as_table(frame, IMPORTED_RUNS)


def experiments_table(experiments: pl.DataFrame) -> pa.Table:
    """The experiments in the imported schema."""
    return as_table(
        experiments.with_columns(pl.col("experiment").alias("butter_experiment_id")), IMPORTED_EXPERIMENTS
    )


def nodes_table(nodes: pl.DataFrame, day: date | None) -> pa.Table:
    """The nodes in the imported schema, on the first day of the runs."""
    described = {name: json.dumps(asdict(load_machine(name)), default=str) for name in MACHINES.values()}
    machine = pl.col("has_gpu").replace_strict(MACHINES, return_dtype=pl.String)
    frame = nodes.with_columns(
        machine.alias("machine"),
        machine.replace_strict(described, return_dtype=pl.String).alias("machine_json"),
        pl.lit(day, pl.Date).alias("date"),
        pl.col("p2").alias("idle_power_w"),
        pl.lit("measured").alias("source"),
        pl.col("type").alias("node_type"),
        pl.col("CPUS").alias("n_cpus"),
        pl.col("MEMORY").alias("memory_mb"),
        pl.col("TMP_DISK").alias("scratch_mb"),
        pl.lit("{}").alias("meters_json"),
    )
    return as_table(frame, IMPORTED_NODES)


def as_table(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """The frame's columns that the schema names, cast to it; those that it lacks are null."""
    empty = pl.from_arrow(schema.empty_table())
    assert isinstance(empty, pl.DataFrame)
    columns = [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in empty.schema.items()
    ]
    return frame.select(columns).to_arrow().cast(schema)
