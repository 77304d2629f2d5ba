"""`wattlas model`: fit, ask and evaluate energy models."""

import json
from pathlib import Path

import click

from wattlas.cli.model_calibrate import calibrate, design_experiment
from wattlas.cli.model_input import (
    PATH,
    allow_modelled_option,
    allow_simulated_option,
    allowed_sources,
    domain_option,
    force_option,
    machine_option,
    read_input,
)
from wattlas.cli.output import Output


@click.group(epilog="Example:  wattlas model predict model.json points.csv -o predicted.csv")
def command() -> None:
    """Fit an energy model to measured networks, and ask it about others.

    POINTS is a CSV with the columns machine, widths, n_inputs, n_train_batches, n_test_batches, batch_size
    and energy_per_datum_j (and dataset, shape, depth to group by), or a dataset directory. MODEL is a file
    that 'fit' wrote, or the name of a model that comes with Wattlas.
    """


@command.command(epilog="Example:  wattlas model fit points.csv -o model.json")
@click.argument("points", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Model to write, JSON.")
@click.option("--name", help="Name of the model.  [default: the output's]")
@machine_option
@domain_option
@allow_modelled_option
@allow_simulated_option
@force_option
def fit(
    points: Path,
    output: Path,
    name: str | None,
    machine_files: tuple[str, ...],
    domain: str | None,
    allow_modelled: bool,
    allow_simulated: bool,
    force: bool,
) -> None:
    """Fit an energy model to POINTS: one readable law for each machine in them."""
    made_file = Output(output, force)
    from wattlas.model.energy_model import EnergyModel
    from wattlas.model.model_file import model_text

    read, machines = read_input(points, machine_files, domain)
    model = EnergyModel(
        name=name or output.stem, machines=machines, allow=allowed_sources(allow_modelled, allow_simulated)
    ).fit(read)
    made_file.write(model_text(model).encode())
    for machine, fitted in model.machines_.items():
        click.echo(
            f"{machine}: {fitted.data['n_points']} {' and '.join(fitted.data['sources'])} points, held-out "
            f"error {fitted.held_out['mape']:.1%} (median {fitted.held_out['median_ape']:.1%})"
        )


@command.command(epilog="Example:  wattlas model predict model.json points.csv -o predicted.csv")
@click.argument("model")
@click.argument("points", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, help="CSV to write: the points and their predictions."
)
@click.option(
    "--parts", is_flag=True, help="Add what each energy is made of: idle, launch, compute, each memory level."
)
@click.option("--costs", is_flag=True, help="Add what each energy is made of: a column a coefficient.")
@force_option
def predict(model: str, points: Path, output: Path, parts: bool, costs: bool, force: bool) -> None:
    """Predict the energy per datum of POINTS, with 95 % intervals; say which are extrapolated."""
    made_file = Output(output, force)
    import polars as pl

    from wattlas.model.model_file import load_model

    loaded = load_model(model)
    read, _ = read_input(points)
    p = loaded.predict_interval(read)
    frame = read.with_columns(
        pl.Series("predicted_energy_per_datum_j", p.energy_j),
        pl.Series("lower_j", p.lower_j),
        pl.Series("upper_j", p.upper_j),
        pl.Series("extrapolated", p.extrapolated),
        pl.Series("predicted_seconds_per_datum", p.seconds, nan_to_null=True),
        pl.lit("modelled").alias("predicted_source"),
        pl.col("widths").cast(pl.List(pl.String)).list.join(" "),
    )
    for wanted, prefix, split in ((parts, "part", loaded.attribute), (costs, "cost", loaded.costs)):
        if wanted:
            made = split(read)
            frame = frame.hstack(made.rename({n: f"{prefix}_{n}" for n in made.columns}))
    made_file.write(frame.write_csv().encode())


@command.command(epilog="Example:  wattlas model evaluate points.csv --group-by dataset --json")
@click.argument("points", type=PATH)
@click.option(
    "--group-by",
    required=True,
    help="Column whose groups are left out in turn: dataset, shape, depth, machine, …",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@machine_option
@domain_option
@allow_modelled_option
@allow_simulated_option
def evaluate(
    points: Path,
    group_by: str,
    as_json: bool,
    machine_files: tuple[str, ...],
    domain: str | None,
    allow_modelled: bool,
    allow_simulated: bool,
) -> None:
    """Errors on held-out groups of POINTS, beside simple baselines fitted on the same rows."""
    from wattlas.model.evaluate import evaluate as errors_of

    read, machines = read_input(points, machine_files, domain)
    result = errors_of(read, group_by, machines, allowed_sources(allow_modelled, allow_simulated))
    if as_json:
        click.echo(json.dumps(result))
        return
    from wattlas.cli.model_tables import show_errors

    show_errors(result, group_by)


command.add_command(calibrate)
command.add_command(design_experiment)
