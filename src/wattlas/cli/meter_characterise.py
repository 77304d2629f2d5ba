"""`wattlas meter characterise`: how a meter follows a load, found by experiment and kept for this device."""

import json
import sys
from pathlib import Path
from typing import Any

import click

# As `--json` prints them, each with its standard uncertainty `u_`; and how they are shown.
_SHOWN = {
    "update_period_s": ("update period", "s"),
    "resolution_w": ("resolution", "W"),
    "delay_s": ("delay", "s"),
    "window_s": ("averaging window", "s"),
    "duty_cycle": ("duty cycle", ""),
    "idle_w": ("idle", "W"),
    "loaded_w": ("loaded", "W"),
}


@click.command(
    "characterise",
    epilog="Example:  wattlas meter characterise rapl --duration 60",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("name")
@click.option("--channel", metavar="ID", help="Only this channel. By default all; the outermost comes first.")
@click.option(
    "--duration", "duration_s", type=float, default=60.0, show_default=True, help="Seconds that it takes."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result as JSON."
)
@click.option("--force", is_flag=True, help="Overwrite the output.")
def command(
    name: str, channel: str | None, duration_s: float, as_json: bool, output: Path | None, force: bool
) -> None:
    """Find update period, resolution, delay and averaging window of a meter.

    All CPUs that this process may use are busy and idle by turns while it is read: let nothing else run. What
    is found is kept for this machine, meter and channel, and energies measured from then on make use of it.
    """
    from wattlas.cli.output import Output
    from wattlas.core.clock import SystemClock, UtcAnchor
    from wattlas.core.errors import SeriesError
    from wattlas.meters.characterised import Device, save
    from wattlas.meters.cpu_load import CpuLoad
    from wattlas.meters.registry import open_meter
    from wattlas.meters.trial import run_trial
    from wattlas.power.characterise import characterise

    written = Output(output, force)
    clock, load = SystemClock(), CpuLoad()
    meter = open_meter(name, clock)
    try:
        channels = _chosen(meter.channels(), channel)
        if sys.stderr.isatty():
            click.echo(f"{duration_s:g} s with a load on and off on {load.n_cpus} CPUs", err=True)
        trial = run_trial(meter, clock, load, duration_s)
    finally:
        meter.close()
    now_s = clock.monotonic_s()
    utc = UtcAnchor.of(clock).to_datetime(now_s).isoformat(timespec="seconds").replace("+00:00", "Z")
    found, missing = [], {}
    for one in channels:
        try:
            if one.id not in trial.traces:
                raise SeriesError(f"channel {one.id} gave no readings; see 'wattlas meter check {name}'")
            result = characterise(
                trial.edge_s, trial.traces[one.id], trial.bursts.get(one.id), trial.u_edge_s
            )
        except SeriesError as error:
            missing[one.id] = str(error)
            continue
        kept = save(Device.of(name, one), result, utc)
        found.append(
            {"channel": one.id, "kind": one.instrument.kind, "source": one.source}
            | result.__dict__
            | {"kept_in": str(kept)}
        )
    if not found:
        raise SeriesError(next(iter(missing.values())))
    document = found[0] | {
        "characterised_utc": utc,
        "duration_s": duration_s,
        "load": {"device": "cpu", "n_cpus": load.n_cpus, "n_edges": len(trial.edge_s)},
        "channels": found,
        "missing": missing,
    }
    text = json.dumps(document)
    written.write(f"{text}\n".encode())
    if as_json:
        click.echo(text)
    else:
        _show(found, missing)


def _chosen(channels: Any, wanted: str | None) -> Any:
    """The channels to characterise, outermost first."""
    from wattlas.core.errors import UnknownNameError

    if wanted is None:
        return sorted(channels, key=lambda c: c.contained_in is not None)
    chosen = [c for c in channels if c.id == wanted]
    if not chosen:
        raise UnknownNameError("channel", wanted, [c.id for c in channels])
    return chosen


def _show(found: list[dict[str, Any]], missing: dict[str, str]) -> None:
    for row in found:
        source = "" if row["source"] == "measured" else f", {row['source'].upper()}"
        click.echo(f"{row['channel']} ({row['kind']}{source})")
        for name, (label, unit) in _SHOWN.items():
            click.echo(f"  {label:17} {row[name]:.4g} ± {2 * row[f'u_{name}']:.2g} {unit}".rstrip())
        click.echo(f"  kept in {row['kept_in']}")
    for reason in missing.values():
        click.echo(f"not characterised: {reason}")
