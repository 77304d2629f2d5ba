"""`wattlas doctor`: what this machine is and which meters it has."""

import json
from typing import Any

import click


@click.command(
    epilog="Example:  wattlas doctor --json", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """What this machine is, which meters it has, and what to do about those that cannot be read."""
    from wattlas.meters.registry import find_meters
    from wattlas.probe.machine import probe_machine

    machine, found = probe_machine(), find_meters()
    document = {"machine": _machine(machine), "meters": [meter_document(status) for status in found]}
    if as_json:
        click.echo(json.dumps(document))
    else:
        _show(document)


def _machine(machine: Any) -> dict[str, Any]:
    return {
        "name": machine.name,
        "processors": [
            {"model": p.model, "sockets": p.sockets, "cores": p.cores} for p in machine.processors
        ],
        "caches": [
            {
                "name": c.name,
                "level": c.level,
                "kind": c.kind,
                "capacity_bytes": c.capacity_bytes,
                "units": c.units,
            }
            for c in machine.caches
        ],
        "memory_bytes": machine.memory_bytes,
        "gpus": [{"model": g.model, "count": g.count, "memory_bytes": g.memory_bytes} for g in machine.gpus],
        "virtual": machine.virtual,
        "provenance": dict(machine.provenance),
    }


def meter_document(status: Any) -> dict[str, Any]:
    """What was found of a meter, as `doctor` and `meter list` print it."""
    return {
        "name": status.name,
        "state": status.state,
        "reason": status.reason,
        "fix": status.fix,
        "channels": [
            {
                "id": c.id,
                "domain": c.domain,
                "kind": c.instrument.kind,
                "contained_in": c.contained_in,
                "source": c.source,
            }
            for c in status.channels
        ],
    }


def _show(document: dict[str, Any]) -> None:
    from wattlas.core.units import format_bytes

    machine = document["machine"]
    click.echo(f"{machine['name']}{' (virtual)' if machine['virtual'] else ''}")
    for processor in machine["processors"]:
        click.echo(f"  {processor['model']}: {processor['sockets']} sockets, {processor['cores']} cores")
    for cache in machine["caches"]:
        click.echo(
            f"  {cache['name']} {cache['kind']}: {cache['units']} × {format_bytes(cache['capacity_bytes'])}"
        )
    memory = machine["memory_bytes"]
    click.echo(f"  memory: {'not known' if memory is None else format_bytes(memory)}")
    for gpu in machine["gpus"]:
        click.echo(f"  {gpu['count']} × {gpu['model']}")
    show_meters(document["meters"])


def show_meters(meters: list[dict[str, Any]]) -> None:
    """A line a meter, with its channels or with why it cannot be read and what to do."""
    for meter in meters:
        if meter["state"] == "available":
            channels = ", ".join(
                f"{c['id']} ({c['kind']}, {c['source']}"
                + (f", in {c['contained_in']})" if c["contained_in"] else ")")
                for c in meter["channels"]
            )
            click.echo(f"  meter {meter['name']}: {channels}")
        else:
            click.echo(f"  meter {meter['name']}: {meter['state']}: {meter['reason']}; {meter['fix']}")
