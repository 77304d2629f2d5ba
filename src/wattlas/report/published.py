"""Published curves as tables: a directory of CSV files, one a figure of the paper, to draw beside our own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from wattlas.core.errors import DataError, UsageError

OURS, PUBLISHED = "this dataset", "published"
_S, _F = pl.String, pl.Float64
# Columns that the figures read; further ones are passed over.
COLUMNS = {
    "3_figures": {
        **dict.fromkeys(("panel", "series", "hardware", "group"), _S),
        **dict.fromkeys(("x", "y", "y_q25", "y_q75", "x_true_flops_per_datum"), _F),
    },
    "7_sample_isolines": {
        **dict.fromkeys(("dataset", "shape", "hardware", "y_quantity"), _S),
        **dict.fromkeys(("depth", "isoline_rank_low_loss_first", "ntp", "y"), _F),
    },
    "7_minimum_histograms": {
        **dict.fromkeys(("hardware", "working_set"), _S),
        **dict.fromkeys(("bin_left_log2", "bin_right_log2", "count"), _F),
    },
    "8_model_error_hist": {"hardware": _S, **dict.fromkeys(("bin_left", "bin_right", "count"), _F)},
    "ai_energy_co2_cpu_gpu_trends": {"system": _S, "year": _F, "energy_j": _F},
}
# The two node types of the published runs, by the catalogue's names.
_MACHINES = {"cpu": "eagle-cpu", "gpu": "eagle-gpu", "gpu_data": "eagle-gpu"}


@dataclass(frozen=True)
class Published:
    """The published tables of a directory."""

    directory: Path

    def __post_init__(self) -> None:
        if not any(self._path(name).is_file() for name in COLUMNS):
            raise UsageError(
                f"{self.directory} has none of {', '.join(f'{name}.csv' for name in COLUMNS)}; give a "
                "directory with published curves as tables"
            )

    def table(self, name: str) -> pl.DataFrame | None:
        """The table of a name in `COLUMNS`, None where there is no such file.

        Where it has `hardware`, `machine` is that machine in the catalogue.

        Raises:
            DataError: it cannot be read, lacks a column, or has hardware that is not known.
        """
        path, wanted = self._path(name), COLUMNS[name]
        if not path.is_file():
            return None
        try:
            frame = pl.read_csv(path, infer_schema=False)
            if missing := [c for c in wanted if c not in frame.columns]:
                raise DataError(f"{path} has no column {missing[0]!r}; it needs {', '.join(wanted)}")
            frame = frame.select(pl.col(c).cast(kind) for c, kind in wanted.items())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"{path}: {str(error).splitlines()[0]}; give a CSV with the columns {', '.join(wanted)}"
            ) from error
        return _of_machines(frame, path) if "hardware" in wanted else frame

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.csv"


def _of_machines(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    strange = sorted({str(name) for name in frame["hardware"]} - set(_MACHINES))
    if strange:
        raise DataError(f"{path} has hardware {strange[0]!r}; known is {', '.join(_MACHINES)}")
    return frame.with_columns(
        pl.col("hardware").replace_strict(_MACHINES, return_dtype=pl.String).alias("machine"),
        # They are of measured energies, at the nodes' meters.
        pl.lit("measured").alias("source"),
        pl.lit("node").alias("domain"),
        pl.lit(PUBLISHED).alias("origin"),
    )


def split(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the dataset reported on, and those that were published."""
    published = pl.col("origin") == PUBLISHED
    return table.filter(~published), table.filter(published)


def beside(own: pl.DataFrame, published: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Our rows, `origin` said, and under them the published ones; no row where there is none of ours."""
    if own.is_empty():
        return pl.DataFrame()
    ours = own.with_columns(pl.lit(OURS).alias("origin"))
    return pl.concat([ours, *published], how="diagonal_relaxed")
