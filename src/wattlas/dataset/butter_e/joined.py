"""What an import is asked for, and runs joined with their power."""

from dataclasses import dataclass, field

import polars as pl

from wattlas.dataset.butter_e.integrate import Energies, Reading
from wattlas.dataset.butter_e.power_rows import PowerRows
from wattlas.dataset.butter_e.quality import QcLimits


@dataclass(frozen=True)
class ImportOptions:
    """How to import.

    Attributes:
        upstream_compatible: the published pipeline's numbers, slips included.
        limits: thresholds of the QC rules.
        reading: what a power reading is; None to tell it from the ends of runs.
    """

    upstream_compatible: bool = False
    limits: QcLimits = field(default_factory=QcLimits)
    reading: Reading | None = None


@dataclass(frozen=True)
class Joined:
    """The runs with their energies, and what a report says of the join."""

    runs: pl.DataFrame
    rows: PowerRows
    reading: str | None = None
    n_ends: int = 0
    energies: Energies | None = None
