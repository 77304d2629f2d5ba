"""A dataset directory as the rules see it: its files, what could be read of them, and what was expected."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wattlas.core.errors import StoreError
from wattlas.dataset.machines import machine_from_json
from wattlas.dataset.schema import TABLES
from wattlas.hardware.catalogue import load_machine, machine_names
from wattlas.hardware.machine import Machine

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Subject:
    """Tables as they are on disk (`arrow`), and the files of which no table could be made (`unreadable`).

    `about` is what `dataset.json` says and `imported` what `import_report.json` does, each empty if there is
    no such file; `others` are tables that only an import has. `frames` has of each table the columns that
    have the type which the schema asks for: a rule never meets a column of another type.
    """

    directory: Path
    arrow: Mapping[str, pa.Table]
    unreadable: tuple[str, ...]
    about: Mapping[str, Any]
    imported: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, pa.Table] = field(default_factory=dict)

    @property
    def is_release(self) -> bool:
        """Whether it was published."""
        return "release" in self.about

    @property
    def is_upstream_compatible(self) -> bool:
        """Whether its numbers are those of the published pipeline, slips included."""
        return self.imported.get("mode") == "upstream-compatible"

    @property
    def counted(self) -> pl.Expr:
        """Of a row of runs: whether it belongs in an experiment.

        An import says which it leaves out, and why; those whose network cannot be built have none.
        """
        counted = pl.col("status").is_in(["done", "diverged"])
        if self.has("runs.excluded"):
            counted &= pl.col("excluded").is_null()
        if self.imported and not self.is_upstream_compatible and self.has("runs.widths"):
            counted &= pl.col("widths").is_not_null()
        return counted

    @property
    def schemas(self) -> Mapping[str, pa.Schema]:
        """The schema that each table is held to."""
        return TABLES

    @cached_property
    def frames(self) -> Mapping[str, pl.DataFrame]:
        """Every table that could be read, its well-typed columns only."""
        return {name: self._frame(name, table) for name, table in self.arrow.items()}

    @cached_property
    def other_frames(self) -> Mapping[str, pl.DataFrame]:
        """Every table that only an import has."""
        return {name: as_frame(table) for name, table in self.others.items()}

    def _frame(self, name: str, table: pa.Table) -> pl.DataFrame:
        schema = self.schemas[name]
        good = [
            field.name
            for field in table.schema
            if field.name not in schema.names or schema.field(field.name).type.equals(field.type)
        ]
        return as_frame(table.select(list(dict.fromkeys(good))))

    def has(self, column: str) -> bool:
        """Whether there is such a `table.column`, of the right type."""
        table, name = column.split(".")
        return table in self.frames and name in self.frames[table].columns

    @cached_property
    def machines(self) -> Mapping[str, Machine]:
        """Machines by name: of the catalogue, or as the nodes table describes them."""
        return {name: load_machine(name) for name in machine_names()} | {
            machine.name: machine for machine in self.described.values()
        }

    @cached_property
    def described(self) -> Mapping[str, Machine]:
        """Machine of every `machine_json` of the nodes table that describes the machine its row names."""
        described: dict[str, Machine] = {}
        if not (self.has("nodes.machine") and self.has("nodes.machine_json")):
            return described
        for name, text in self.frames["nodes"].select("machine", "machine_json").drop_nulls().unique().rows():
            try:
                machine = machine_from_json(text)
            except (ValueError, KeyError, TypeError):
                # The rule `machine` counts it.
                continue
            if machine.name == name:
                described[text] = machine
        return described

    def columns_in(self, unit: str, *, uncertainty: bool = False) -> list[tuple[str, str]]:
        """(table, column) of every number in a unit: the quantities, or their standard uncertainties."""
        return [
            (table, field.name)
            for table, schema in self.schemas.items()
            for field in schema
            if (field.metadata or {}).get(b"unit") == unit.encode()
            and field.name.startswith("u_") == uncertainty
            and self.has(f"{table}.{field.name}")
        ]


def load_subject(directory: Path) -> Subject:
    """Read a dataset directory as far as it can be read.

    Raises:
        StoreError: it is no dataset.
    """
    directory = Path(directory)
    missing = [name for name in ("runs", "experiments") if not (directory / f"{name}.parquet").is_file()]
    if missing:
        raise StoreError(
            f"{directory} has no {missing[0]}.parquet; give a directory made by 'wattlas dataset build', "
            "'import-butter-e' or 'publish'"
        )
    tables: dict[str, pa.Table] = {}
    documents: dict[str, dict[str, Any]] = {"dataset": {}, "import_report": {}}
    unreadable: list[str] = []
    for path in sorted([*directory.glob("*.parquet"), *(directory / f"{name}.json" for name in documents)]):
        try:
            if path.suffix == ".parquet":
                tables[path.stem] = _read_table(path)
            elif path.is_file():
                documents[path.stem] = _read_document(path)
        except (OSError, ValueError, pa.ArrowException):
            unreadable.append(path.name)
    return Subject(
        directory,
        arrow={name: tables[name] for name in TABLES if name in tables},
        unreadable=tuple(unreadable),
        about=documents["dataset"],
        imported=documents["import_report"],
        others={name: table for name, table in tables.items() if name not in TABLES},
    )


def _read_table(path: Path) -> pa.Table:
    table = pq.ParquetFile(path).read()
    # Parquet holds text as bytes; that they are UTF-8 is not looked at before this.
    table.validate(full=True)
    _check_names(table.schema)
    return table


def _read_document(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        raise ValueError(f"{path} is no JSON object")
    return document


def _check_names(schema: pa.Schema) -> None:
    """Raise ValueError if a name or what is said of it is no UTF-8 text."""
    for said in (schema.metadata, *(column.metadata for column in schema)):
        for word in (word for pair in (said or {}).items() for word in pair):
            word.decode()
    for column in schema:
        column.name.encode()


def as_frame(table: pa.Table) -> pl.DataFrame:
    """A table as a polars frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
