"""`python -m wattlas.testing.butter_e_release DEST [--runs N] [--seed N] [--zip]`."""

from pathlib import Path

import click

from wattlas.core.errors import WattlasError
from wattlas.testing.butter_e_release import FULL_RUNS, write_release


@click.command()
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--runs", default=FULL_RUNS, show_default=True, help="Runs, besides the optimizer batch's.")
@click.option("--seed", default=0, show_default=True)
@click.option("--zip", "zipped", is_flag=True, help="Pack the files that the published release packs.")
def command(dest: Path, runs: int, seed: int, zipped: bool) -> None:
    """Write a made-up release to DEST/inputs and its truth to DEST/truth."""
    try:
        truth = write_release(dest, runs=runs, seed=seed, zipped=zipped)
    except WattlasError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{dest}: {truth.height} runs, {truth['n_samples'].sum()} samples in them", err=True)


if __name__ == "__main__":
    command()
