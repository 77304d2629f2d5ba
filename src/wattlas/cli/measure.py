"""`wattlas measure`: run a command and report the energy it took."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

# Signals that are for the command. Blocked here, so that none can get lost between start and end.
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# What si_code says of a signal that a process sent, and not the terminal to everyone (siginfo(7)).
_SENT_BY_A_PROCESS = (0, -1, -6)


@click.command(
    epilog="Example:  wattlas measure -o energy.json -- python train.py",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    },
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
    "--interval", "interval_s", type=float, default=0.1, show_default=True, help="Seconds between samples."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result as JSON."
)
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    meters: tuple[str, ...], interval_s: float, output: Path | None, force: bool, cmd: tuple[str, ...]
) -> int:
    """Run CMD, its streams untouched, and report its energy; the exit status is CMD's."""
    # Before numeric libraries start threads of their own, which would take these signals away from us.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD})
    try:
        return _measure(meters, interval_s, output, force, cmd, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _measure(
    meters: Sequence[str],
    interval_s: float,
    output: Path | None,
    force: bool,
    cmd: Sequence[str],
    mask: set[int],
) -> int:
    from dataclasses import asdict

    from wattlas.cli.output import Output
    from wattlas.core.clock import SystemClock, UtcAnchor
    from wattlas.core.errors import UsageError
    from wattlas.meters.sampler import Sampler
    from wattlas.meters.session import channel_energies, longest_lag_s, open_chosen

    if not 0.001 <= interval_s <= 60:
        raise UsageError(f"--interval is {interval_s:g}; give 0.001 to 60 seconds")
    written = Output(output, force)
    clock = SystemClock()
    opened = open_chosen(meters, clock)
    sampler = Sampler(opened, interval_s, clock)
    sampler.start()
    anchor = UtcAnchor.of(clock)
    start_s = clock.monotonic_s()
    exit_status = _run(cmd, mask)
    end_s = clock.monotonic_s()
    channels = [channel for meter in opened for channel in meter.channels()]
    clock.sleep(longest_lag_s(channels))
    sampler.sample_now()
    sampler.stop()
    energies, missing = channel_energies(channels, sampler.samples(start_s, end_s), start_s, end_s)
    document = {
        "start_utc": anchor.to_datetime(start_s).isoformat().replace("+00:00", "Z"),
        "duration_s": end_s - start_s,
        "exit_status": exit_status,
        "channels": [_channel(channel, energies.get(channel.id)) for channel in channels],
        "missing": missing,
        "sampler": [asdict(report) for report in sampler.reports()],
    }
    for meter in opened:
        meter.close()
    written.write(f"{json.dumps(document)}\n".encode())
    _summary(document)
    return exit_status


def _run(cmd: Sequence[str], mask: set[int]) -> int:
    """Start the command and wait for its end, passing on signals that a process sent to this one."""
    from wattlas.core.errors import WattlasError

    try:
        child = os.posix_spawnp(cmd[0], list(cmd), os.environ, setsigmask=mask)
    except OSError as error:
        raise WattlasError(f"cannot run {cmd[0]!r}: {error.strerror}; give a command after --") from error
    while True:
        # Looked for once a second too, should another thread of this process have taken the signal.
        info = signal.sigtimedwait({*_PASSED_ON, signal.SIGCHLD}, 1.0)
        # What the terminal sends (Ctrl-C) has reached the command already.
        if info and info.si_signo in _PASSED_ON and info.si_code in _SENT_BY_A_PROCESS:
            os.kill(child, info.si_signo)
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _channel(channel: Any, energy: Any) -> dict[str, Any]:
    known = energy is not None
    return {
        "id": channel.id,
        "domain": channel.domain,
        "kind": channel.instrument.kind,
        "energy_j": energy.energy_j if known else None,
        "u_energy_j": energy.u_energy_j if known else None,
        "mean_power_w": energy.mean_power_w if known and energy.duration_s > 0 else None,
        "source": channel.source,
        "flags": list(energy.flags) if known else ["no_samples"],
        "contained_in": channel.contained_in,
        "u_terms_j": dict(energy.terms) if known else {},
        "provenance": channel.instrument.accuracy_source,
        "characterised": _characterised(channel.instrument),
    }


def _characterised(instrument: Any) -> dict[str, Any] | None:
    """What `meter characterise` found and this energy made use of, if it did."""
    if not instrument.characterised_utc:
        return None
    names = ("characterised_utc", "update_period_s", "delay_s", "u_delay_s", "window_s", "duty_cycle")
    return {name: getattr(instrument, name) for name in names}


def _summary(document: dict[str, Any]) -> None:
    from wattlas.core.units import format_duration, format_energy_u, format_si

    took = format_duration(document["duration_s"])
    click.echo(f"wattlas: {took}, exit status {document['exit_status']}", err=True)
    for channel in document["channels"]:
        if channel["energy_j"] is None:
            said = document["missing"][channel["id"]]
        else:
            said = format_energy_u(channel["energy_j"], channel["u_energy_j"])
            if channel["mean_power_w"] is not None:
                said += f", mean {format_si(channel['mean_power_w'], 'W', 3)}"
        source = channel["source"].upper() if channel["source"] != "measured" else "measured"
        inside = f", part of {channel['contained_in']}" if channel["contained_in"] else ""
        flags = f" [{', '.join(channel['flags'])}]" if channel["flags"] else ""
        click.echo(f"  {channel['id']} ({source}{inside}): {said}{flags}", err=True)
