"""`wattlas dataset import-butter-e`: the published files made into a dataset."""

import sys
from pathlib import Path

import click

_SHOWN = 5


@click.command(
    "import-butter-e", epilog="Example:  wattlas dataset import-butter-e downloads/butter-e out/butter-e"
)
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--upstream-compatible", is_flag=True, help="The published numbers, slips included.")
@click.option(
    "--reading",
    type=click.Choice(["auto", "instantaneous", "averaged"]),
    default="auto",
    show_default=True,
    help="What a power sample is of: its instant, or the minute before it; auto tells from the ends of runs.",
)
@click.option("--qc-max-run-time", type=float, help="Longest run, in seconds.  [default: 75000]")
@click.option("--qc-max-deviation", type=float, help="Of log run time from its group.  [default: 4]")
@click.option("--qc-min-group", type=int, help="Smaller groups flag no run time.  [default: 5]")
@click.option("--qc-idle-margin", type=float, help="Mean power below idle by this share.  [default: 0.1]")
@click.option("--qc-max-power", type=float, help="Highest mean power of a node, in watts.  [default: 1274]")
@click.option("--qc-max-gap", type=float, help="Longest time between samples, in seconds.  [default: 90]")
@click.option("--qc-max-gap-share", type=float, help="Of a run with an energy.  [default: 0.25]")
@click.option("--force", is_flag=True, help="Replace DEST if it is there.")
def command(
    source: Path,
    dest: Path,
    upstream_compatible: bool,
    reading: str,
    qc_max_run_time: float | None,
    qc_max_deviation: float | None,
    qc_min_group: int | None,
    qc_idle_margin: float | None,
    qc_max_power: float | None,
    qc_max_gap: float | None,
    qc_max_gap_share: float | None,
    force: bool,
) -> None:
    """Make a dataset in DEST from the published BUTTER-E files in SRC, zipped or not."""
    from wattlas.dataset.butter_e.importer import import_butter_e
    from wattlas.dataset.butter_e.joined import ImportOptions
    from wattlas.dataset.butter_e.quality import QcLimits

    given = {
        "max_run_time_s": qc_max_run_time,
        "max_deviation": qc_max_deviation,
        "min_group": qc_min_group,
        "idle_margin": qc_idle_margin,
        "max_power_w": qc_max_power,
        "max_gap_s": qc_max_gap,
        "max_gap_share": qc_max_gap_share,
    }
    limits = QcLimits(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    kind = None if reading == "auto" else reading
    options = ImportOptions(upstream_compatible, limits, kind)  # type: ignore[arg-type]
    shown = sys.stderr.isatty()

    def progress(step: str) -> None:
        if shown:
            click.echo(f"\r\x1b[K{step} …", nl=False, err=True)

    report = import_butter_e(source, dest, options, force, progress)
    if shown:
        click.echo("\r\x1b[K", nl=False, err=True)
    power = report["power"]
    for each in power["unreadable_files"][:_SHOWN]:
        click.echo(f"wattlas: {each['file']} is left out: {each['reason']}", err=True)
    for remark in power["first_malformed_rows"][:_SHOWN]:
        click.echo(f"wattlas: {remark} and is left out", err=True)
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in report["status"].items())
    click.echo(
        f"{dest}: {report['metadata']['runs']} runs ({counts}) of {report['experiments']} experiments, from "
        f"{power['samples']} samples in {power['files']} files, in {report['seconds']:.1f} s",
        err=True,
    )
