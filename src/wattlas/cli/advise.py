"""`wattlas advise`: the network that reaches a loss for the fewest joules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wattlas.advice import Advice, Design

N_SHOWN = 10


@click.command(
    "advise",
    epilog="Example:  wattlas advise out/quickstart/dataset --dataset digits --target-loss 0.2",
)
@click.argument("directory", metavar="DATASET", type=click.Path(path_type=Path))
@click.option("--dataset", required=True, help="Training dataset to advise on.")
@click.option("--target-loss", type=float, help="Test loss to reach.")
@click.option("--target-accuracy", type=float, help="Test accuracy to reach, as a fraction.")
@click.option("--within", type=float, metavar="PERCENT", help="Reach the best loss seen within PERCENT.")
@click.option("--machine", help="Machine to advise for; needed where the dataset has several.")
@click.option("--source", help="measured, modelled or simulated; needed where the dataset has several.")
@click.option("--max-energy", type=float, metavar="J", help="Spend at most this much up to the target.")
@click.option("--max-time", type=float, metavar="S", help="Train at most this long up to the target.")
@click.option("--max-parameters", type=int, metavar="N", help="At most so many trainable parameters.")
@click.option("--max-depth", type=int, metavar="N", help="At most so many layers, output included.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    directory: Path,
    dataset: str,
    target_loss: float | None,
    target_accuracy: float | None,
    within: float | None,
    machine: str | None,
    source: str | None,
    max_energy: float | None,
    max_time: float | None,
    max_parameters: int | None,
    max_depth: int | None,
    as_json: bool,
) -> None:
    """Rank the designs in DATASET by the energy to reach a target, best first.

    Beside the best stands what you might have taken without asking: the smallest network that reaches the
    target, the one with the fewest FLOPs, the one with the lowest loss, a common default. An interval is
    95 %: the instrument and the scatter between repetitions. A saving leaves out what both energies share.
    """
    from wattlas.advice import Limits, Target, advise
    from wattlas.dataset.tables import load_tables

    target = Target(loss=target_loss, accuracy=target_accuracy, within_percent=within)
    limits = Limits(
        max_energy_j=max_energy, max_time_s=max_time, max_parameters=max_parameters, max_depth=max_depth
    )
    advice = advise(load_tables(directory), dataset, target, machine, source, limits)
    if as_json:
        import json

        click.echo(json.dumps(advice.document(), allow_nan=False))
        return
    _show(advice)


def _show(advice: Advice) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    what = "loss" if advice.quantity == "test_loss" else "accuracy"
    console = Console()
    energy = "energy, J" if advice.source == "measured" else f"J, {advice.source}"

    def table(title: str, first: str, last: str) -> Table:
        made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        made.add_column(first, no_wrap=True)
        made.add_column("shape", no_wrap=True)
        for header in ("depth", "params", "epochs", energy, "95 %", last):
            made.add_column(header, justify="right", no_wrap=True)
        return made

    designs = table(
        f"Test {what} of {advice.target:.4g}: {advice.dataset} on {advice.machine}, energy {advice.source}",
        "",
        "time",
    )
    for rank, design in enumerate(advice.designs[:N_SHOWN], 1):
        designs.add_row(*_cells(str(rank), design), _duration(design.duration_s))
    console.print(designs)
    baselines = table("Without advice, to the same target", "choice", "saving")
    for baseline in advice.baselines:
        baselines.add_row(
            *_cells(baseline.name.replace("_", " ").replace("parameters", "params"), baseline.design),
            f"{baseline.saving:.0%}",
        )
    console.print(baselines)
    left_out = len(advice.designs) - N_SHOWN
    if left_out > 0:
        console.print(f"{left_out} more designs reach it; --json has them all.", highlight=False)
    if any(d.evidence != "measured" for d in advice.designs[:N_SHOWN]):
        console.print(
            "No energy was recorded for epochs: the run's was taken in proportion.", highlight=False
        )
    if advice.scatter.origin == "unknown":
        console.print("Nothing was run twice, so there are no intervals: run repetitions.", highlight=False)
    console.print(sentence(advice), highlight=False, soft_wrap=True)


def _cells(label: str, design: Design) -> list[str]:
    c = design.configuration
    interval = (
        "unknown"
        if design.lower_j is None or design.upper_j is None
        else f"{design.lower_j:.3g}–{design.upper_j:.3g}"
    )
    energy = f"{design.energy_j:.4g}"
    return [label, c["shape"], str(c["depth"]), str(c["n_parameters"]), str(design.epochs), energy, interval]


def _duration(duration_s: float) -> str:
    from wattlas.core.units import format_duration

    return format_duration(duration_s)


def sentence(advice: Advice) -> str:
    """The advice in one sentence, with the saving against the headline baseline."""
    from wattlas.core.units import format_energy

    best, base = advice.designs[0], advice.baseline
    mark = "" if advice.source == "measured" else f" ({advice.source})"
    c = best.configuration
    text = (
        f"Best: {c['shape']} of depth {c['depth']}, {c['n_parameters']} parameters, {best.epochs} epochs, "
        f"{format_energy(best.energy_j)}{mark}"
    )
    if base.saving == 0:
        return f"{text}; it is also the smallest network that gets there."
    interval = (
        ""
        if base.saving_lower is None or base.saving_upper is None
        else f" (95 %: {base.saving_lower:.0%} to {base.saving_upper:.0%})"
    )
    return (
        f"{text}, {base.saving:.0%}{interval} less than the smallest network that gets there, "
        f"{format_energy(base.design.energy_j)}{mark}."
    )
