"""`wattlas network`: a network's widths, parameters, work and working sets; of one, or of a table of them."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wattlas.core.errors import UsageError

if TYPE_CHECKING:
    from wattlas.hardware.machine import Machine
    from wattlas.networks.network import Network

_DEFAULT_BATCH_SIZE = 256
_DEFAULT_TOLERANCE = 0.5


def _size(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """A whole number, also as a power: 4096, 2^12 or 2**12."""
    if value is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,15})(?:\s*(?:\^|\*\*)\s*(\d{1,2}))?\s*", value)
    size = int(match[1]) ** int(match[2] or 1) if match else 0
    if not 1 <= size <= 2**60:
        raise click.BadParameter(f"{value!r} is not a whole number from 1 to 2^60, such as 4096 or 2^12")
    return size


@click.command(
    epilog="Examples:  wattlas network --shape trapezoid --depth 4 --size 2^12 --inputs 126 --outputs 3  |  "
    "wattlas network --table IN.csv -o OUT.csv"
)
@click.option("--shape", help="Width profile: rectangle, trapezoid, exponential, wide_first_4x, …")
@click.option("--depth", type=int, help="Weight layers, output included; 2 or more.")
@click.option(
    "--size", metavar="N", callback=_size, help="Target number of trainable parameters: 4096 or 2^12."
)
@click.option("--inputs", "n_inputs", type=int, help="Network inputs, after encoding.")
@click.option("--outputs", "n_outputs", type=int, help="Network outputs.")
@click.option("--batch-size", type=int, help=f"Data in a training step.  [default: {_DEFAULT_BATCH_SIZE}]")
@click.option(
    "--observations",
    "n_observations",
    type=int,
    help="Rows of the dataset, of which a fifth is for testing. Without it, working set d is unknown and "
    "FLOPs per datum are those of the training steps alone.",
)
@click.option(
    "--machine", help="Say where working sets land: a catalogue name, a TOML file, or 'this' machine."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="Refuse a network whose number of parameters is further from the size than this fraction; a table "
    f"holds the closest instead.  [default: {_DEFAULT_TOLERANCE}]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="CSV with columns shape, depth, size or log2_size, n_inputs, n_outputs; optional batch_size, "
    "n_observations, n_train_batches, n_test_batches.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV to write for --table.")
@click.option("--force", is_flag=True, help="Overwrite the output.")
def command(
    shape: str | None,
    depth: int | None,
    size: int | None,
    n_inputs: int | None,
    n_outputs: int | None,
    batch_size: int | None,
    n_observations: int | None,
    machine: str | None,
    tolerance: float | None,
    as_json: bool,
    table: Path | None,
    output: Path | None,
    force: bool,
) -> None:
    """Widths, parameters, FLOPs and working sets of a network.

    A multiply-accumulate counts as one FLOP. A working set is the bytes that a phase of training needs at
    once, those of the phases it builds on included: l from one layer to the next, f the forward pass, b the
    backward pass, d the dataset.
    """
    one = {"--shape": shape, "--depth": depth, "--size": size, "--inputs": n_inputs, "--outputs": n_outputs}
    batch = _DEFAULT_BATCH_SIZE if batch_size is None else batch_size
    if table is not None:
        single = one | {"--tolerance": tolerance, "--json": as_json or None}
        if given := [name for name, value in single.items() if value is not None]:
            raise UsageError(f"{given[0]} is for a single network; leave it out with --table")
        if output is None:
            raise UsageError("--table needs -o OUT.csv; say where the table goes")
        from wattlas.cli.network_table import describe_table

        replaced = describe_table(table, output, batch, n_observations, _machine(machine), force)
        if replaced:
            click.echo(
                f"wattlas: columns of {table} that were computed anew: {', '.join(replaced)}", err=True
            )
        return
    if missing := [name for name, value in one.items() if value is None]:
        raise UsageError(f"{missing[0]} is missing; give {', '.join(one)}, or --table IN.csv -o OUT.csv")
    if output is not None or force:
        raise UsageError("-o and --force go with --table; a single network is printed, so leave them out")

    from wattlas.networks.size import build_network, check_size

    assert shape is not None
    assert depth is not None
    assert size is not None
    assert n_inputs is not None
    assert n_outputs is not None
    network = build_network(shape, depth, size, n_inputs, n_outputs)
    check_size(network, size, _DEFAULT_TOLERANCE if tolerance is None else tolerance)
    facts = _facts(network, size, batch, n_observations, _machine(machine))
    if as_json:
        click.echo(json.dumps(facts))
    else:
        _show(facts)


def _machine(name: str | None) -> "Machine | None":
    if name is None:
        return None
    if name == "this":
        from wattlas.probe.machine import probe_machine

        return probe_machine()
    from wattlas.hardware.catalogue import load_machine

    return load_machine(name)


def _facts(
    network: "Network", size: int, batch_size: int, n_observations: int | None, machine: "Machine | None"
) -> dict[str, Any]:
    from wattlas.hardware.placement import place_sets
    from wattlas.networks.size import relative_size_error
    from wattlas.networks.tasks import n_batches
    from wattlas.networks.work import work
    from wattlas.networks.working_sets import working_sets

    done = work(network, batch_size)
    sets = working_sets(network, batch_size, n_observations)
    train, test = (None, None) if n_observations is None else n_batches(n_observations, batch_size)
    levels: dict[str, str | None] | None = None
    if machine is not None:
        levels = {name: p.level_name for name, p in place_sets(machine.hierarchy, sets).items()}
    return {
        "shape": network.shape,
        "depth": network.depth,
        "size": size,
        "n_inputs": network.n_inputs,
        "n_outputs": network.n_outputs,
        "residual": network.residual,
        "batch_size": batch_size,
        "n_observations": n_observations,
        "n_train_batches": train,
        "n_test_batches": test,
        "widths": list(network.widths),
        "n_parameters": network.n_parameters,
        "relative_size_error": relative_size_error(network, size),
        "flops_per_datum": done.flops_per_datum(train, test),
        "forward_flops": done.forward_flops,
        "backward_flops": done.backward_flops,
        "working_sets": dict(sets.total_bytes()),
        "machine": None if machine is None else machine.name,
        "working_set_levels": levels,
    }


def _show(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from wattlas.core.units import format_bytes, format_si

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "shape": f"{facts['shape']}, depth {facts['depth']}"
        + (", with residual connections" if facts["residual"] else ""),
        "widths": f"{facts['n_inputs']} inputs → " + " ".join(map(str, facts["widths"])),
        "parameters": f"{facts['n_parameters']:,}, "
        f"{facts['relative_size_error']:.2%} off size {facts['size']:,}",
        "forward": format_si(facts["forward_flops"], "FLOP") + " per datum (a multiply-accumulate is 1)",
        "backward": format_si(facts["backward_flops"], "FLOP") + " per datum",
        "epoch": format_si(facts["flops_per_datum"], "FLOP")
        + " per training datum"
        + (", tests left out" if facts["n_observations"] is None else ", tests included"),
    }
    meanings = {"l": "layer to layer", "f": "forward pass", "b": "backward pass", "d": "dataset"}
    for name, n_bytes in facts["working_sets"].items():
        text = "not known without --observations" if n_bytes is None else format_bytes(n_bytes)
        if facts["working_set_levels"] is not None and n_bytes is not None:
            level = facts["working_set_levels"][name]
            text += (
                f", in {level} of {facts['machine']}" if level else f", fits nowhere in {facts['machine']}"
            )
        rows[f"working set {name}"] = f"{text} ({meanings[name]})"
    for key, value in rows.items():
        table.add_row(key, value)
    Console(highlight=False).print(table)
