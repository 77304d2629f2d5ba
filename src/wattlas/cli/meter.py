"""`wattlas meter`: list, check and characterise meters."""

import json

import click

from wattlas.cli.meter_characterise import command as characterise


@click.group(epilog="Example:  wattlas meter list", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, check and characterise meters."""


command.add_command(characterise)


@command.command("list", epilog="Example:  wattlas meter list --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_meters(as_json: bool) -> None:
    """Every meter that can be asked for: real ones as found here, others with what they need."""
    from wattlas.cli.doctor import meter_document, show_meters
    from wattlas.meters.base import MeterStatus
    from wattlas.meters.registry import find_meters, meter_names, real_meter_names

    found = list(find_meters())
    for name in meter_names():
        if name not in real_meter_names():
            found.append(
                MeterStatus(name, "unavailable", "reads no instrument", f"ask for it by name: --meter {name}")
            )
    documents = [meter_document(status) for status in found]
    if as_json:
        click.echo(json.dumps({"meters": documents}))
    else:
        show_meters(documents)


@command.command(epilog="Example:  wattlas meter check rapl")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(name: str, as_json: bool) -> None:
    """Run the conformance suite on a meter: exit status 1 if it does not do what a meter must."""
    from wattlas.core.clock import SystemClock
    from wattlas.core.errors import MeterError
    from wattlas.meters.registry import open_meter
    from wattlas.testing.meters import check_meter

    clock = SystemClock()
    findings = check_meter(open_meter(name, clock), clock)
    if as_json:
        rows = [{"check": f.check, "passed": f.passed, "detail": f.detail} for f in findings]
        click.echo(json.dumps({"meter": name, "checks": rows}))
    else:
        for finding in findings:
            click.echo(f"{'pass' if finding.passed else 'FAIL'}  {finding.check}: {finding.detail}")
    failed = [f for f in findings if not f.passed]
    if failed:
        raise MeterError(
            f"meter {name} fails {len(failed)} of {len(findings)} checks, the first: {failed[0].check}: "
            f"{failed[0].detail}; mend the meter or leave it out"
        )
