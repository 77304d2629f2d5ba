"""What `wattlas compare` prints for people."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wattlas.core.units import format_duration, format_energy_u, format_si

Document = Mapping[str, Any]


def show(document: Document) -> None:
    """The table of both commands, the ratio, what is to be known of the runs, and the verdict."""
    console = Console(highlight=False)
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header in ("", "energy", "power", "duration", "command"):
        made.add_column(header, justify="left" if header in ("", "command") else "right")
    for name in ("a", "b"):
        side = document[name]
        made.add_row(
            name.upper(),
            format_energy_u(side["mean_energy_j"], side["u"]),
            format_si(side["mean_power_w"], "W", 3),
            format_duration(side["mean_duration_s"]),
            escape(side["command"]),
        )
    console.print(f"{_runs(document)}; {_what(document)}", soft_wrap=True)
    console.print(made)
    if document["ratio"] is not None:
        console.print(f"B/A = {document['ratio']:.4f}{_interval(document)}", soft_wrap=True)
    for note in notes(document):
        console.print(note, soft_wrap=True, markup=False)
    console.print(verdict(document), soft_wrap=True)


def verdict(document: Document) -> str:
    """One sentence: which takes more and by how much, or that none is shown to and what would show it."""
    a, b = document["a"]["mean_energy_j"], document["b"]["mean_energy_j"]
    if document["lower"] is None and not document["differs"]:
        return "No ratio can be told: the energy of A cannot be told from 0."
    if document["differs"]:
        word = "more" if b > a else "less"
        if document["lower"] is None:
            return f"B takes {word} energy than A, by no ratio that could be told: A's is too near to 0."
        off = sorted(abs(document[end] - 1) for end in ("lower", "upper"))
        size = abs(document["ratio"] - 1)
        return f"B takes {size:.2%} {word} energy than A (95 %: {off[0]:.2%} to {off[1]:.2%})."
    more = document["more_runs_needed"]
    needed = "more than 10,000 more runs of each" if more is None else f"about {more:,} more runs of each"
    return (
        f"No difference is shown: B takes {document['lower'] - 1:+.2%} to {document['upper'] - 1:+.2%} more "
        f"energy than A (95 %); were the difference the one seen, {needed} would show it."
    )


def notes(document: Document) -> list[str]:
    """What a reader must know of the runs before the verdict."""
    found = []
    if document["source"] != "measured":
        found.append(f"These energies are {document['source'].upper()}, not measured.")
    if document["stopped_by"]:
        of = f"{document['runs']} of {document['runs_planned']} blocks"
        found.append(f"Stopped by {document['stopped_by']} after {of}.")
    for name in ("a", "b"):
        side, upper = document[name], name.upper()
        if (needed := side["repeat_needed"]) is not None:
            found.append(f"{upper} is too short for this meter: give --repeat {needed}, or a longer command.")
        if side["unusual_runs"]:
            which = ", ".join(str(i + 1) for i in side["unusual_runs"])
            found.append(
                f"{upper} was far off its median in block {which}, which counts: is anything else running?"
            )
        if side["failures"]:
            found.append(f"{upper} ended with an exit status that is not 0 {side['failures']} times.")
        if flags := [flag for flag in side["flags"] if flag != "too_short"]:
            found.append(f"{upper}: {', '.join(flags)}.")
    return found


def _runs(document: Document) -> str:
    starts = f" of {document['repeat']} starts" if document["repeat"] > 1 else ""
    return f"{document['runs']} runs{starts} of each, by turns in random order"


def _what(document: Document) -> str:
    idle = document["baseline"]
    less = "" if idle is None else f", less {format_si(idle['power_w'], 'W', 3)} of idle"
    source = document["source"]
    return f"{document['channel']} ({source.upper() if source != 'measured' else source}){less}"


def _interval(document: Document) -> str:
    if document["lower"] is None:
        return ", with no interval that ends"
    return f", 95 % interval {document['lower']:.4f} to {document['upper']:.4f}"
