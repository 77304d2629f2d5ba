"""`wattlas dataset publish`: a release of a dataset."""

from pathlib import Path

import click


@click.command(
    "publish", epilog="Example:  wattlas dataset publish out/dataset out/release --license CC-BY-4.0"
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--license", "--licence", "licence", help="Name or address of its licence; none is assumed.")
@click.option("--title", help="Title; else the names of its campaigns.")
@click.option("--creator", "creators", multiple=True, help="Who made it; may be given more than once.")
@click.option("--citation", help="How to cite it.")
@click.option("--url", help="Where it will be found.")
@click.option("--release-version", "version", default="1.0.0", show_default=True, help="Its version.")
@click.option("--anonymise-nodes", is_flag=True, help="Replace host names by node-1, node-2, … everywhere.")
@click.option("--force", is_flag=True, help="Replace DEST if it is there.")
def command(
    directory: Path,
    dest: Path,
    licence: str | None,
    title: str | None,
    creators: tuple[str, ...],
    citation: str | None,
    url: str | None,
    version: str,
    anonymise_nodes: bool,
    force: bool,
) -> None:
    """Write a release of the dataset in DIR to DEST: tables, checksums, datasheet, Croissant and CSV.

    A dataset that breaks a rule of 'wattlas dataset validate' is not published. Paths, addresses and secrets
    are removed from every text.
    """
    from datetime import UTC, datetime

    from wattlas.dataset.publish import publish as publish_dataset
    from wattlas.dataset.release import Release
    from wattlas.dataset.tables import load_tables

    if title is None and (directory / "import_report.json").is_file():
        title = "BUTTER-E, imported with Wattlas"
    elif title is None:
        campaigns = load_tables(directory).runs["campaign"].drop_nulls().unique().sort()
        title = ", ".join(campaigns) or "Training energy"
    today = datetime.now(UTC).date()
    release = Release(title, today, version, licence, creators, citation, url)
    verdict = publish_dataset(directory, dest, release, anonymise_nodes=anonymise_nodes, force=force)
    runs = verdict.subject.frames["runs"]
    click.echo(f"{dest}: {runs.height} runs, {len(list(dest.iterdir()))} files; valid", err=True)
    if licence is None:
        click.echo("no licence is stated, so nobody may use it; give one with --license", err=True)
