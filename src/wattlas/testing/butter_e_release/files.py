"""The files of a made-up release, in the published formats."""

import zipfile
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from wattlas.testing.butter_e_release.schedule import EPOCH

_SAMPLE_TIME = "%Y-%m-%dT%H:%M:%SZ"
_METADATA_TIME = "%Y-%m-%d %H:%M:%S%.6f+00:00"


def metadata(runs: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """`butter_e_metadata.csv`, in random order; `end_time` is when the run was exported, months later."""
    runs = runs[rng.permutation(runs.height)]
    gpus = pl.col("is_gpu").cast(pl.Int64)
    widths = pl.col("widths").cast(pl.List(pl.String)).list.join(", ")
    # Written piece by piece: a JSON encoder would be asked 65,000 times.
    pieces = (
        ('{"num_nodes": 1, "num_cpus": 36, "num_gpus": ', gpus * 2),
        (', "gpu_memory": ', gpus * 15109),
        (', "platform": "Linux-3.10.0-x86_64-with-glibc2.17", "python_version": "3.10.5", ', pl.lit("")),
        ('"tensorflow_version": "2.8.1", "seed": ', 1_662_500_000 + pl.int_range(pl.len())),
        (', "parameters": ', pl.col("n_parameters")),
        (', "widths": [', widths),
        ("]}", pl.lit("")),
    )
    exported_us = np.rint(rng.uniform(250, 251, size=runs.height) * 86400e6)
    return runs.select(
        "run_id",
        "experiment_id",
        "old_experiment_id",
        "slurm_job_id",
        start_time=_utc(pl.col("start_us")),
        update_time=_utc(pl.col("end_us")),
        end_time=_utc(pl.lit(pl.Series(exported_us.astype(np.int64)))),
        host_name="node",
        size="size",
        depth="depth",
        shape="shape",
        dataset="dataset",
        learning_rate="learning_rate",
        batch_size="batch_size",
        optimizer="optimizer",
        is_gpu=pl.when("is_gpu").then(pl.lit("True")).otherwise(pl.lit("False")),
        run_data=pl.concat_str([pl.lit(text) if i == 0 else value for text, value in pieces for i in (0, 1)]),
        batch="batch",
    )


def _utc(microseconds: pl.Expr) -> pl.Expr:
    return (pl.lit(EPOCH.replace(tzinfo=None)) + microseconds.cast(pl.Duration("us"))).dt.strftime(
        _METADATA_TIME
    )


class EnergyFiles:
    """Where the power samples go: a folder of CSV, or a zip of that folder."""

    def __init__(self, directory: Path, zipped: bool) -> None:
        self._folder = directory / "butter_e_energy"
        self._zip = None
        if zipped:
            self._zip = zipfile.ZipFile(directory / "butter_e_energy.zip", "w", zipfile.ZIP_DEFLATED)
        else:
            self._folder.mkdir()

    def write(self, frame: pl.DataFrame, names: Sequence[str | None]) -> None:
        """Write the file of each job in `frame`, whose rows are in order of job; None has no file."""
        jobs = frame["job"].to_numpy()
        starts = np.flatnonzero(np.r_[True, jobs[1:] != jobs[:-1]]).tolist()
        rows = frame.drop("job")
        for start, end in pairwise([*starts, len(jobs)]):
            name, part = names[int(jobs[start])], rows.slice(start, end - start)
            if name is None:
                continue
            if self._zip is None:
                part.write_csv(self._folder / name, datetime_format=_SAMPLE_TIME)
            else:
                buffer = BytesIO()
                part.write_csv(buffer, datetime_format=_SAMPLE_TIME)
                self._zip.writestr(f"{self._folder.name}/{name}", buffer.getvalue())

    def close(self) -> None:
        """Finish the zip."""
        if self._zip is not None:
            self._zip.close()
