"""`wattlas dataset fetch`: bring a published release here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wattlas.dataset.download import OnBytes


@click.command("fetch", epilog="Example:  wattlas dataset fetch butter-e data/butter-e --file node_sinfo.csv")
@click.argument("release")
@click.argument("dest", type=click.Path(path_type=Path))
@click.option(
    "--url", "base_url", metavar="BASE", help="Where the files are, instead of the publisher's site."
)
@click.option("--file", "names", metavar="NAME", multiple=True, help="Only this file; may be repeated.")
def command(release: str, dest: Path, base_url: str | None, names: tuple[str, ...]) -> None:
    """Download the files of RELEASE (butter-e) to DEST, check them and unpack them.

    What has come stays: run it again to go on after a break, or to check the files against the checksums of
    their first download, in DEST/checksums.json.
    """
    from wattlas.core.units import format_bytes
    from wattlas.dataset.fetch import fetch

    with _Bars() as bars:
        fetched = fetch(release, dest, base_url=base_url, names=names, on_file=bars.start)
    for file in fetched:
        what = "downloaded" if file.downloaded else "there already, unchanged"
        where = f", unpacked to {file.unpacked}" if file.unpacked else ""
        click.echo(f"{file.name}: {format_bytes(file.record.size_bytes)} {what}{where}", err=True)


class _Bars:
    """A progress bar for each file, on a terminal only."""

    def __init__(self) -> None:
        self._progress: Any = None

    def __enter__(self) -> "_Bars":
        if sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            columns = (
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
            )
            self._progress = progress.Progress(*columns, console=Console(stderr=True))
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def start(self, name: str) -> "OnBytes":
        """What a download of this file is to call."""
        if self._progress is None:
            return lambda done, total: None
        task: Any = None

        def on_bytes(done: int, total: int | None) -> None:
            nonlocal task
            # A file that is there already has no bar.
            task = self._progress.add_task(name, total=total) if task is None else task
            self._progress.update(task, completed=done, total=total)

        return on_bytes
