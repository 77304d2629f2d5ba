"""`wattlas network --table`: the facts of every network of a CSV table, beside its own columns."""

import os
from pathlib import Path

import polars as pl

from wattlas.core.errors import DataError, UsageError
from wattlas.hardware.machine import Machine
from wattlas.hardware.placement import place_sets
from wattlas.networks.network import Network
from wattlas.networks.shapes import shape_names
from wattlas.networks.size import build_networks, relative_size_error
from wattlas.networks.tasks import n_batches
from wattlas.networks.work import work
from wattlas.networks.working_sets import working_sets

# Beyond this a table's numbers, read as float64, would no longer be whole.
_LARGEST = 2**53
_SETS = ("l", "f", "b", "d")


def describe_table(
    source: Path,
    output: Path,
    batch_size: int,
    n_observations: int | None,
    machine: Machine | None,
    force: bool,
) -> list[str]:
    """Write `source` with the facts of each row's network added; `batch_size` and `n_observations` fill in.

    Columns of the input are kept as they are, but for those that this computes: their names are returned.

    Raises:
        UsageError: the output is there already.
        DataError: the table cannot be read or a row is bad; the message names file and line.
    """
    if output.exists() and not force:
        raise UsageError(f"{output} exists; choose another name or give --force")
    table = _read(source)
    columns = _Columns(table, source)
    sizes = columns.sizes()
    depths, inputs, outputs = (columns.whole(name) for name in ("depth", "n_inputs", "n_outputs"))
    columns.refuse(depths < 2, "depth", "is below 2, which leaves no hidden layer")
    shapes = columns.shapes()
    built = build_networks(
        shapes.to_list(), depths.to_list(), sizes.to_list(), inputs.to_list(), outputs.to_list()
    )
    batches = columns.optional("batch_size").fill_null(batch_size)
    observations = columns.optional("n_observations")
    if n_observations is not None:
        observations = observations.fill_null(n_observations)
    train, test = columns.optional("n_train_batches"), columns.optional("n_test_batches", least=0)
    columns.refuse(train.is_null() != test.is_null(), "n_train_batches", "and n_test_batches go together")
    rows = [
        _facts(network, size, batch, n_rows, n_train, n_test, machine)
        for network, size, batch, n_rows, n_train, n_test in zip(
            built, sizes, batches, observations, train, test, strict=True
        )
    ]
    facts = pl.DataFrame(rows, schema=_schema(machine), orient="row")
    replaced = [name for name in facts.columns if name in table.columns]
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        table.with_columns(facts.get_columns()).write_csv(partial)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return replaced


def _schema(machine: Machine | None) -> dict[str, type[pl.DataType]]:
    return {
        "widths": pl.String,
        "n_parameters": pl.Int64,
        "relative_size_error": pl.Float64,
        "flops_per_datum": pl.Float64,
        "forward_flops": pl.Float64,
        "backward_flops": pl.Float64,
        **{f"ws_{name}_bytes": pl.Int64 for name in _SETS},
        **({f"ws_{name}_level": pl.String for name in _SETS} if machine else {}),
    }


def _facts(
    network: Network,
    size: int,
    batch_size: int,
    n_observations: int | None,
    n_train_batches: int | None,
    n_test_batches: int | None,
    machine: Machine | None,
) -> tuple[object, ...]:
    done = work(network, batch_size)
    sets = working_sets(network, batch_size, n_observations)
    if n_train_batches is None and n_observations is not None:
        n_train_batches, n_test_batches = n_batches(n_observations, batch_size)
    levels: tuple[str | None, ...] = ()
    if machine is not None:
        placed = place_sets(machine.hierarchy, sets)
        levels = tuple(placed[name].level_name if name in placed else None for name in _SETS)
    return (
        " ".join(map(str, network.widths)),
        network.n_parameters,
        relative_size_error(network, size),
        done.flops_per_datum(n_train_batches, n_test_batches),
        done.forward_flops,
        done.backward_flops,
        *sets.total_bytes().values(),
        *levels,
    )


def _read(source: Path) -> pl.DataFrame:
    try:
        # All text: columns that are only passed through come out as they went in.
        return pl.read_csv(source, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{source} cannot be read as a CSV table: {reason}; mend or re-export it") from error


class _Columns:
    """Columns of a table of text, parsed; the first bad cell is an error that names its line."""

    def __init__(self, table: pl.DataFrame, source: Path) -> None:
        self._table, self._source = table, source

    def refuse(self, bad: pl.Series, column: str, problem: str) -> None:
        """Raise for the first row where `bad` holds."""
        row = bad.arg_max() if bad.any() else None
        if row is not None:
            cell = self._table[column][row] if column in self._table.columns else None
            value = "is empty" if cell is None else f"{cell!r} {problem}"
            raise DataError(f"{self._source} line {row + 2}: {column} {value}; correct that row")

    def whole(self, name: str, least: int = 1) -> pl.Series:
        """Whole numbers of at least `least`, none empty."""
        self._need(name)
        return self._whole(name, self._table[name], least)

    def optional(self, name: str, least: int = 1) -> pl.Series:
        """The same, where a missing column or an empty cell is null."""
        if name not in self._table.columns:
            return pl.Series(name, [None] * self._table.height, dtype=pl.Int64)
        filled = self._table[name].str.strip_chars().replace("", None)
        parsed = self._whole(name, filled.fill_null(str(least)), least)
        return parsed.set(filled.is_null(), None)

    def sizes(self) -> pl.Series:
        """Target sizes, from `size` or from `log2_size`; where both are given they must agree."""
        if "log2_size" not in self._table.columns:
            return self.whole("size")
        text = self._table["log2_size"]
        logs = text.str.strip_chars().cast(pl.Float64, strict=False)
        self.refuse(~logs.is_between(0, 53).fill_null(False), "log2_size", "is no number from 0 to 53")
        powers = (2.0**logs).round().cast(pl.Int64)
        if "size" in self._table.columns:
            sizes = self.whole("size")
            self.refuse(sizes != powers, "size", "and log2_size of the row disagree")
        return powers

    def shapes(self) -> pl.Series:
        """Names of registered shapes."""
        self._need("shape")
        names = self._table["shape"].str.strip_chars()
        known = shape_names()
        self.refuse(~names.is_in(known).fill_null(False), "shape", f"is none of {', '.join(known)}")
        return names

    def _need(self, name: str) -> None:
        if name not in self._table.columns:
            raise DataError(f"{self._source} has no column {name}; the header must name it")

    def _whole(self, name: str, text: pl.Series, least: int) -> pl.Series:
        numbers = text.str.strip_chars().cast(pl.Float64, strict=False)
        good = numbers.is_between(least, _LARGEST) & (numbers == numbers.floor())
        self.refuse(~good.fill_null(False), name, f"is no whole number from {least} to 2^53")
        return numbers.cast(pl.Int64)
