"""`wattlas model`: fit, ask and evaluate energy models."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import polars as pl

    from wattlas.hardware.machine import Machine

_PATH = click.Path(path_type=Path)
_machine = click.option(
    "--machine",
    "machine_files",
    multiple=True,
    metavar="FILE.toml",
    help="Describe a machine that the points name and the catalogue lacks; may be repeated.",
)
_force = click.option("--force", is_flag=True, help="Overwrite the output.")
_allow_modelled = click.option(
    "--allow-modelled", is_flag=True, help="Also use energies that were modelled, not measured."
)
_allow_simulated = click.option("--allow-simulated", is_flag=True, help="Also use simulated energies.")

_domain = click.option(
    "--domain", metavar="NAME", help="Use the energies that bound this: node, package-0, …"
)


@click.group(epilog="Example:  wattlas model predict model.json points.csv -o predicted.csv")
def command() -> None:
    """Fit an energy model to measured networks, and ask it about others.

    POINTS is a CSV with the columns machine, widths, n_inputs, n_train_batches, n_test_batches, batch_size
    and energy_per_datum_j (and dataset, shape, depth to group by), or a dataset directory. MODEL is a file
    that 'fit' wrote, or the name of a model that comes with Wattlas.
    """


@command.command(epilog="Example:  wattlas model fit points.csv -o model.json")
@click.argument("points", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, help="Model to write, JSON.")
@click.option("--name", help="Name of the model.  [default: the output's]")
@_machine
@_domain
@_allow_modelled
@_allow_simulated
@_force
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
    _refuse(output, force)
    from wattlas.model.energy_model import EnergyModel

    read, machines = _read(points, machine_files, domain)
    model = EnergyModel(
        name=name or output.stem, machines=machines, allow=_allowed(allow_modelled, allow_simulated)
    ).fit(read)
    model.save(output, force)
    for machine, fitted in model.machines_.items():
        click.echo(
            f"{machine}: {fitted.data['n_points']} {' and '.join(fitted.data['sources'])} points, held-out "
            f"error {fitted.held_out['mape']:.1%}"
        )


@command.command(epilog="Example:  wattlas model predict model.json points.csv -o predicted.csv")
@click.argument("model")
@click.argument("points", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, required=True, help="CSV to write: the points and their predictions."
)
@click.option("--parts", is_flag=True, help="Add what each energy is made of: a column a coefficient.")
@_force
def predict(model: str, points: Path, output: Path, parts: bool, force: bool) -> None:
    """Predict the energy per datum of POINTS, with 95 % intervals; say which are extrapolated."""
    _refuse(output, force)
    import polars as pl

    from wattlas.model.model_file import load_model

    loaded = load_model(model)
    read, _ = _read(points)
    p = loaded.predict_interval(read)
    frame = read.with_columns(
        pl.Series("predicted_energy_per_datum_j", p.energy_j),
        pl.Series("lower_j", p.lower_j),
        pl.Series("upper_j", p.upper_j),
        pl.Series("extrapolated", p.extrapolated),
        pl.lit("modelled").alias("predicted_source"),
        pl.col("widths").cast(pl.List(pl.String)).list.join(" "),
    )
    if parts:
        split = loaded.attribute(read)
        frame = frame.hstack(split.rename({n: f"part_{n}" for n in split.columns}))
    frame.write_csv(output)


@command.command(epilog="Example:  wattlas model evaluate points.csv --group-by dataset --json")
@click.argument("points", type=_PATH)
@click.option(
    "--group-by",
    required=True,
    help="Column whose groups are left out in turn: dataset, shape, depth, machine, …",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@_machine
@_domain
@_allow_modelled
@_allow_simulated
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

    read, machines = _read(points, machine_files, domain)
    result = errors_of(read, group_by, machines, _allowed(allow_modelled, allow_simulated))
    if as_json:
        click.echo(json.dumps(result))
        return
    from wattlas.cli.model_tables import show_errors

    show_errors(result, group_by)


def _read(
    path: Path, machine_files: tuple[str, ...] = (), domain: str | None = None
) -> "tuple[pl.DataFrame, dict[str, Machine]]":
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


def _allowed(modelled: bool, simulated: bool) -> tuple[str, ...]:
    return ("modelled",) * modelled + ("simulated",) * simulated


def _refuse(output: Path, force: bool) -> None:
    """Say so before a long fit, not after it."""
    from wattlas.core.errors import UsageError

    if output.exists() and not force:
        raise UsageError(f"{output} exists; choose another path, or overwrite it with --force")
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent} is no directory; make it, or choose another path for the output")
