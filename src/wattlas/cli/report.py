"""`wattlas report`: one HTML file with every figure of a dataset."""

from importlib.util import find_spec
from pathlib import Path

import click

SUFFIXES = ("svg", "png", "csv")


@click.command("report", epilog="Example:  wattlas report out/quickstart/dataset -o report.html")
@click.argument("directory", metavar="DATASET", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--model", type=click.Path(path_type=Path), help="Energy model to compare with the dataset.")
@click.option(
    "--published", type=click.Path(path_type=Path), help="Directory of published curves to draw beside ours."
)
@click.option("--figure", metavar="NAME", help="Only this figure: a .svg, .png or .csv file.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(
    directory: Path,
    output: Path,
    model: Path | None,
    published: Path | None,
    figure: str | None,
    force: bool,
) -> None:
    """Write DATASET as one self-contained HTML page that works offline.

    With --figure, write one figure or its data; the ending of the file says which.

    \b
    Figures: energy-per-datum, working-set, loss-energy, model-error,
    attribution, drift, uncertainty, paper-energy-per-epoch,
    paper-energy-by-size, paper-energy-by-flops, paper-energy-by-depth,
    paper-working-sets, paper-iso-loss, paper-iso-loss-aggregate,
    paper-minima, paper-model-error, paper-trend, paper-qc-run-time,
    paper-qc-deviation, paper-qc-energy.
    """
    from wattlas.cli.output import Output
    from wattlas.core.errors import UsageError

    written = Output(output, force)
    kind = output.suffix.lstrip(".").lower()
    if figure is not None and kind not in SUFFIXES:
        raise UsageError(f"a figure cannot be written as {output.name}; end it in .svg, .png or .csv")
    for library in ("altair", "vl_convert"):
        if find_spec(library) is None:
            raise UsageError(f"{library} is not installed; pip install 'wattlas[report]'")
    from wattlas.report import load_figure, load_report_data

    chosen = load_figure(figure) if figure is not None else None
    data = load_report_data(directory, model, published)
    if chosen is None:
        from wattlas.report.page import render

        content = render(data).encode()
    else:
        from wattlas.core.errors import DataError
        from wattlas.report.drawing import export

        table = chosen.compute(data)
        if table.is_empty():
            raise DataError(f"nothing to draw for {figure}: {chosen.missing}")
        content = export(chosen, table, data, kind)
    written.write(content)
