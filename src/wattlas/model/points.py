"""Points: one energy per datum of one network on one machine, a row of a frame each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from wattlas.core.errors import DataError, UsageError
from wattlas.dataset.machines import machines_of
from wattlas.dataset.tables import load_tables
from wattlas.hardware.catalogue import load_machine, machine_names
from wattlas.hardware.machine import Machine

ENERGY = "energy_per_datum_j"
SOURCES = ("measured", "modelled", "simulated")
# Without these there are no features; the rest of a points table is for grouping and provenance.
_COUNTS = ("n_inputs", "n_train_batches", "n_test_batches", "batch_size")
_NEEDED = ("machine", "widths", *_COUNTS)


@dataclass(frozen=True)
class PointsFile:
    """A points table as read, and the machines that came with it (a dataset directory carries its own)."""

    points: pl.DataFrame
    machines: dict[str, Machine] = field(default_factory=dict)


def read_points(path: str | Path) -> pl.DataFrame:
    """The points of a CSV, or of the experiments of a dataset directory; `widths` become lists.

    Raises:
        DataError, StoreError: it cannot be read, or lacks a column.
    """
    return read_points_file(path).points


def read_points_file(path: str | Path) -> PointsFile:
    """`read_points`, with the machines that a dataset directory describes."""
    path = Path(path)
    if path.is_dir():
        tables = load_tables(path)
        # Experiments of which every run diverged have no energy.
        done = tables.experiments.filter(pl.col(ENERGY).is_not_null())
        points = check_points(with_idle_power(done, tables.nodes), str(path))
        return PointsFile(points, machines_of(tables.nodes))
    try:
        frame = pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"cannot read the points {path}: {str(error).splitlines()[0]}; give a CSV with the columns "
            f"{', '.join(_NEEDED)}, or a dataset directory"
        ) from error
    return PointsFile(check_points(frame, str(path)))


def with_idle_power(experiments: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """`experiments` with `idle_power_w`: the median baseline of the nodes of each machine."""
    idle = nodes.group_by("machine").agg(pl.col("idle_power_w").median())
    return experiments.join(idle, on="machine", how="left", maintain_order="left")


def check_points(frame: pl.DataFrame, where: str = "points") -> pl.DataFrame:
    """`frame` with `widths` as lists of integers, checked.

    Raises:
        DataError: a column is missing or a value is impossible; the message names the row.
    """
    if missing := [name for name in _NEEDED if name not in frame.columns]:
        raise DataError(f"{where} has no column {missing[0]!r}; points need {', '.join(_NEEDED)}")
    if frame.height == 0:
        raise DataError(f"{where} has no rows; give at least one point")
    for name in _COUNTS:
        least = 0 if name == "n_test_batches" else 1
        number = pl.col(name).cast(pl.Float64, strict=False)
        _require(
            frame,
            (number >= least) & number.is_finite() & (number.round() == number),
            name,
            f"a whole number from {least} up",
            where,
        )
    kind = frame.schema["widths"]
    if kind == pl.String:
        parsed = pl.col("widths").str.extract_all(r"\S+").cast(pl.List(pl.Int64), strict=False)
    elif isinstance(kind, pl.List):
        parsed = pl.col("widths").cast(pl.List(pl.Int64))
    else:
        # A CSV of networks of one layer only reads as numbers.
        parsed = pl.concat_list(pl.col("widths").cast(pl.Int64, strict=False))
    whole = (parsed.list.len() > 0) & (parsed.list.min() >= 1) & ~parsed.list.contains(None)
    _require(frame, whole, "widths", "whole widths of at least 1, separated by spaces", where)
    frame = frame.with_columns(
        parsed.alias("widths"),
        pl.col("machine").cast(pl.String),
        *(pl.col(name).cast(pl.Int64, strict=False) for name in _COUNTS),
    )
    _require(frame, pl.col("machine").str.len_chars() > 0, "machine", "the machine's name", where)
    if "source" in frame.columns:
        _require(frame, pl.col("source").is_in(SOURCES), "source", f"one of {', '.join(SOURCES)}", where)
    return frame


def energies(frame: pl.DataFrame) -> pl.Series:
    """The energies of the points, all of them positive.

    Raises:
        DataError: there are none, or one is missing, not finite or not positive.
    """
    if ENERGY not in frame.columns:
        raise DataError(f"the points have no column {ENERGY!r}; a fit needs measured energies")
    number = pl.col(ENERGY).cast(pl.Float64, strict=False)
    _require(frame, (number > 0) & number.is_finite(), ENERGY, "a positive energy in J", "points")
    return frame[ENERGY].cast(pl.Float64)


def sources(frame: pl.DataFrame) -> tuple[str, ...]:
    """Where the energies come from; a table that does not say holds measured ones."""
    if "source" not in frame.columns:
        return ("measured",)
    return tuple(sorted(frame["source"].unique()))


def check_sources(frame: pl.DataFrame, allow: Sequence[str]) -> None:
    """Refuse energies that are not measured and were not asked for.

    Raises:
        UsageError: there are some.
    """
    for source in sources(frame):
        if source != "measured" and source not in allow:
            n = frame.filter(pl.col("source") == source).height
            raise UsageError(
                f"{n} of {frame.height} energies are {source}, not measured; leave them out, or say that you "
                f"mean it with --allow-{source}"
            )


def check_domains(frame: pl.DataFrame) -> None:
    """Refuse to pool energies of one machine that bound different things (a node, a package).

    Raises:
        UsageError: there are some.
    """
    if "domain" not in frame.columns:
        return
    for (name,), own in frame.group_by("machine", maintain_order=True):
        if len(found := own["domain"].drop_nulls().unique().sort().to_list()) > 1:
            raise UsageError(
                f"energies of {name} bound different domains ({', '.join(found)}); say which with --domain"
            )


def resolve_machines(frame: pl.DataFrame, known: Mapping[str, Machine]) -> dict[str, Machine]:
    """A machine for every name in the points: from `known`, else from the catalogue.

    Raises:
        UsageError: there is none of that name.
    """
    machines = {}
    for name in frame["machine"].unique().sort():
        if name in known:
            machines[name] = known[name]
        elif name in machine_names():
            machines[name] = load_machine(name)
        else:
            raise UsageError(
                f"no machine {name!r} in the catalogue ({', '.join(machine_names())}); describe it with "
                "--machine FILE.toml"
            )
    return machines


def _require(frame: pl.DataFrame, good: pl.Expr, column: str, wanted: str, where: str) -> None:
    bad = frame.with_row_index("_row").filter(~good.fill_null(value=False))
    if bad.height:
        raise DataError(f"{where}, row {bad['_row'][0] + 1}: {column} is {bad[column][0]!r}; give {wanted}")
