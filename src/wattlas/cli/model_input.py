"""Options and readers that the commands of `wattlas model` share."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import polars as pl

    from wattlas.hardware.machine import Machine

PATH = click.Path(path_type=Path)
machine_option = click.option(
    "--machine",
    "machine_files",
    multiple=True,
    metavar="FILE.toml",
    help="Describe a machine that the points name and the catalogue lacks; may be repeated.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite the output.")
allow_modelled_option = click.option(
    "--allow-modelled", is_flag=True, help="Also use energies that were modelled, not measured."
)
allow_simulated_option = click.option("--allow-simulated", is_flag=True, help="Also use simulated energies.")

domain_option = click.option(
    "--domain", metavar="NAME", help="Use the energies that bound this: node, package-0, …"
)


def read_input(
    path: Path, machine_files: tuple[str, ...] = (), domain: str | None = None
) -> "tuple[pl.DataFrame, dict[str, Machine]]":
    """The points of a domain, and the machines that came with them or were described."""
    import polars as pl

    from wattlas.core.errors import UsageError
    from wattlas.hardware.catalogue import load_machine
    from wattlas.model.points import read_points_file

    read = read_points_file(path)
    points = read.points
    if domain is not None:
        there = points["domain"].drop_nulls().unique().sort().to_list() if "domain" in points.columns else []
        if domain not in there:
            raise UsageError(
                f"{path} has no energies of the domain {domain!r}; it has {', '.join(there) or 'none'}"
            )
        points = points.filter(pl.col("domain") == domain)
    described = [load_machine(file) for file in machine_files]
    return points, {**read.machines, **{machine.name: machine for machine in described}}


def allowed_sources(modelled: bool, simulated: bool) -> tuple[str, ...]:
    """What may be fitted beside measured energies."""
    return ("modelled",) * modelled + ("simulated",) * simulated
