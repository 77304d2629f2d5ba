"""What a report is made from: a dataset's tables, its machines, and an energy model if there is one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from wattlas.advice import Advice, Target, advise
from wattlas.core.errors import DataError, UsageError
from wattlas.dataset.machines import machines_of
from wattlas.dataset.tables import Tables, load_tables
from wattlas.hardware.machine import Machine
from wattlas.report.loss_levels import LossLevels, loss_levels
from wattlas.report.published import Published

# A chart of more marks than this neither reads nor scrolls; larger tables are thinned or aggregated first.
MAX_MARKS = 6000
# The report's advice is for a loss within this margin of the best seen.
WITHIN_PERCENT = 10.0
# Energies that differ in one of these are never summed together, nor drawn together but as series of their
# own.
KINDS = ("machine", "source", "domain")


@dataclass(frozen=True)
class ReportData:
    """Everything that figures and sections may read.

    `title` names the dataset; `model_path` is the energy model to compare with, None if none was given; so is
    `published` with the published curves. `curves_path` is the file of an import's loss curves, `limits` are
    the thresholds of its quality control.
    """

    title: str
    tables: Tables
    machines: Mapping[str, Machine]
    model_path: Path | None = None
    published: Published | None = None
    curves_path: Path | None = None
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources of the energies, sorted."""
        return self.tables.sources

    @cached_property
    def energies(self) -> pl.DataFrame:
        """The experiments that have an energy; a domain that is not known is `not stated`."""
        per_datum = pl.col("energy_per_datum_j")
        return self.tables.experiments.filter((per_datum > 0) & per_datum.is_finite()).with_columns(
            pl.col("domain").fill_null("not stated")
        )

    @cached_property
    def loss_levels(self) -> LossLevels:
        """What each experiment takes to reach each of a grid of losses."""
        return loss_levels(self.energies, self.tables.runs, self.tables.epochs, self.curves_path)

    def published_table(self, name: str) -> pl.DataFrame | None:
        """A published table, None where none is at hand."""
        return None if self.published is None else self.published.table(name)

    @property
    def advice(self) -> tuple[Advice, ...]:
        """Advice for every dataset, machine, source and domain that has any."""
        return tuple(case for case in self._advice if isinstance(case, Advice))

    @property
    def without_advice(self) -> tuple[str, ...]:
        """Why the others have none, one sentence each."""
        return tuple(case for case in self._advice if isinstance(case, str))

    @cached_property
    def _advice(self) -> tuple[Advice | str, ...]:
        keys = ["dataset", *KINDS]
        cases: list[Advice | str] = []
        target = Target(within_percent=WITHIN_PERCENT)
        for dataset, machine, source, domain in (
            self.tables.experiments.select(keys).unique().sort(keys).rows()
        ):
            try:
                found = advise(self.tables, dataset, target, machine=machine, source=source, domain=domain)
            except (DataError, UsageError) as error:
                cases.append(f"{dataset} on {machine} ({source}): {error}")
            else:
                cases.append(found)
        return tuple(cases)


def load_report_data(directory: Path, model: Path | None = None, published: Path | None = None) -> ReportData:
    """Read a dataset directory for a report.

    Raises:
        StoreError: the directory is no dataset.
        DataError: no run of it has an energy, or its import report cannot be read.
        UsageError: `published` has no published table.
    """
    tables = load_tables(directory)
    path = directory.resolve()
    title = path.parent.name if path.name == "dataset" else path.name
    curves = path / "curves.parquet"
    data = ReportData(
        title,
        tables,
        machines_of(tables.nodes),
        model,
        None if published is None else Published(published),
        curves if curves.is_file() else None,
        _limits(path / "import_report.json"),
    )
    if data.energies.is_empty():
        raise DataError(
            f"{directory} has {tables.runs.height} runs, and none is done with an energy; run more of the "
            "sweep, and build the dataset again"
        )
    return data


def _limits(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    try:
        limits: dict[str, float] = json.loads(path.read_text("utf-8"))["limits"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error!r}); import the dataset again") from error
    return limits


def thin(frame: pl.DataFrame, limit: int = MAX_MARKS) -> pl.DataFrame:
    """At most `limit` rows, evenly spaced in the frame's own order, the first and the last among them."""
    if frame.height <= limit:
        return frame
    step = (frame.height - 1) / max(1, limit - 1)
    return frame[[round(i * step) for i in range(limit)]]


def by_kind(frame: pl.DataFrame) -> list[tuple[str, str, pl.DataFrame]]:
    """Machine, source and rows of each kind of energy in a table, in its own order."""
    groups = frame.partition_by(KINDS, maintain_order=True)
    return [(str(group["machine"][0]), str(group["source"][0]), group) for group in groups]


def sources_of(frame: pl.DataFrame) -> tuple[str, ...]:
    """The distinct sources of a table's energies, sorted; those of predictions included."""
    columns = [name for name in ("source", "predicted_source") if name in frame.columns]
    return tuple(sorted({str(s) for name in columns for s in frame[name].drop_nulls().unique()}))
