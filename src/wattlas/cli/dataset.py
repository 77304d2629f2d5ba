"""`wattlas dataset`: make, import, check and publish datasets of runs."""

from pathlib import Path

import click

from wattlas.cli.dataset_fetch import command as fetch
from wattlas.cli.dataset_import import command as import_butter_e
from wattlas.cli.dataset_publish import command as publish
from wattlas.cli.dataset_validate import command as validate


@click.group(
    epilog="Example:  wattlas dataset build out/store out/dataset",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Make, import, check and publish datasets of runs."""


command.add_command(fetch)
command.add_command(import_butter_e)
command.add_command(validate)
command.add_command(publish)


@command.command("build", epilog="Example:  wattlas dataset build out/store out/dataset")
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace DEST if it is there.")
def build(store: Path, dest: Path, force: bool) -> None:
    """Make a dataset in DEST from a sweep's STORE: runs, epochs, channels, power, nodes and experiments."""
    from wattlas.dataset.build import build as build_dataset

    built = build_dataset(store, dest, force)
    click.echo(
        f"{dest}: {built.runs.height} runs ({', '.join(built.sources) or 'none'}) of "
        f"{built.experiments.height} experiments",
        err=True,
    )
