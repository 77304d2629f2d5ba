"""The small published tables: metadata of the runs, nodes, idle powers, dataset facts."""

import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from wattlas.core.errors import DataError
from wattlas.dataset.butter_e.files import DATASETS, IDLE_POWER, METADATA, NODES, read_table

# Mixed batch sizes, and depth 2 far too often: the published analysis leaves it out first of all.
EXCLUDED_BATCH = "optimizer_energy_1_cpu"
_METADATA = {
    "run_id": pl.String,
    "experiment_id": pl.String,
    "old_experiment_id": pl.Int64,
    "slurm_job_id": pl.String,
    "start_time": pl.String,
    "update_time": pl.String,
    "host_name": pl.String,
    "size": pl.Int64,
    "depth": pl.Int64,
    "shape": pl.String,
    "dataset": pl.String,
    "learning_rate": pl.Float64,
    "batch_size": pl.Int64,
    "optimizer": pl.String,
    "is_gpu": pl.Boolean,
    "batch": pl.String,
}
_NODES = {
    "HOSTNAMES": pl.String,
    "CPUS": pl.Int64,
    "MEMORY": pl.Int64,
    "TMP_DISK": pl.Int64,
    "GRES": pl.String,
}
_DATASETS = {
    "Dataset": pl.String,
    "n_observations": pl.Int64,
    "n_features": pl.Int64,
    "n_classes": pl.Int64,
    "Endpoint": pl.String,
    "Imbalance": pl.Float64,
    "Task": pl.String,
}
_MOMENT = "%Y-%m-%d %H:%M:%S%.f%z"


@dataclass(frozen=True)
class Metadata:
    """The runs, one row each in the order of the file, and what was left out of them.

    `runs` has the published columns (`start_time` and `update_time` as text), and beside them `start_utc` and
    `end_utc` (null where the text is no time), `seed` and `parameters` (null where `run_data` does not say).
    """

    runs: pl.DataFrame
    n_rows: int
    n_excluded_batch: int
    n_repeated_rows: int


def read_metadata(source: Path) -> Metadata:
    """The metadata of the runs, without the excluded batch and without rows given twice.

    Raises:
        DataError: it cannot be read, lacks a column, or has two different rows of one run.
        StoreError: it is not there.
    """
    content, where = read_table(source, METADATA)
    frame = _read(content, where, _METADATA)
    n_rows = frame.height
    frame = frame.with_row_index("_line", 2)
    run = pl.col("run_id")
    if frame["run_id"].null_count():
        raise DataError(
            f"{where}, row {frame.filter(run.is_null())['_line'][0]}: no run_id; download it again"
        )
    once = frame.unique(pl.exclude("_line"), keep="first", maintain_order=True)
    if once["run_id"].n_unique() != once.height:
        first = once.filter(run.is_duplicated())
        raise DataError(
            f"{where}, row {first['_line'][1]}: run {first['run_id'][0]} is there before, with other values; "
            "take one of the two away"
        )
    kept = once.filter(pl.col("batch").ne_missing(EXCLUDED_BATCH)).drop("_line")
    if kept.height == 0:
        raise DataError(f"{where} has no run (batch {EXCLUDED_BATCH} is left out); download it again")
    data = pl.col("run_data") if "run_data" in kept.columns else pl.lit(None, pl.String)
    kept = kept.with_columns(
        _moment("start_time").alias("start_utc"),
        _moment("update_time").alias("end_utc"),
        data.str.extract(r'"seed": *(\d+)').cast(pl.Int64).alias("seed"),
        data.str.extract(r'"parameters": *(\d+)').cast(pl.Int64).alias("parameters"),
    ).drop("run_data", strict=False)
    return Metadata(kept, n_rows, once.height - kept.height, n_rows - once.height)


