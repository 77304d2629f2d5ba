"""The import as a whole: published files in, a dataset directory out."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

import wattlas
from wattlas.core.errors import StoreError
from wattlas.dataset.butter_e.conditions import GAP, clean, what_a_reading_is
from wattlas.dataset.butter_e.experiments import MACHINES, own_experiments, published_as_ours
from wattlas.dataset.butter_e.import_report import import_report
from wattlas.dataset.butter_e.integrate import BAD_WINDOW, integrate
from wattlas.dataset.butter_e.joined import ImportOptions, Joined
from wattlas.dataset.butter_e.networks_of_runs import EPOCHS, KEYS, networks_of
from wattlas.dataset.butter_e.own_standardise import Standardised, own_standardise
from wattlas.dataset.butter_e.power_rows import PowerRows, read_power_rows
from wattlas.dataset.butter_e.published_features import published_experiments
from wattlas.dataset.butter_e.published_join import ERRORS, published_join
from wattlas.dataset.butter_e.published_standardise import published_standardise, type_idle
from wattlas.dataset.butter_e.quality import (
    EPOCHS_ASSUMED,
    PARAMETERS_DIFFER,
    own_qc,
    published_qc,
    with_flag,
)
from wattlas.dataset.butter_e.series import make_series, make_windows
from wattlas.dataset.butter_e.summary import Summary, read_summary
from wattlas.dataset.butter_e.tables_in import Metadata, read_datasets, read_metadata, read_nodes
from wattlas.dataset.butter_e.tables_out import experiments_table, nodes_table, runs_table
from wattlas.dataset.butter_e.times import mend_repeated_hour, to_utc
from wattlas.dataset.directory import check_dest, whole_directory, write_table
from wattlas.dataset.schema import SCHEMA_VERSION
from wattlas.hardware.catalogue import load_machine
from wattlas.networks.tasks import PAPER_TASKS

Progress = Callable[[str], None]


def import_butter_e(
    source: Path,
    dest: Path,
    options: ImportOptions | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Import the release in `source` into a dataset in `dest`, and return its import report.

    Raises:
        DataError: a file that cannot be read as what it should be; the message names file and line.
        StoreError: a file is missing, or `dest` is there or cannot be written.
    """
    options = options or ImportOptions()
    source, dest = Path(source), Path(dest)
    check_dest(dest, force)
    if not source.is_dir():
        raise StoreError(f"{source} is no directory; give the folder with the published files")
    began = time.perf_counter()
    progress("reading the tables")
    metadata, nodes = read_metadata(source), type_idle(read_nodes(source))
    runs = _described(metadata, nodes)
    # What needs no power sample is done meanwhile, on another processor.
    with whole_directory(dest) as temporary, ThreadPoolExecutor(1) as aside:
        summed = aside.submit(read_summary, source, temporary / "curves.parquet")
        networks = None if options.upstream_compatible else aside.submit(networks_of, runs)
        progress("reading the power samples")
        rows = read_power_rows(source)
        progress("joining")
        joined = _published(rows, runs) if options.upstream_compatible else _own(rows, runs, options)
        progress("reading the summary by epoch")
        summary = summed.result()
        progress("standardising")
        if networks is None:
            runs = published_standardise(published_qc(joined.runs, options.limits))
            done = Standardised(_finished(runs), nodes)
            experiments = _published_experiments(done.runs, source, summary, temporary)
        else:
            runs = own_qc(_with_networks(joined.runs, networks.result(), summary), options.limits)
            done = own_standardise(runs, nodes)
            done = replace(done, runs=_finished(done.runs))
            experiments = own_experiments(done.runs)
        progress("writing")
        day = done.runs.select(pl.col("start_utc").min().dt.date()).item()
        write_table(runs_table(done.runs), temporary / "runs.parquet")
        write_table(experiments_table(experiments), temporary / "experiments.parquet")
        write_table(nodes_table(done.nodes, day), temporary / "nodes.parquet")
        about = {
            "format": "wattlas dataset",
            "schema_version": SCHEMA_VERSION,
            "wattlas_version": wattlas.__version__,
            "sources": ["measured"],
        }
        (temporary / "dataset.json").write_text(json.dumps(about))
        report = import_report(source, options, metadata, joined, done, experiments, summary)
        report["seconds"] = round(time.perf_counter() - began, 3)
        (temporary / "import_report.json").write_text(json.dumps(report, indent=1))
    return report


def _described(metadata: Metadata, nodes: pl.DataFrame) -> pl.DataFrame:
    """The runs with their node's facts and what every run of the release has in common."""
    facts = nodes.select(
        "node", "has_gpu", "type", "type_idle_w", "power_offset_w", pl.col("p2").alias("node_idle_w")
    )
    runs = metadata.runs.rename({"experiment_id": "published_id"}).join(
        facts, left_on="host_name", right_on="node", how="left", maintain_order="left"
    )
    has_gpu = pl.col("has_gpu").fill_null(pl.col("is_gpu"))
    return runs.with_columns(
        has_gpu.alias("has_gpu"),
        has_gpu.replace_strict(MACHINES, return_dtype=pl.String).alias("machine"),
        ((pl.col("end_utc") - pl.col("start_utc")).dt.total_microseconds() / 1e6).alias("run_time_s"),
        pl.lit([], pl.List(pl.String)).alias("qc_flags"),
        pl.lit("measured").alias("source"),
        pl.lit("node").alias("domain"),
        pl.col("dataset")
        .replace_strict({t.name: t.loss for t in PAPER_TASKS.values()}, default=None, return_dtype=pl.String)
        .alias("loss"),
        pl.lit("keras").alias("engine"),
        pl.lit("keras").alias("epsilon_convention"),
        pl.lit(1e-7).alias("epsilon"),
    )


