"""The datasheet of a release: its README, every number and column of it taken from the tables.

The questions are those of Gebru et al., Datasheets for Datasets (arXiv 1803.09010).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

import wattlas
from wattlas.dataset.release import Release
from wattlas.dataset.rules.subject import Subject
from wattlas.hardware.machine import Machine

_SOURCES = {
    "measured": "read from an instrument",
    "modelled": "computed from idle and loaded power and CPU time; no instrument was read",
    "simulated": "made by a replayed recording or an artificial meter; not the energy of these trainings",
}


def describe(release: Release, frames: Mapping[str, pl.DataFrame]) -> str:
    """The release in a few sentences, for metadata and for the datasheet's first lines."""
    runs, experiments = frames["runs"], frames["experiments"]
    sources = ", ".join(f"{n:,} {source}" for source, n in _counts(runs, "source"))
    return (
        f"Energy of training fully connected neural networks: {_of(runs.height, 'run')} of "
        f"{_of(experiments.height, 'experiment')} on {_names(runs, 'machine')}. Energies in joule with their "
        f"standard uncertainty; runs by where their energy comes from: {sources}."
    )


def datasheet(
    release: Release,
    schemas: Mapping[str, pa.Schema],
    frames: Mapping[str, pl.DataFrame],
    subject: Subject,
    anonymised: bool,
) -> str:
    """The datasheet, in Markdown."""
    runs = frames["runs"]
    licence = release.licence or "None is stated. Ask the creators before you use it."
    by = f" by {', '.join(release.creators)}" if release.creators else ""
    parts = [
        f"# {release.title}",
        f"Version {release.version}, {release.published.isoformat()}{by}. {describe(release, frames)}",
        "## Motivation",
        "What a training costs in energy depends on dataset, size, shape, depth and machine, in ways that "
        "counts of parameters and operations do not tell. These runs let that be seen and modelled.",
        "## Composition",
        *_composition(frames),
        "## Collection",
        *_collection(frames, subject, anonymised),
        "## Measured, modelled or simulated",
        _bullets(
            f"`{source}`: {_of(n, 'run')}, {_SOURCES.get(source, '')}"
            for source, n in _counts(runs, "source")
        ),
        "The column `source` says it of every energy. Energies of different sources, machines or domains are "
        "never in one row of `experiments`.",
        "## Uncertainty",
        _uncertainty(runs),
        "## Known limits",
        _bullets(_limits(frames)),
        "## Files and columns",
        "`SHA256SUMS` has the checksum of every other file (`sha256sum -c SHA256SUMS`), `croissant.json` the "
        "same columns for machines. `runs_with_standardized_energy.csv` has the done runs in the columns of "
        "BUTTER-E's file of that name.",
        *(part for name, schema in schemas.items() for part in _columns(name, schema, frames[name].height)),
        "## Licence",
        licence,
        "## Citation",
        release.cite_as,
        f"Made with Wattlas {wattlas.__version__}.",
    ]
    return "\n\n".join(parts) + "\n"


