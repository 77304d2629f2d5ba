"""A made-up BUTTER-E release of any size, whose true energies are known exactly.

Power follows a law in closed form, so that the energy of a run is no sum of its samples. As in the
published release, some Slurm jobs have several nodes, in one file one after the other or mixed; clocks are
Denver's with a false Z, and some runs span the autumn's repeated or the spring's missing hour; samples are
lost or zero, and files are missing; each node has an offset and a gain of its own.
"""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import UsageError
from wattlas.dataset.pmlb_facts import PMLB_CSV
from wattlas.testing.butter_e_release.configurations import OPTIMIZER_BATCH, draw_runs
from wattlas.testing.butter_e_release.files import EnergyFiles, metadata
from wattlas.testing.butter_e_release.law import Law, of
from wattlas.testing.butter_e_release.nodes import draw_nodes, power_distribution, sinfo_csv
from wattlas.testing.butter_e_release.samples import samples
from wattlas.testing.butter_e_release.schedule import make_schedule
from wattlas.testing.butter_e_release.summary import write_summary
from wattlas.testing.butter_e_release.truth import truth_table

__all__ = ["FULL_RUNS", "Law", "write_release"]

FULL_RUNS = 41_129
"""Runs of the published release, besides the 23,859 of its optimizer batch."""

_FEWEST_RUNS = 100
_OPTIMIZER_SHARE = 23_859 / FULL_RUNS
_FULL_NODES = 2617
# Share of the main runs with each defect; there is at least one run of each.
_DEFECTS = {"zero": 0.017, "edge_zero": 0.005, "absent": 0.005, "gap1": 0.015, "gap2": 0.0006}
_DURATIONS = {"long": 0.004, "odd": 0.002}


def write_release(
    dest: Path, *, runs: int = FULL_RUNS, seed: int = 0, law: Law | None = None, zipped: bool = False
) -> pl.DataFrame:
    """Write a release to `dest/inputs` and its truth to `dest/truth`; return the truth, one row a run.

    `runs` is without those of the optimizer batch, which are added in the published proportion. The truth
    is described in `truth.py`. The same seed gives the same tables.

    Raises:
        UsageError: `dest` is there already, or fewer than 100 runs.
    """
    if runs < _FEWEST_RUNS:
        raise UsageError(f"{runs} runs are too few to have every case in; give at least {_FEWEST_RUNS}")
    dest = Path(dest)
    if dest.exists():
        raise UsageError(f"{dest} is there already; give another directory")
    law = law or Law()
    rng = np.random.default_rng(seed)
    nodes = draw_nodes(min(_FULL_NODES, round(_FULL_NODES * runs / FULL_RUNS)), rng)
    configured = draw_runs(runs, round(_OPTIMIZER_SHARE * runs), rng)
    schedule = make_schedule(_planted(configured, law, rng), nodes, rng)
    inputs, truth_folder = dest / "inputs", dest / "truth"
    inputs.mkdir(parents=True)
    truth_folder.mkdir()
    energy = EnergyFiles(inputs, zipped)
    names = [
        f"{job}.csv" if there else None for job, there in schedule.jobs.select("job_id", "written").rows()
    ]
    counts = []
    for frame, counts_of_runs in samples(schedule, nodes, law, rng):
        energy.write(frame, names)
        counts.append(counts_of_runs)
    energy.close()
    truth = truth_table(schedule, nodes, law, np.concatenate(counts), rng)
    metadata(truth, rng).write_csv(inputs / "butter_e_metadata.csv")
    (inputs / "node_sinfo.csv").write_text(sinfo_csv(nodes))
    power_distribution(nodes, rng).write_csv(inputs / "node_power_dist.csv")
    (inputs / "pmlb.csv").write_text(PMLB_CSV)
    write_summary(truth, inputs / "summary_by_epoch", rng)
    if zipped:
        _pack(inputs)
    truth.write_parquet(truth_folder / "runs.parquet")
    nodes.write_csv(truth_folder / "nodes.csv")
    about = {
        "seed": seed,
        "metadata_rows": truth.height,
        "main_rows": truth.filter(pl.col("batch") != OPTIMIZER_BATCH).height,
        "jobs": schedule.jobs.height,
        "power_files": int(schedule.jobs["written"].sum()),
        "experiments": truth["experiment_id"].n_unique(),
    }
    (truth_folder / "info.json").write_text(json.dumps(about, indent=1))
    return truth


def _planted(runs: pl.DataFrame, law: Law, rng: np.random.Generator) -> pl.DataFrame:
    """Add how long each run takes and what it draws, and choose the runs with a defect or an odd duration."""
    n, is_gpu = runs.height, runs["is_gpu"].to_numpy()
    flops = 6.0 * (runs["n_parameters"] * runs["batch_size"]).to_numpy()
    step_s, train_w = law.step(is_gpu, runs["depth"].to_numpy().astype(float), flops)
    startup_s = of(law.startup_s, is_gpu) + of(law.startup_spread_s, is_gpu) * rng.standard_normal(n)
    train_s = step_s * runs["n_steps"].to_numpy() * np.exp(law.scatter * rng.standard_normal(n))
    main = (runs["batch"] != OPTIMIZER_BATCH).to_numpy()
    odd = _choose(main, _DURATIONS, rng)
    train_s = np.where(odd == "long", rng.uniform(80_000, 120_000, size=n), train_s)
    train_s = np.where(odd == "odd", train_s * 8.0, train_s)
    duration_us = np.rint((startup_s + train_s) * 1e6).astype(np.int64)
    eligible = main & (odd == "") & (duration_us > 900e6)
    return runs.with_columns(
        startup_s=startup_s,
        startup_w=of(law.startup_w, is_gpu),
        train_w=train_w,
        duration_us=duration_us,
        planted_duration=pl.Series(odd.tolist()),
        planted_defect=pl.Series(_choose(eligible, _DEFECTS, rng).tolist()),
    )


def _choose(
    eligible: NDArray[np.bool_], shares: dict[str, float], rng: np.random.Generator
) -> NDArray[np.object_]:
    rows = rng.permutation(np.flatnonzero(eligible))
    labels = np.full(len(eligible), "", dtype=object)
    for label, share in shares.items():
        n = max(1, round(share * len(rows)))
        labels[rows[:n]], rows = label, rows[n:]
    return labels


def _pack(inputs: Path) -> None:
    """What the published release has as a zip or a tar."""
    plain = inputs / "butter_e_metadata.csv"
    with zipfile.ZipFile(f"{plain}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, plain.name)
    plain.unlink()
    summary = inputs / "summary_by_epoch"
    with tarfile.open(f"{summary}.tar", "w") as archive:
        archive.add(summary, summary.name)
    shutil.rmtree(summary)
