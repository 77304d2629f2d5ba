"""Rules about words: columns that hold one of a few."""

import polars as pl

from wattlas.dataset.butter_e.integrate import BAD_WINDOW
from wattlas.dataset.butter_e.published_join import ERRORS
from wattlas.dataset.rules.rule import Finding, among, rule
from wattlas.dataset.rules.subject import Subject

SOURCES = ("measured", "modelled", "simulated")
STATUSES = ("done", "diverged", "failed")
# Of an import: why a run has no energy.
IMPORT_STATUSES = (*ERRORS, BAD_WINDOW)
KINDS = ("counter", "gauge")


@rule("source", f"every source is one of {', '.join(SOURCES)}")
def _source(subject: Subject) -> Finding:
    return _one_of(subject, "source", SOURCES)


@rule(
    "status",
    f"every run's status is one of {', '.join(STATUSES)}; of an import also {', '.join(IMPORT_STATUSES)}",
    "runs.status",
)
def _status(subject: Subject) -> Finding:
    return _one_of(subject, "status", (*STATUSES, *IMPORT_STATUSES) if subject.imported else STATUSES)


@rule("kind", f"every channel's kind is one of {', '.join(KINDS)}")
def _kind(subject: Subject) -> Finding:
    return _one_of(subject, "kind", KINDS)


def _one_of(subject: Subject, column: str, allowed: tuple[str, ...]) -> Finding:
    finding = Finding()
    for frame in subject.frames.values():
        if column in frame.columns:
            bad = pl.col(column).is_null() | ~pl.col(column).is_in(allowed)
            finding += among(frame, bad, frame.columns[0])
    return finding