def _composition(frames: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    runs = frames["runs"]
    yield _table(("table", "rows"), ((f"`{name}`", f"{f.height:,}") for name, f in frames.items()))
    statuses = ", ".join(f"{n:,} {status}" for status, n in _counts(runs, "status"))
    ranges = ", ".join(
        f"{name} {runs[name].min()!s} to {runs[name].max()!s}"
        for name in ("depth", "size", "epochs")
        if name in runs.columns and runs[name].count()
    )
    yield f"Runs by status: {statuses}. Ranges: {ranges}."
    for name in ("dataset", "shape"):
        yield _table((name, "runs"), ((str(value), f"{n:,}") for value, n in _counts(runs, name)))


def _collection(frames: Mapping[str, pl.DataFrame], subject: Subject, anonymised: bool) -> Iterator[str]:
    if subject.imported:
        yield (
            "Imported from the published BUTTER-E files: Tripp et al., arXiv 2403.08151; OEDI submission "
            f"5991, CC BY 4.0. Mode: {subject.imported.get('mode', 'not stated')}; `import_report.json` "
            "counts what was joined, flagged and left out."
        )
    machines = subject.machines
    runs = frames["runs"]
    if "start_utc" in runs.columns and runs["start_utc"].count():
        first, last = runs.select(
            pl.min("start_utc").dt.date().alias("first"), pl.max("start_utc").dt.date().alias("last")
        ).row(0)
        yield f"Runs started between {first} and {last} (UTC)."
    yield _table(
        ("machine", "processors", "runs"),
        (
            (name, _processors(machines[name]) if name in machines else "not described", f"{n:,}")
            for name, n in _counts(runs, "machine")
        ),
    )
    if "channel" in runs.columns:
        groups = runs.group_by("channel", "domain", "source").len().sort("len", descending=True)
        yield "Where the energy of a run was read:"
        yield _table(
            ("channel", "bounds", "source", "runs"),
            ((str(c), str(d), str(s), f"{n:,}") for c, d, s, n in groups.rows()),
        )
    if instruments := _instruments(frames.get("nodes")):
        yield "Accuracy of each channel, relative standard uncertainty, and where that figure comes from:"
        yield _table(("channel", "accuracy", "from"), instruments)
    if anonymised:
        yield "Names of hosts were replaced by node-1, node-2, …, the same in all tables."


def _processors(machine: Machine) -> str:
    parts = [f"{p.sockets} × {p.model}, {p.cores} cores" for p in machine.processors]
    parts += [f"{g.count} × {g.model}" for g in machine.gpus]
    return "; ".join(parts) + (" (virtual machine)" if machine.virtual else "")


def _instruments(nodes: pl.DataFrame | None) -> list[tuple[str, str, str]]:
    if nodes is None or "meters_json" not in nodes.columns:
        return []
    found: dict[tuple[str, str, str], None] = {}
    for text in nodes["meters_json"].drop_nulls().unique(maintain_order=True):
        for channel in json.loads(text).get("channels", ()):
            instrument = channel["instrument"]
            accuracy = f"{instrument['accuracy_relative']:.3g}"
            found[(channel["id"], accuracy, instrument["accuracy_source"] or "not stated")] = None
    return list(found)


def _uncertainty(runs: pl.DataFrame) -> str:
    known = runs.filter((pl.col("energy_j") > 0) & pl.col("u_energy_j").is_not_null())
    text = (
        "`u_…` is the standard uncertainty (coverage factor 1) of the column that it is named after, "
        "combined as the GUM says from the instrument's accuracy, quantisation, the edges of the window and "
        "gaps. That of an experiment has the scatter between its runs as well."
    )
    if "u_systematic_j" in runs.columns:
        text += (
            " Not in it is `u_systematic_j`, what the meter's accuracy adds: runs share it, and it does not "
            "average out."
        )
    if known.is_empty():
        return f"{text} No run states one."
    relative = known["u_energy_j"] / known["energy_j"]
    quantiles = [relative.quantile(q, "linear") for q in (0.05, 0.5, 0.95)]
    low, median, high = (f"{q:.2g}" for q in quantiles if q is not None)
    return f"{text} Of the runs it is {median} of the energy at the median, {low} to {high} for nine in ten."


def _limits(frames: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    runs = frames["runs"]
    others = [f"{n:,} {status}" for status, n in _counts(runs, "status") if status != "done"]
    if others:
        yield f"Not every run is done: {', '.join(others)}. Failed runs have no energy."
    unreal = [source for source, _ in _counts(runs, "source") if source != "measured"]
    if unreal:
        yield f"Energies that are {' or '.join(unreal)} say nothing about an instrument's reading."
    if "u_energy_j" in runs.columns:
        unknown = runs.filter(pl.col("energy_j").is_not_null() & pl.col("u_energy_j").is_null()).height
        if unknown:
            yield f"{_of(unknown, 'energy', 'energies')} without a known uncertainty."
    if "n_runs" in frames["experiments"].columns:
        single = frames["experiments"].filter(pl.col("n_runs") < 2).height
        if single:
            yield f"{_of(single, 'experiment')} with fewer than two done runs: their scatter is not known."
    if "flags" in runs.columns:
        flags = runs.select(pl.col("flags").list.explode(keep_nulls=False, empty_as_null=False))
        for flag, n in _counts(flags, "flags"):
            yield f"Flag `{flag}` on {_of(n, 'run')}."
    yield (
        "A channel sees what it bounds and no more: a package counter leaves out memory, disks, fans and the "
        "losses of the power supply."
    )


def _columns(name: str, schema: pa.Schema, height: int) -> Iterator[str]:
    yield f"### {name}.parquet ({_of(height, 'row')})"

    def row(field: pa.Field) -> tuple[str, ...]:
        said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        return f"`{field.name}`", str(field.type), said.get("unit", ""), said.get("meaning", "")

    yield _table(("column", "type", "unit", "meaning"), map(row, schema))


def _counts(frame: pl.DataFrame, column: str) -> list[tuple[Any, int]]:
    """Values of a column and their numbers, most frequent first, ties by value; nulls left out."""
    if column not in frame.columns:
        return []
    counted = frame.select(pl.col(column)).drop_nulls().group_by(column).len(name="_n")
    return counted.sort(["_n", column], descending=[True, False]).rows()


def _names(frame: pl.DataFrame, column: str) -> str:
    return ", ".join(str(value) for value, _ in _counts(frame, column)) or "an unnamed machine"


def _of(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), line("---" for _ in head), *map(line, rows)])


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
