"""`wattlas compare`: which of two commands takes more energy, and by how much."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from wattlas.cli.child import PASSED_ON, Children, split_command

if TYPE_CHECKING:
    from wattlas.cli.compare_runs import CompareRuns, Outcome, Plan
    from wattlas.meters.base import Channel


@click.command(
    "compare",
    epilog="Example:  wattlas compare --meter modelled -n 3 'sleep 1' 'sleep 2'",
)
@click.argument("cmd_a", metavar="'CMD A'")
@click.argument("cmd_b", metavar="'CMD B'")
@click.option("-n", "blocks", default=10, show_default=True, type=click.IntRange(2), help="Runs of each.")
@click.option(
    "--warmup", default=1, show_default=True, type=click.IntRange(0), help="Runs before, not metered."
)
@click.option(
    "--repeat", default=1, show_default=True, type=click.IntRange(1), help="Starts of a command in one run."
)
@click.option(
    "--meter",
    "meters",
    multiple=True,
    metavar="NAME",
    help="Meter to read; may be repeated. Without it, every real one that can be read. "
    "'modelled' gives modelled energies, and only this does.",
)
@click.option(
    "--channel", metavar="ID", help="Channel to compare, as in rapl:core-0. Without it, the outermost."
)
@click.option(
    "--interval", "interval_s", type=float, default=0.1, show_default=True, help="Seconds between samples."
)
@click.option(
    "--baseline",
    "baseline_s",
    type=float,
    default=0.0,
    metavar="S",
    help="Measure idle for S seconds first, and take idle power × duration off.",
)
@click.option(
    "--shell", default="sh", show_default=True, help="Shell of the commands; 'none' splits and starts them."
)
@click.option("--show-output", is_flag=True, help="Let the output of the commands through, to stderr.")
@click.option("--ignore-failure", is_flag=True, help="Go on after an exit status that is not 0.")
@click.option("--seed", type=int, help="Of the random order; a new one each time without it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    cmd_a: str,
    cmd_b: str,
    blocks: int,
    warmup: int,
    repeat: int,
    meters: tuple[str, ...],
    channel: str | None,
    interval_s: float,
    baseline_s: float,
    shell: str,
    show_output: bool,
    ignore_failure: bool,
    seed: int | None,
    as_json: bool,
) -> int:
    """Run two commands by turns, in blocks of random order, and compare their energies.

    The ratio is B's mean energy over A's, with a 95 % interval. A scale error of the meter is common to both
    and cancels in it; the ± of the energies themselves has that error.
    """
    # Before numeric libraries start threads of their own, which would take these signals away from us.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
    try:
        import secrets

        from wattlas.cli.compare_runs import Plan
        from wattlas.core.errors import UsageError

        if not 0.001 <= interval_s <= 60:
            raise UsageError(f"--interval is {interval_s:g}; give 0.001 to 60 seconds")
        if baseline_s != 0 and not 0.1 <= baseline_s <= 3600:
            raise UsageError(f"--baseline is {baseline_s:g}; give 0.1 to 3600 seconds, or 0 for none")
        plan = Plan(
            commands=(split_command(cmd_a, shell), split_command(cmd_b, shell)),
            blocks=blocks,
            warmup=warmup,
            repeat=repeat,
            seed=secrets.randbelow(2**32) if seed is None else seed,
            ignore_failure=ignore_failure,
            baseline_s=baseline_s,
        )
        children = Children(before, show_output=show_output)
        document = _compare(plan, children, meters, interval_s, channel)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    document["a"]["command"], document["b"]["command"] = cmd_a, cmd_b
    if as_json:
        import json

        click.echo(json.dumps(document, allow_nan=False))
    else:
        from wattlas.cli.compare_table import show

        show(document)
    return 0 if children.stopped_by is None else 128 + children.stopped_by


def _compare(
    plan: Plan, children: Children, meters: tuple[str, ...], interval_s: float, channel: str | None
) -> dict[str, Any]:
    from wattlas.cli.compare_runs import ChannelMetering, CompareRuns
    from wattlas.core.clock import SystemClock
    from wattlas.meters.session import open_chosen

    clock = SystemClock()
    metering = ChannelMetering(open_chosen(meters, clock), interval_s, clock, channel)
    metering.start()
    runs = CompareRuns(plan, metering, interval_s, children, clock)
    try:
        outcome = runs.run(_tell)
    finally:
        _tell("")
        metering.stop()
    measured = {"source": metering.source, "channel": metering.channel_id, "domain": metering.domain}
    return _document(plan, runs, outcome, metering.primary) | measured


def _document(
    plan: Plan, runs: CompareRuns, outcome: Outcome, channels: tuple[Channel, ...]
) -> dict[str, Any]:
    from dataclasses import asdict

    from wattlas.core.errors import WattlasError
    from wattlas.power.comparison import compare

    n = len(outcome.net["a"])
    if n < 2:
        assert outcome.stopped_by is not None  # nothing else ends it early but an error
        error = WattlasError(
            f"stopped by {outcome.stopped_by.name} after {n} of {plan.blocks} blocks; "
            "a comparison takes two: run it again"
        )
        error.exit_status = 128 + outcome.stopped_by
        raise error
    # Idle power that was measured by the same meter takes the meter's constant error off with it.
    offset_w = sum(c.instrument.accuracy_offset_w for c in channels) / 3**0.5
    u_power_w = offset_w if outcome.idle is None else outcome.idle.u_power_w
    told = compare(outcome.net["a"], outcome.net["b"], u_power_w)
    return {
        "ratio": told.ratio,
        "ratio_of": "b/a",
        "lower": told.lower,
        "upper": told.upper,
        "differs": told.differs,
        "runs": told.n_blocks,
        "runs_planned": plan.blocks,
        "more_runs_needed": told.more_blocks_needed,
        "a": _side("a", runs, outcome),
        "b": _side("b", runs, outcome),
        "order": plan.order()[:n],
        "seed": plan.seed,
        "repeat": plan.repeat,
        "baseline": None if outcome.idle is None else asdict(outcome.idle),
        "stopped_by": None if outcome.stopped_by is None else outcome.stopped_by.name,
    }


def _side(name: str, runs: CompareRuns, outcome: Outcome) -> dict[str, Any]:
    from wattlas.power.comparison import mean_energy, unusual_runs

    gross, net = outcome.gross[name], outcome.net[name]
    mean = mean_energy(net)
    needed = runs.repeat_needed(gross)
    flags = [*dict.fromkeys(flag for energy in net for flag in energy.flags)]
    return {
        "mean_energy_j": mean.energy_j,
        "u": mean.u_energy_j,
        "sd_energy_j": mean.sd_energy_j,
        "mean_power_w": mean.power_w,
        "mean_duration_s": mean.duration_s,
        "energy_j": [energy.energy_j for energy in net],
        "duration_s": [energy.duration_s for energy in net],
        "unusual_runs": list(unusual_runs(net)),
        "failures": outcome.failures[name],
        "flags": flags if needed is None else [*flags, "too_short"],
        "repeat_needed": needed,
    }


def _tell(text: str) -> None:
    """One line of progress, written over, to a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)
