"""A dataset in memory: its tables as polars frames."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wattlas.core.errors import StoreError
from wattlas.dataset.schema import SCHEMA_VERSION, TABLES

# Without these a directory is no dataset; an imported one may lack the others.
_NEEDED = ("runs", "experiments")


@dataclass(frozen=True)
class Tables:
    """The tables of a dataset; one that its directory lacks has no rows."""

    runs: pl.DataFrame
    epochs: pl.DataFrame
    channels: pl.DataFrame
    power: pl.DataFrame
    nodes: pl.DataFrame
    experiments: pl.DataFrame

    @property
    def sources(self) -> tuple[str, ...]:
        """Where its energies come from: any of measured, modelled and simulated."""
        return tuple(sorted(self.runs["source"].drop_nulls().unique()))


def load_tables(directory: Path) -> Tables:
    """Read the dataset in a directory.

    Raises:
        StoreError: it is no dataset, or one of another schema version.
    """
    directory = Path(directory)
    missing = [name for name in _NEEDED if not (directory / f"{name}.parquet").is_file()]
    if missing:
        raise StoreError(
            f"{directory} has no {missing[0]}.parquet; make a dataset with 'wattlas dataset build STORE "
            f"{directory}'"
        )
    return Tables(**{name: _load(directory / f"{name}.parquet", name) for name in TABLES})


def _load(path: Path, name: str) -> pl.DataFrame:
    if not path.is_file():
        return _frame(TABLES[name].empty_table())
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path} cannot be read as Parquet ({error}); make the dataset again") from error
    metadata = table.schema.metadata or {}
    version = metadata.get(b"wattlas.schema_version", b"none").decode()
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {version} and this Wattlas reads {SCHEMA_VERSION}; make the dataset "
            "again"
        )
    return _frame(table)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
