"""`wattlas sweep`: plan a sweep of trainings, run and resume it, see where it is."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wattlas.campaign.executor import Progress
    from wattlas.campaign.prepare import Prepared

_SPEC = click.argument("spec", type=click.Path(path_type=Path))
_ONLY = click.option(
    "--only",
    type=click.Path(path_type=Path),
    metavar="RUNS.csv",
    help="Only the networks of this table: dataset, shape, widths.",
)
_LEFT_OUT_SHOWN = 10
_PLAIN_LINE_S = 30.0


@click.group(
    epilog="Example:  wattlas sweep run examples/quickstart.toml --store out/store",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Plan and run a sweep of trainings; resume it; see where it is."""


@command.command(epilog="Example:  wattlas sweep plan examples/quickstart.toml")
@_SPEC
@click.option("--store", type=click.Path(path_type=Path), help="Forecast from the runs of this store.")
@click.option("--engine", help="Engine to train with, instead of the spec's.")
@_ONLY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plan(spec: Path, store: Path | None, engine: str | None, only: Path | None, as_json: bool) -> None:
    """How many runs a spec asks for, what they would take, and what is left out and why."""
    from wattlas.campaign.prepare import prepare
    from wattlas.dataset.store import RunStore

    prepared = prepare(spec, engine, table=only)
    opened = RunStore(store) if store is not None else None
    done = opened.done_run_ids() if opened is not None else set()
    document = _plan_document(prepared, opened, done)
    if as_json:
        click.echo(json.dumps(document))
        return
    _show_plan(document)


def _plan_document(prepared: "Prepared", store: Any, done: set[str]) -> dict[str, Any]:
    planned = prepared.plan
    pending = tuple(run for run in planned.runs if run.run_id not in done)
    forecast = prepared.estimator(store).estimate(pending)
    return {
        "campaign": prepared.spec.campaign.name,
        "machine": planned.machine,
        "n_runs": len(planned.runs),
        "n_experiments": len(planned.experiments),
        "n_pending": len(pending),
        "n_left_out": len(planned.left_out),
        "left_out": [
            {"dataset": x.dataset, "shape": x.shape, "depth": x.depth, "size": x.size, "reason": x.reason}
            for x in planned.left_out
        ],
        "n_merged": planned.merged,
        "estimated_duration_s": forecast.duration_s,
        "estimated_energy_j": forecast.energy_j,
        "source": forecast.source,
        "estimate_basis": forecast.basis,
    }


def _show_plan(document: dict[str, Any]) -> None:
    from wattlas.core.units import format_duration, format_energy

    click.echo(
        f"{document['campaign']} on {document['machine']}: {document['n_runs']} runs of "
        f"{document['n_experiments']} experiments, {document['n_pending']} still to do"
    )
    click.echo(
        f"estimated: {format_duration(document['estimated_duration_s'])}, "
        f"{format_energy(document['estimated_energy_j'], 2)} (modelled; {document['estimate_basis']})"
    )
    if document["n_merged"]:
        click.echo(f"merged: {document['n_merged']} combinations give a network that another one gives")
    if document["left_out"]:
        click.echo(f"left out: {document['n_left_out']} combinations")
    for x in document["left_out"][:_LEFT_OUT_SHOWN]:
        click.echo(f"  {x['dataset']} {x['shape']} depth {x['depth']} size {x['size']}: {x['reason']}")
    if document["n_left_out"] > _LEFT_OUT_SHOWN:
        click.echo(f"  and {document['n_left_out'] - _LEFT_OUT_SHOWN} more: see --json")


@command.command(epilog="Example:  wattlas sweep run examples/quickstart.toml --store out/store")
@_SPEC
@click.option(
    "--store", required=True, type=click.Path(path_type=Path), help="Directory that holds the runs."
)
@click.option(
    "--meter", "meters", multiple=True, help="Meter to read, instead of the spec's; may be repeated."
)
@click.option("--engine", help="Engine to train with, instead of the spec's.")
@_ONLY
@click.option("--cluster", default="local", show_default=True, help="Where to run: local.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at a time.")
@click.option("--wait", is_flag=True, help="Wait for another campaign on this node or store to end.")
def run(
    spec: Path,
    store: Path,
    meters: tuple[str, ...],
    engine: str | None,
    only: Path | None,
    cluster: str,
    workers: int,
    wait: bool,
) -> None:
    """Train what the spec asks for and the store does not have yet, one metered run at a time.

    Stopped at any point and started again, it goes on where it was.
    """
    from wattlas.campaign.executor import Campaign
    from wattlas.campaign.lock import node_lock, store_lock
    from wattlas.campaign.metering import choose_meters
    from wattlas.campaign.prepare import check_data, prepare
    from wattlas.core.clock import SystemClock
    from wattlas.core.errors import UsageError
    from wattlas.dataset.store import RunStore

    if cluster != "local":
        raise UsageError(f"--cluster {cluster} is not there yet; use --cluster local")
    if workers != 1:
        raise UsageError(f"--workers {workers}: a node has one metered run at a time; use --workers 1")
    prepared = prepare(spec, engine, meters, only)
    check_data(prepared.spec)
    chosen = choose_meters(prepared.spec.meter)
    click.echo(f"{prepared.spec.campaign.name}: {chosen.sentence}", err=True)
    run_store = RunStore(store, create=True)
    with _stopped_by_sigterm(), store_lock(store, wait), node_lock(f"store {store.absolute()}", wait):
        run_store.clear_temporary()
        run_store.commit_campaign(
            prepared.spec_hash, prepared.text, {"run_id": [planned.run_id for planned in prepared.plan.runs]}
        )
        _tell_of_other_sources(run_store, chosen.source)
        with _Display(prepared, run_store) as display:
            campaign = Campaign(
                spec=prepared.spec,
                plan=prepared.plan,
                facts=prepared.facts,
                store=run_store,
                machine=prepared.machine,
                chosen=chosen,
                clock=SystemClock(),
                on_progress=display.update,
            )
            outcome = campaign.run()
    _summary(run_store, outcome)


