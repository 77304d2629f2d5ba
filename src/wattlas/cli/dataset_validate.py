"""`wattlas dataset validate`: whether a dataset keeps every rule."""

import json
from pathlib import Path

import click


@click.command("validate", epilog="Example:  wattlas dataset validate out/dataset")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print every rule and what it found as JSON.")
def command(directory: Path, as_json: bool) -> None:
    """Check the dataset in DIR: schema, checksums, keys and physics.

    Every broken rule is told, with how many rows break it and the first of them. Exit status 1 if any is.
    """
    from wattlas.core.errors import DataError
    from wattlas.dataset.validate import validate as validate_dataset

    verdict = validate_dataset(directory)
    if as_json:
        checks = [check.as_json() for check in verdict.checks]
        click.echo(json.dumps({"valid": verdict.valid, "checks": checks}, indent=1))
    else:
        for check in (*verdict.errors, *verdict.warnings):
            found, rule = check.finding, check.rule
            click.echo(
                f"{rule.severity}: {rule.name}: {found.broken:,} of {found.checked:,} break it: "
                f"{rule.promise} "
                f"({', '.join(found.examples)}{', …' if found.broken > len(found.examples) else ''})"
            )
    if not verdict.valid:
        names = ", ".join(check.rule.name for check in verdict.errors)
        raise DataError(
            f"{directory} breaks {len(verdict.errors)} of {len(verdict.checks)} rules: {names}; mend what "
            "they name, or make the dataset again"
        )
    if not as_json:
        used = sum(check.finding.checked > 0 for check in verdict.checks)
        click.echo(f"{directory}: valid; {used} of {len(verdict.checks)} rules had something to check")
