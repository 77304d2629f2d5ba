"""`wattlas advise`: the network that reaches a loss for the fewest joules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wattlas.core.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from wattlas.advice import Advice, Design, Limits, Target
    from wattlas.advice.what_if import WhatIf
    from wattlas.dataset.tables import Tables

N_SHOWN = 10


@click.command(
    "advise",
    epilog="Example:  wattlas advise out/quickstart/dataset --dataset digits --target-loss 0.2",
)
@click.argument("directory", metavar="DATASET", type=click.Path(path_type=Path))
@click.option("--dataset", required=True, help="Training dataset to advise on.")
@click.option("--target-loss", type=float, help="Test loss to reach.")
@click.option("--within", type=float, metavar="PERCENT", help="Reach the best loss seen within PERCENT.")
@click.option("--machine", help="Machine to advise for; needed where the dataset has several.")
@click.option("--source", help="measured, modelled or simulated; needed where the dataset has several.")
@click.option("--domain", help="What the energies bound (node, package-0); needed where there are several.")
@click.option("--max-energy", type=float, metavar="J", help="Spend at most this much up to the target.")
@click.option("--max-parameters", type=int, metavar="N", help="At most so many trainable parameters.")
@click.option(
    "--what-if",
    "what_if",
    multiple=True,
    metavar="CHANGE",
    help="Repeat it for another machine: 'l2.capacity_bytes*=2', 'idle_power_w=100', 'flop*=0.5'; may be "
    "repeated.",
)
@click.option("--model", help="Energy model for --what-if.  [default: one fitted to DATASET]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    directory: Path,
    dataset: str,
    target_loss: float | None,
    within: float | None,
    machine: str | None,
    source: str | None,
    domain: str | None,
    max_energy: float | None,
    max_parameters: int | None,
    what_if: tuple[str, ...],
    model: str | None,
    as_json: bool,
) -> None:
    """Rank the designs in DATASET by the energy to reach a target, best first.

    Beside the best stands what you might have taken without asking: the smallest network that reaches the
    target, the one with the fewest FLOPs, the one with the lowest loss. An interval is 95 %: the instrument
    and the scatter between repetitions. A saving leaves out what both energies share.
    """
    from wattlas.advice import Limits, Target, advise
    from wattlas.dataset.tables import load_tables

    target = Target(loss=target_loss, within_percent=within)
    limits = Limits(max_energy_j=max_energy, max_parameters=max_parameters)
    tables = load_tables(directory)
    advice = advise(tables, dataset, target, machine=machine, source=source, domain=domain, limits=limits)
    changed = None
    if what_if:
        changed = _what_if(tables, advice, what_if, model, target, limits)
    elif model is not None:
        raise UsageError("--model is for --what-if; add a change, or leave it out")
    if as_json:
        import json

        document = advice.document() | ({"what_if": changed.document()} if changed else {})
        click.echo(json.dumps(document, allow_nan=False))
        return
    _show(advice)
    if changed:
        _show_what_if(changed)


def _what_if(
    tables: Tables,
    advice: Advice,
    texts: tuple[str, ...],
    model: str | None,
    target: Target,
    limits: Limits,
) -> WhatIf:
    from wattlas.advice.change import Change
    from wattlas.advice.what_if import fitted_model, what_if
    from wattlas.model import load_model

    changes = [Change.parse(text) for text in texts]
    if model is None:
        fitted = fitted_model(tables, advice.machine, advice.source, advice.domain)
    else:
        loaded = load_model(model)
        if advice.machine not in loaded.machines_:
            raise UsageError(
                f"the model {loaded.name!r} knows {', '.join(loaded.machines_)} and not {advice.machine!r}; "
                "fit one to this dataset, or leave out --model"
            )
        fitted = loaded.machines_[advice.machine]
    return what_if(tables, advice, fitted, changes, target, limits)


def _show_what_if(changed: WhatIf) -> None:
    click.echo(f"What if {', '.join(changed.texts)} (modelled):")
    for line in changed.sentences():
        click.echo(f"  {line}")


def _show(advice: Advice) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(
        f"Test loss of {advice.target:.4g}: {advice.dataset} on {advice.machine}, energy {advice.source}, "
        f"{advice.domain or 'domain not stated'}",
        soft_wrap=True,
    )
    console.print(_designs(advice))
    console.print("Without advice, to the same target")
    console.print(_baselines(advice))
    for note in _notes(advice):
        console.print(note, soft_wrap=True)
    console.print(sentence(advice), soft_wrap=True)


def _table(columns: dict[str, bool]) -> Table:
    """A table whose columns, those that are true, are set flush right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header, right in columns.items():
        made.add_column(header, justify="right" if right else "left", no_wrap=True)
    return made


def _designs(advice: Advice) -> Table:
    columns = {"": False, "shape": False, "depth": True, "params": True, "epochs": True}
    made = _table(columns | {_unit(advice): True, "95 %": True})
    for rank, design in enumerate(advice.designs[:N_SHOWN], 1):
        known = design.lower_j is not None and design.upper_j is not None
        interval = f"{design.lower_j:.3g}–{design.upper_j:.3g}" if known else "unknown"
        made.add_row(str(rank), *_cells(design), interval)
    return made


def _baselines(advice: Advice) -> Table:
    columns = {"choice": False, "shape": False, "depth": True, "params": True, "epochs": True}
    made = _table(columns | {_unit(advice): True, "saving": True})
    for baseline in advice.baselines:
        name = baseline.name.replace("_", " ").replace("parameters", "params")
        made.add_row(name, *_cells(baseline.design), f"{baseline.saving:.0%}")
    return made


def _unit(advice: Advice) -> str:
    return "energy, J" if advice.source == "measured" else f"J, {advice.source}"


def _cells(design: Design) -> list[str]:
    c = design.configuration
    return [
        c["shape"],
        str(c["depth"]),
        f"{design.n_parameters:,}",
        str(design.epochs),
        f"{design.energy_j:.4g}",
    ]


def _notes(advice: Advice) -> list[str]:
    notes = []
    left_out = len(advice.designs) - N_SHOWN
    if left_out > 0:
        notes.append(f"{left_out} more designs reach it; --json has them all.")
    if advice.source != "measured":
        notes.append(f"These energies are {advice.source}, not measured.")
    elif any(d.evidence != "measured" for d in advice.designs):
        notes.append("Where no energy was recorded for epochs, the run's was taken in proportion.")
    if advice.scatter.origin == "unknown":
        notes.append("Nothing was run twice, so there are no intervals: run repetitions.")
    if advice.scatter.origin == "neighbours":
        notes.append("Nothing was run twice: intervals come from how sizes beside each other differ.")
    return notes


def sentence(advice: Advice) -> str:
    """The advice in one sentence, with the saving against the headline baseline."""
    from wattlas.core.units import format_energy

    best, base = advice.designs[0], advice.baseline
    mark = "" if advice.source == "measured" else f" ({advice.source})"
    c = best.configuration
    text = (
        f"Best: {c['shape']} of depth {c['depth']}, {best.n_parameters:,} parameters, {best.epochs} epochs, "
        f"{format_energy(best.energy_j)}{mark}"
    )
    if base.design.configuration["experiment_id"] == c["experiment_id"]:
        return f"{text}; it is also the smallest network that gets there."
    known = base.saving_lower is not None and base.saving_upper is not None
    interval = f" (95 %: {base.saving_lower:.0%} to {base.saving_upper:.0%})" if known else ""
    return (
        f"{text}, {base.saving:.0%}{interval} less than the smallest network that gets there, "
        f"{format_energy(base.design.energy_j)}{mark}."
    )