def read_nodes(source: Path) -> pl.DataFrame:
    """`node` (sorted), the published columns of the node, `has_gpu`, `type` and the percentiles `p…`.

    A node of none of the six types has a null type; one without readings has null percentiles.
    """
    frame = _read(*read_table(source, NODES), _NODES).rename({"HOSTNAMES": "node"})
    power = _read(*read_table(source, IDLE_POWER), {"node": pl.String, "p2": pl.Float64})
    parts = ("CPUS", "TMP_DISK", "MEMORY", "GRES")
    types = pl.DataFrame(NODE_TYPES, schema=["type", *parts], orient="row")
    return (
        frame.unique("node", keep="first")
        .with_columns(pl.col("GRES").fill_null("(null)"))
        .with_columns(pl.col("GRES").str.contains("gpu").alias("has_gpu"))
        .join(types, on=parts, how="left")
        .join(power.unique("node", keep="first"), on="node", how="left")
        .sort("node")
    )


def read_datasets(source: Path) -> pl.DataFrame:
    """PMLB's facts of the datasets."""
    return _read(*read_table(source, DATASETS), _DATASETS)


# Node types of Eagle: CPUs, scratch MB, memory MB, GPUs.
NODE_TYPES = [
    ("cpu1", 36, 900000, 85248, "(null)"),
    ("cpu2", 36, 900000, 180224, "(null)"),
    ("cpu3", 36, 1500000, 751616, "(null)"),
    ("cpu4", 36, 2400000, 751616, "(null)"),
    ("gpu1", 36, 1500000, 751616, "gpu:v100:2"),
    ("gpu2", 36, 2400000, 751616, "gpu:v100:2"),
]
REFERENCE_TYPE = {False: "cpu1", True: "gpu1"}


def _read(content: bytes, where: str, kinds: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """A CSV with at least the columns of `kinds`, stripped of blanks and cast.

    Raises:
        DataError: it is no CSV, lacks a column, or has a value that is not of the column's kind.
    """
    if not content.strip():
        raise DataError(f"{where}, line 1: the file is empty; download it again")
    if (longest := _longest_line(content)) is not None:
        raise DataError(f"{where}, line {longest[0]}: {longest[1]} bytes in one line; download it again")
    try:
        frame = pl.read_csv(content.replace(b"\r\n", b"\n"), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        line = _uneven_line(content)
        raise DataError(
            f"{where}{line}: it is no CSV ({str(error).splitlines()[0]}); download it again"
        ) from error
    frame.columns = [name.strip().lstrip("\ufeff") for name in frame.columns]
    if missing := [name for name in kinds if name not in frame.columns]:
        raise DataError(f"{where}, line 1: no column {missing[0]!r}; download it again")
    if frame.height == 0:
        raise DataError(f"{where}, line 2: no rows; download it again")
    frame = frame.with_columns(pl.col(kinds).str.strip_chars())
    for name, kind in kinds.items():
        if kind is pl.Boolean:
            value = (
                pl.col(name).str.to_lowercase().replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)
            )
        elif kind is pl.Int64:
            # Columns with empty cells are written as floats.
            value = pl.col(name).str.strip_suffix(".0").cast(pl.Int64, strict=False)
        else:
            value = pl.col(name).cast(kind, strict=False)
        cast = frame.select(value).to_series()
        if cast.null_count() > frame[name].null_count():
            row = int((cast.is_null() & frame[name].is_not_null()).arg_max() or 0)
            raise DataError(
                f"{where}, line {row + 2}: {name} is {frame[name][row]!r:.60}; download it again, or mend it"
            )
        frame = frame.with_columns(cast.alias(name))
    return frame


_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_LONGEST_LINE_BYTES = 1 << 20


def _longest_line(content: bytes) -> tuple[int, int] | None:
    """The first line that no table of these has, and its length; None if there is none."""
    for number, line in enumerate(io.BytesIO(content), 1):
        if len(line) > _LONGEST_LINE_BYTES:
            return number, len(line)
    return None


def _uneven_line(content: bytes) -> str:
    lines = content.decode("utf-8", "replace").splitlines()
    n = lines[0].count(",")
    for number, line in enumerate(lines, 1):
        if '"' not in line and line.count(",") != n:
            return f", line {number}"
    return ""


def _moment(name: str) -> pl.Expr:
    text = pl.col(name).str.replace("T", " ", literal=True).str.replace(r"Z$", "+00:00")
    return text.str.to_datetime(_MOMENT, time_unit="us", strict=False)
