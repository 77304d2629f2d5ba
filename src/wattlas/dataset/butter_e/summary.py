"""BUTTER's summary by epoch, Parquet under Hive keys, as a folder or a tar: one row an experiment."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wattlas.core.errors import DataError
from wattlas.dataset.butter_e.files import SUMMARY

FEWEST_RUNS = 3
EPOCHS = (2000, 3010)
_KEYS = ["dataset", "shape", "optimizer", "learning_rate", "batch_size", "regularizer"]
_FACTS = ["depth", "experiment_id", "num_free_parameters", "widths", "num_runs", "task", "size"]
_NULL = ["label_noise", "momentum", "l1", "l2"]
CURVES = [f"test_loss_best_quantile_{q}" for q in (0, 25, 50, 75, 100)]


@dataclass(frozen=True)
class Summary:
    """The experiments of the energy data's configuration: `experiments` without the curves, which lie in
    `curves_path` (None if no file was asked for): experiment id, epochs, best test loss so far by quantile.
    """

    experiments: pl.DataFrame
    n_rows: int


def read_summary(source: Path, curves_path: Path | None = None) -> Summary | None:
    """The summary in `source`, None if there is none. Curves go to `curves_path` file by file.

    Raises:
        DataError: a file of it cannot be read, or lacks a column.
    """
    frames, n_rows = [], 0
    writer: pq.ParquetWriter | None = None
    try:
        for label, keys, content in _files(source):
            frame = _read(label, keys, content, with_curves=curves_path is not None)
            n_rows += frame.height
            frame = _selected(frame)
            if curves_path is not None and frame.height:
                table = frame.select("experiment_id", "epoch", *CURVES).to_arrow()
                writer = writer or pq.ParquetWriter(curves_path, table.schema, compression="zstd")
                writer.write_table(table.cast(writer.schema))
            frames.append(
                frame.with_columns(pl.col("epoch").list.last().alias("last_epoch")).drop(
                    "epoch", *CURVES, strict=False
                )
            )
    finally:
        if writer is not None:
            writer.close()
    if not frames:
        return None
    return Summary(pl.concat(frames, how="vertical_relaxed"), n_rows)


def _files(source: Path) -> Iterator[tuple[str, dict[str, str], Any]]:
    folder, archive = source / SUMMARY, source / f"{SUMMARY}.tar"
    if folder.is_dir():
        for path in sorted(folder.rglob("*.parquet")):
            yield str(path), _hive(path.relative_to(folder).parts), path
    elif archive.is_file():
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    if member.isfile() and member.name.endswith(".parquet"):
                        stream = tar.extractfile(member)
                        assert stream is not None
                        yield (
                            f"{archive}:{member.name}",
                            _hive(PurePosixPath(member.name).parts),
                            io.BytesIO(stream.read()),
                        )
        except (tarfile.TarError, EOFError) as error:
            raise DataError(f"{archive} is no complete tar archive ({error}); download it again") from error


def _hive(parts: tuple[str, ...]) -> dict[str, str]:
    return dict(part.split("=", 1) for part in parts if "=" in part)


def _read(label: str, keys: dict[str, str], content: Any, with_curves: bool) -> pl.DataFrame:
    columns = [*_FACTS, *_NULL, "epoch", *(CURVES if with_curves else [])]
    try:
        frame = pl.read_parquet(
            content, columns=[name for name in columns if name not in keys], hive_partitioning=False
        )
    except (pl.exceptions.PolarsError, pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{label}: {str(error).splitlines()[0]}; download it again") from error
    return frame.with_columns(pl.lit(value).alias(name) for name, value in keys.items()).with_columns(
        pl.col("learning_rate").cast(pl.Float64), pl.col("batch_size").cast(pl.Int64)
    )


def _selected(frame: pl.DataFrame) -> pl.DataFrame:
    """Adam at 1e-4, batches of 256, nothing added: the configuration of every energy run."""
    return frame.filter(
        (pl.col("optimizer") == "Adam")
        & ((pl.col("learning_rate") - 1e-4).abs() < 1e-9)
        & (pl.col("batch_size") == 256)
        & (pl.col("regularizer") == "none")
        & pl.all_horizontal(pl.col(name).fill_null(0) == 0 for name in _NULL)
        & (pl.col("num_runs") >= FEWEST_RUNS)
    )


def published_epochs() -> pl.Expr:
    """The published condition on the last epoch that was recorded."""
    return pl.col("last_epoch").is_between(*EPOCHS)