def _tell_of_other_sources(store: Any, source: str) -> None:
    from wattlas.campaign.status import read_status

    others = sorted(set(read_status(store).energy_by_source_j) - {source})
    if others:
        click.echo(
            f"this store has runs that are {' and '.join(others)}; they stay, and new ones are {source}: "
            "give another --store to run them anew",
            err=True,
        )


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does, so that the worker is ended and the locks are freed."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _summary(store: Any, outcome: "Progress") -> None:
    from wattlas.campaign.status import read_status

    status = read_status(store)
    failed = f", {status.failed} failed ({status.set_aside} set aside)" if status.failed else ""
    diverged = f", {status.diverged} of them diverged" if status.diverged else ""
    click.echo(
        f"{status.campaign}: {outcome.n_settled} runs now, {status.done} of {status.planned} "
        f"done{diverged}{failed}; "
        f"{_energy_words(status.energy_by_source_j)}",
        err=True,
    )


def _energy_words(by_source: dict[str, float]) -> str:
    from wattlas.core.units import format_energy

    return (
        ", ".join(f"{format_energy(energy_j)} {source}" for source, energy_j in by_source.items())
        or "no energy yet"
    )


class _Display:
    """Runs done, energy so far and time left: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, prepared: "Prepared", store: Any) -> None:
        import time

        from wattlas.campaign.status import read_status

        status = read_status(store)
        done = store.done_run_ids()
        self._n_planned, self._n_before = status.planned, status.done
        self._energy_before_j = dict(status.energy_by_source_j)
        estimator = prepared.estimator(store)
        self._left_s = [
            estimator.run_s(planned) for planned in prepared.plan.runs if planned.run_id not in done
        ]
        self._now = time.monotonic
        self._start_s = self._last_line_s = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "_Display":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[words]}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=False)
            self._task = self._bar.add_task(
                "", total=self._n_planned, completed=self._n_before, words="starting"
            )
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, progress: "Progress") -> None:
        """Show where the campaign is after a run."""
        from wattlas.core.units import format_duration

        taken = progress.n_settled + progress.n_failed
        energy = dict(self._energy_before_j)
        if progress.source:
            energy[progress.source] = energy.get(progress.source, 0.0) + progress.energy_j
        # What is left, by the forecast, corrected by how the forecast did so far.
        forecast_s = sum(self._left_s[:taken])
        pace = (self._now() - self._start_s) / forecast_s if forecast_s > 0 else 1.0
        left = format_duration(pace * sum(self._left_s[taken:]))
        failed = f" · {progress.n_failed} failed" if progress.n_failed else ""
        words = f"{_energy_words(energy)} · {left} left{failed}"
        done = self._n_before + progress.n_settled
        if self._bar is not None:
            self._bar.update(self._task, completed=done, words=f"{words} · {progress.last}")
        elif self._now() - self._last_line_s >= _PLAIN_LINE_S or progress.n_pending == 0:
            self._last_line_s = self._now()
            click.echo(f"{done}/{self._n_planned} runs · {words}", err=True)


@command.command(epilog="Example:  wattlas sweep status out/store --json")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(store: Path, as_json: bool) -> None:
    """How many runs are done, running, failed and pending, and the energy they took."""
    from wattlas.campaign.status import read_status
    from wattlas.dataset.store import RunStore

    found = read_status(RunStore(store))
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return
    diverged = f" ({found.diverged} diverged)" if found.diverged else ""
    aside = f" ({found.set_aside} set aside)" if found.set_aside else ""
    click.echo(
        f"{found.campaign}: {found.planned} planned, {found.done} done{diverged}, {found.running} running, "
        f"{found.pending} pending, {found.failed} failed{aside}; {_energy_words(found.energy_by_source_j)}"
    )


@command.command("import-spec", epilog="Example:  wattlas sweep import-spec butter-e -o butter-e.toml")
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; without it, stdout.")
@click.option("--force", is_flag=True, help="Overwrite the output.")
def import_spec(name: str, output: Path | None, force: bool) -> None:
    """Give a published sweep as a spec: butter-e."""
    from wattlas.campaign.spec import published_spec
    from wattlas.cli.output import Output

    made, text = Output(output, force), published_spec(name)
    if output is None:
        click.echo(text, nl=False)
    made.write(text.encode())
