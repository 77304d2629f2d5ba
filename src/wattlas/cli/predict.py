"""`wattlas predict`: the energy of training one's own PyTorch or Keras model."""

import json
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wattlas.advice.own_network import OwnNetwork
    from wattlas.readers.reading import Reading

_DEFAULT_BATCH_SIZE = 256
_DEFAULT_MODEL = "butter-e"


def _shape(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        shape = tuple(int(size) for size in value.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise click.BadParameter(f"{value!r} is no shape of a datum such as 784 or 3,224,224")
    return shape


@click.command(epilog="Example:  wattlas predict examples/own_model.py:digits_cnn --machine eagle-gpu")
@click.argument("target", metavar="MODULE.py:FUNCTION")
@click.option("--machine", required=True, help="A machine that the energy model knows.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=_DEFAULT_BATCH_SIZE,
    show_default=True,
    help="Data in a training step.",
)
@click.option(
    "--input-shape",
    callback=_shape,
    metavar="N,N,…",
    help="Shape of one datum, without the batch, for a model that does not say it: 784 or 3,224,224.",
)
@click.option(
    "--observations",
    "n_observations",
    type=click.IntRange(min=1),
    help="Rows of the dataset, of which a fifth is for testing. Without it, energy and FLOPs are those of "
    "the training steps alone, and working set d is unknown.",
)
@click.option(
    "--model",
    "model_name",
    default=_DEFAULT_MODEL,
    show_default=True,
    help="Energy model: a file that 'wattlas model fit' wrote, or the name of a shipped one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    target: str,
    machine: str,
    batch_size: int,
    input_shape: tuple[int, ...] | None,
    n_observations: int | None,
    model_name: str,
    as_json: bool,
) -> None:
    """Predict the energy of training the model that FUNCTION of MODULE.py returns, and what makes it dear.

    FUNCTION takes no arguments and returns a torch.nn.Module, a pair (module, example batch), or a
    functional or sequential Keras model. The file is run; the model is not trained. A multiply-accumulate
    counts as one FLOP. Layers that cannot be counted are named.
    """
    from wattlas.advice.own_network import own_network
    from wattlas.model.model_file import load_model
    from wattlas.readers.read import read_own_model

    model = load_model(model_name)
    # What the person's code prints is no part of the answer.
    with redirect_stdout(sys.stderr):
        reading = read_own_model(target, input_shape)
    not_counted = []
    if n := len(reading.unknown_layers):
        not_counted.append(f"{n} unknown layer{'s' * (n > 1)} not counted: the energy is too low by theirs")
    if reading.n_frozen_parameters:
        not_counted.append(
            f"{reading.n_frozen_parameters:,} frozen parameters; the model was fitted without any"
        )
    answer = own_network(
        reading.network, model, machine, batch_size, n_observations, not_counted=tuple(not_counted)
    )
    if as_json:
        document = {"target": target, **answer.document(), **_seen(reading)}
        click.echo(json.dumps(document, allow_nan=False))
    else:
        _show(target, answer, reading)


def _seen(reading: "Reading") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "framework": reading.framework,
        "n_frozen_parameters": reading.n_frozen_parameters,
        "layers": [asdict(layer) for layer in reading.network.layers],
        "free_layers": dict(reading.free_layers),
        "unknown_layers": list(reading.unknown_layers),
    }


def _show(target: str, answer: "OwnNetwork", reading: "Reading") -> None:
    from rich.console import Console
    from rich.table import Table

    from wattlas.advice.own_changes import MEANINGS
    from wattlas.core.units import format_bytes, format_energy, format_si

    sets, free = answer.sets.total_bytes(), reading.free_layers
    tests = "training steps alone" if answer.batches is None else "tests included"
    rows = {
        "model": f"{target} ({reading.framework}), {len(reading.network.layers)} counted layers",
        "parameters": f"{reading.network.n_parameters:,}"
        + (f", and {reading.n_frozen_parameters:,} frozen" if reading.n_frozen_parameters else ""),
        "work": f"{format_si(answer.flops_per_datum, 'FLOP')} per datum, {tests}; "
        f"{format_si(reading.network.macs, 'MAC')} forward",
        "energy": f"{format_energy(answer.energy_j)} per datum on {answer.machine}, modelled by "
        f"{answer.model}, batch {answer.batch_size}, {tests}",
        "95 %": f"{format_energy(answer.lower_j)} to {format_energy(answer.upper_j)}",
        "made of": ", ".join(
            f"{cause} {part / answer.energy_j:.1%}" for cause, part in answer.attribution.items() if part > 0
        ),
    }
    for name, n_bytes in sets.items():
        where = f", in {level}" if (level := answer.levels.get(name)) else ", fits in no level"
        known = "not known without --observations" if n_bytes is None else format_bytes(n_bytes) + where
        rows[f"set {name}"] = f"{known} ({MEANINGS[name]})"
    rows["free"] = ", ".join(f"{n} {kind}" for kind, n in free.items()) or "none"
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for key, value in rows.items():
        table.add_row(key, value)
    for title, lines in (
        ("UNKNOWN", reading.unknown_layers),
        ("extrapolated", answer.because),
        ("advice", [change.text for change in answer.changes]),
    ):
        for i, line in enumerate(lines):
            table.add_row("" if i else title, line)
    # A layer may be called anything, `[bold]` too.
    Console(highlight=False, markup=False).print(table)