def _published(rows: PowerRows, runs: pl.DataFrame) -> Joined:
    series = make_series(rows, to_utc(rows.local_s))
    found = published_join(rows, series, make_windows(runs, rows, series))
    status = pl.Series("status", found.status.tolist(), pl.String)
    runs = runs.with_columns(
        status,
        status.replace_strict(ERRORS, default=None, return_dtype=pl.String).alias("error"),
        pl.Series("energy_j", found.energy_j).fill_nan(None),
        pl.lit(None, pl.Float64).alias("u_energy_j"),
        pl.lit([], pl.List(pl.String)).alias("flags"),
        pl.lit(EPOCHS, pl.Int64).alias("epochs"),
    )
    return Joined(runs, rows)


def _own(rows: PowerRows, runs: pl.DataFrame, options: ImportOptions) -> Joined:
    utc_s = to_utc(rows.local_s)
    file = np.repeat(np.arange(len(rows.files), dtype=np.int32), np.diff(rows.first))
    unsure = mend_repeated_hour(utc_s, file * np.int32(max(1, len(rows.nodes))) + rows.node, rows.local_s)
    del file
    series = make_series(rows, utc_s)
    del utc_s
    windows = make_windows(runs, rows, series)
    cleaned = clean(rows, series, windows, unsure)
    del series
    told, n_ends = what_a_reading_is(cleaned.series, windows)
    reading = options.reading or told
    limits = options.limits
    found = integrate(
        cleaned.series,
        windows,
        runs["has_gpu"].to_numpy(),
        runs["node_idle_w"].cast(pl.Float64).to_numpy(),
        reading,
        limits.max_gap_s,
        limits.max_gap_share,
    )
    status = pl.Series("status", found.status.tolist(), pl.String)
    why = {job: f"the power file of job {job} cannot be read: {r}" for job, r in rows.unreadable.items()}
    job = pl.col("slurm_job_id").replace_strict(why or {"": ""}, default=None, return_dtype=pl.String)
    accuracy = runs["has_gpu"].replace_strict(
        {g: _accuracy(name) / np.sqrt(3) for g, name in MACHINES.items()},
        return_dtype=pl.Float64,
    )
    flags = {
        name: pl.lit(pl.Series(mark)) for name, mark in {GAP: found.gap_share > 0, **cleaned.flags}.items()
    }
    runs = with_flag(
        runs.with_columns(
            status,
            pl.coalesce(job, status.replace_strict(_REASONS, default=None, return_dtype=pl.String)).alias(
                "error"
            ),
            pl.Series("energy_j", found.energy_j).fill_nan(None),
            pl.Series("u_energy_j", found.u_energy_j).fill_nan(None),
            pl.Series("n_samples", found.n_samples),
            pl.Series("u_systematic_j", found.energy_j * accuracy.to_numpy()).fill_nan(None),
        ),
        flags,
    )
    return Joined(runs, rows, reading, n_ends, found)


_REASONS = {
    **ERRORS,
    "missing_samples": "Too much of this run lies in gaps between samples.",
    "no_samples": "No sample of this run's node lies inside the run.",
    BAD_WINDOW: "The run has no start, no end, or ends before it starts.",
}


def _accuracy(machine: str) -> float:
    """Half-width of a node meter's accuracy, relative: the catalogue's estimate."""
    relative = load_machine(machine).u_power_relative
    assert relative is not None
    return relative


def _with_networks(runs: pl.DataFrame, networks: pl.DataFrame, summary: Summary | None) -> pl.DataFrame:
    """Networks as built, and the epochs that the summary recorded (3,000 where it says nothing)."""
    runs = runs.join(networks, on=KEYS, how="left", maintain_order="left")
    if summary is None:
        runs = runs.with_columns(pl.lit(None, pl.Int64).alias("epochs"))
    else:
        recorded = summary.experiments.select(
            pl.col("experiment_id").cast(pl.Int64).alias("old_experiment_id"),
            pl.col("last_epoch").cast(pl.Int64).alias("epochs"),
        ).unique("old_experiment_id")
        runs = runs.join(recorded, on="old_experiment_id", how="left", maintain_order="left")
    flags = {
        PARAMETERS_DIFFER: pl.col("parameters") != pl.col("n_parameters"),
        EPOCHS_ASSUMED: pl.col("epochs").is_null(),
    }
    return with_flag(runs, flags).with_columns(pl.col("epochs").fill_null(EPOCHS))


def _finished(runs: pl.DataFrame) -> pl.DataFrame:
    runs = runs.with_columns(pl.col("experiment").cast(pl.String).alias("experiment_id"))
    return runs if "flags" in runs.columns else runs.with_columns(pl.col("qc_flags").alias("flags"))


def _published_experiments(
    runs: pl.DataFrame, source: Path, summary: Summary | None, temporary: Path
) -> pl.DataFrame:
    if summary is None:
        raise StoreError(
            f"{source} has no summary_by_epoch, without which there is no published experiments table; "
            "add it, or leave out --upstream-compatible"
        )
    published = published_experiments(runs, read_datasets(source), summary)
    write_table(
        pa.Table.from_batches(published.to_arrow().to_batches()), temporary / "published_experiments.parquet"
    )
    return published_as_ours(published, runs)
