"""What a report is made from: a dataset's tables, its machines, and an energy model if there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from wattlas.advice import Advice, Target, advise
from wattlas.core.errors import DataError, UsageError
from wattlas.dataset.machines import machines_of
from wattlas.dataset.tables import Tables, load_tables
from wattlas.hardware.machine import Machine

# A chart of more marks than this neither reads nor scrolls; larger tables are aggregated before they are drawn.
MAX_MARKS = 6000
# The report's advice is for a loss within this margin of the best seen.
WITHIN_PERCENT = 10.0


@dataclass(frozen=True)
class ReportData:
    """Everything that figures and sections may read.

    `title` names the dataset; `model_path` is the energy model to compare with, None if none was given.
    """

    title: str
    tables: Tables
    machines: Mapping[str, Machine]
    model_path: Path | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources of the energies, sorted."""
        return self.tables.sources

    @property
    def advice(self) -> tuple[Advice, ...]:
        """Advice for every dataset, machine and source that has any."""
        return tuple(case for case in self._advice if isinstance(case, Advice))

    @property
    def without_advice(self) -> tuple[str, ...]:
        """Why the others have none, one sentence each."""
        return tuple(case for case in self._advice if isinstance(case, str))

    @cached_property
    def _advice(self) -> tuple[Advice | str, ...]:
        keys = self.tables.experiments.select("dataset", "machine", "source").unique()
        cases: list[Advice | str] = []
        for dataset, machine, source in keys.sort("dataset", "machine", "source").rows():
            try:
                target = Target(within_percent=WITHIN_PERCENT)
                cases.append(advise(self.tables, dataset, target, machine, source))
            except (DataError, UsageError) as error:
                cases.append(f"{dataset} on {machine} ({source}): {error}")
        return tuple(cases)


def load_report_data(directory: Path, model: Path | None = None) -> ReportData:
    """Read a dataset directory for a report.

    Raises:
        StoreError: the directory is no dataset.
    """
    tables = load_tables(directory)
    return ReportData(
        directory.resolve().name
        if directory.resolve().name != "dataset"
        else directory.resolve().parent.name,
        tables,
        machines_of(tables.nodes),
        model,
    )


def thin(frame: pl.DataFrame, limit: int = MAX_MARKS) -> pl.DataFrame:
    """At most `limit` rows, evenly spaced in the frame's own order."""
    if frame.height <= limit:
        return frame
    step = frame.height / limit
    return frame[[int(i * step) for i in range(limit)]]


def sources_of(frame: pl.DataFrame) -> tuple[str, ...]:
    """The distinct values of a table's `source` column, sorted."""
    return tuple(sorted(str(s) for s in frame["source"].drop_nulls().unique()))
