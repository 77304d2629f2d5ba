"""`wattlas model calibrate` and `design-experiment`: a model for a new machine from a few runs of it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

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

if TYPE_CHECKING:
    import polars as pl

    from wattlas.hardware.machine import Machine
    from wattlas.model.experiment import Criterion

# Those of `model.experiment`, which takes long to import: the help does not.
CRITERIA = ("prediction", "d-optimal")
_from = click.option(
    "--from",
    "source",
    metavar="NAME",
    help="Machine of MODEL to start from.  [default: the same, or the only one of the same kind]",
)


@click.command(epilog="Example:  wattlas model calibrate butter-e --points few.csv -o mine.json")
@click.argument("model")
@click.option("--points", type=PATH, required=True, help="Some runs of the new machine: POINTS.")
@click.option("-o", "--output", type=PATH, required=True, help="Model to write, JSON.")
@click.option("--name", help="Name of the model.  [default: the output's]")
@_from
@machine_option
@domain_option
@allow_modelled_option
@allow_simulated_option
@force_option
def calibrate(
    model: str,
    points: Path,
    output: Path,
    name: str | None,
    source: str | None,
    machine_files: tuple[str, ...],
    domain: str | None,
    allow_modelled: bool,
    allow_simulated: bool,
    force: bool,
) -> None:
    """Move MODEL to the machine of some points: about 20, chosen by 'design-experiment'.

    The new model has MODEL's machines and the new one, whose coefficients start from those of a machine of
    MODEL and go where the points say.
    """
    made_file = Output(output, force)
    from wattlas.model.model_file import load_model, model_text
    from wattlas.model.transfer import calibrate as moved

    loaded = load_model(model)
    read, machines = read_input(points, machine_files, domain)
    loaded.set_params(machines=machines, allow=allowed_sources(allow_modelled, allow_simulated))
    made = moved(loaded, read, source)
    made.name = name or output.stem
    made_file.write(model_text(made).encode())
    for machine in read["machine"].unique().sort():
        fitted = made.machines_[machine]
        click.echo(
            f"{machine}: {fitted.data['n_points']} points, from {fitted.data['calibrated_from']}, error on "
            f"left-out points {fitted.held_out['mape']:.1%}"
        )


@click.command(
    "design-experiment",
    epilog="Example:  wattlas model design-experiment butter-e -n 20 --sweep sweep.toml -o runs.csv",
)
@click.argument("model")
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="Runs to choose."
)
@click.option("-o", "--output", type=PATH, required=True, help="CSV to write: the runs, best first.")
@click.option(
    "--criterion",
    type=click.Choice(CRITERIA),
    default="prediction",
    show_default=True,
    help="What to know best: the energies of all networks, or the coefficients of a law that is right.",
)
@click.option("--sweep", type=PATH, metavar="SPEC.toml", help="Choose among the networks of this sweep.")
@click.option(
    "--machine", metavar="NAME|FILE.toml", help="Machine that will run them.  [default: one like this one]"
)
@_from
@force_option
def design_experiment(
    model: str,
    count: int,
    output: Path,
    criterion: "Criterion",
    sweep: Path | None,
    machine: str | None,
    source: str | None,
    force: bool,
) -> None:
    """Choose the runs that tell most about a new machine, for 'calibrate'.

    Among the networks of SPEC, on the machine that it names or this one; or else of the paper's sweep.
    'wattlas sweep run SPEC --only RUNS.csv' runs them.
    """
    made_file = Output(output, force)
    import polars as pl

    from wattlas.hardware.catalogue import load_machine
    from wattlas.model.experiment import design_experiment as chosen_of
    from wattlas.model.grid import grid_points
    from wattlas.model.model_file import load_model
    from wattlas.model.transfer import choose_source
    from wattlas.probe.machine import probe_machine

    loaded = load_model(model)
    target: Machine | None = load_machine(machine) if machine else None
    if sweep is not None:
        candidates, there = _planned(sweep)
        target = target or there
    else:
        candidates = grid_points("")
    if target is not None:
        start = choose_source(loaded, target, source)
    elif source is None and len(loaded.machines_) == 1:
        start = next(iter(loaded.machines_))
    else:
        # Nobody said for which machine: one like this one, and the output says which that is.
        start = choose_source(loaded, probe_machine(), source)
    name = target.name if target else start
    candidates = candidates.with_columns(pl.lit(name).alias("machine"))
    runs = chosen_of(loaded.machines_[start], candidates, target, count, criterion)
    spaced = pl.col("widths").cast(pl.List(pl.String)).list.join(" ")
    made_file.write(runs.with_columns(spaced).write_csv().encode())
    click.echo(f"{output}: {count} of {candidates.height} networks for {name}, from {start}")


def _planned(spec: Path) -> "tuple[pl.DataFrame, Machine]":
    """The networks of a sweep as points without energies, and its machine."""
    import polars as pl

    from wattlas.campaign.prepare import prepare

    prepared = prepare(spec)
    batch = prepared.spec.training.batch_size
    rows = []
    for experiment in prepared.plan.experiments:
        task, network = prepared.facts[experiment.dataset], experiment.network
        rows.append(
            {
                "machine": prepared.machine.name,
                "dataset": experiment.dataset,
                "shape": network.shape,
                "depth": network.depth,
                "size": experiment.size,
                "n_parameters": network.n_parameters,
                "widths": list(network.widths),
                "n_inputs": task.n_inputs,
                "n_outputs": task.n_outputs,
                "n_observations": task.n_observations,
                "n_train_batches": task.n_train_batches(batch),
                "n_test_batches": task.n_test_batches(batch),
                "batch_size": batch,
            }
        )
    return pl.DataFrame(rows), prepared.machine
