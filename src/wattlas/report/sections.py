"""The words and tables between the figures, from the data."""

import json
from html import escape

import polars as pl

from wattlas.core.units import format_bytes, format_duration, format_energy, format_si
from wattlas.hardware.machine import Machine
from wattlas.report.data import WITHIN_PERCENT, ReportData
from wattlas.report.markup import badge, labelled, table

MAX_ROWS = 20


def tiles(data: ReportData) -> str:
    """The dataset in a handful of numbers; energies of unlike kinds are not summed."""
    experiments = data.tables.experiments
    done = data.tables.runs.filter(pl.col("status") == "done")
    facts = [
        ("Runs", f"{done.height:,}"),
        ("Experiments", f"{experiments.height:,}"),
        ("Datasets", f"{experiments['dataset'].n_unique():,}"),
        ("Machines", f"{experiments['machine'].n_unique():,}"),
        ("Training time", format_duration(float(done["duration_s"].sum() or 0.0))),
    ]
    body = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    sums = done.drop_nulls("energy_j").group_by("source", "domain").agg(pl.col("energy_j").sum())
    for source, domain, energy_j in sums.sort("source", "domain").rows():
        label = labelled(f"Training energy, {domain or 'domain not stated'}", source)
        body += f"<div><dt>{label}</dt><dd>{escape(format_energy(energy_j))}</dd></div>"
    return f'<dl class="tiles">{body}</dl>'


def notice(data: ReportData) -> str:
    """A warning at the top where not every energy was measured."""
    other = [s for s in data.sources if s != "measured"]
    if not other:
        return ""
    meant = {
        "modelled": "computed from the machine's idle and peak power and its use, not read from a meter",
        "simulated": "made up by a simulation",
    }
    why = "; ".join(f"{s}: {meant[s]}" for s in other if s in meant)
    what = " and ".join(other)
    whole = "All" if len(data.sources) == len(other) else "Some"
    return (
        f'<p class="notice" role="note"><strong>{whole} energies here are {escape(what)}</strong> '
        f"({escape(why)}). Read them as estimates; they carry the label everywhere.</p>"
    )


def measured(data: ReportData) -> str:
    """Machines, meters found and not found, channels."""
    return _machines(data) + _meters(data) + _channels(data)


def _machines(data: ReportData) -> str:
    rows = []
    for name, machine in data.machines.items():
        idle = data.tables.nodes.filter(pl.col("machine") == name).drop_nulls("idle_power_w")
        power = None
        if idle.height:
            power = labelled(format_si(float(idle["idle_power_w"][-1]), "W"), str(idle["source"][-1]))
        memory = None if machine.memory_bytes is None else format_bytes(machine.memory_bytes)
        virtual = "yes" if machine.virtual else "no"
        rows.append([name, _processors(machine), _caches(machine), memory, virtual, power])
    header = ["Machine", "Processors", "Caches", "Memory", "Virtual", "Baseline power"]
    return table("Machines", header, rows)


def _processors(machine: Machine) -> str:
    cpus = [f"{p.sockets} × {p.model}, {p.cores} cores" for p in machine.processors]
    return "; ".join(cpus + [f"{g.count} × {g.model}" for g in machine.gpus])


def _caches(machine: Machine) -> str:
    caches = [c for c in machine.hierarchy if c.kind != "memory"]
    return ", ".join(f"{c.name} {format_bytes(c.capacity_bytes)} × {c.units}" for c in caches)


def _meters(data: ReportData) -> str:
    rows: list[list[object]] = []
    for node, text in data.tables.nodes.unique("node", keep="last").select("node", "meters_json").rows():
        for found in json.loads(text or "{}").get("found", []):
            rows.append([node, found["name"], found["state"], found["reason"] or None, found["fix"] or None])
    more = (
        f"<p>{len(rows) - MAX_ROWS} more rows of other nodes are left out.</p>"
        if len(rows) > MAX_ROWS
        else ""
    )
    return table("Meters looked for", ["Node", "Meter", "State", "Why", "What helps"], rows[:MAX_ROWS]) + more


def _channels(data: ReportData) -> str:
    channels = data.tables.channels
    if channels.is_empty():
        return "<p>No channels were recorded beside the runs' energies.</p>"
    summary = (
        channels.filter(pl.col("energy_j") > 0)
        .group_by("channel", "domain", "kind", "contained_in", "source")
        .agg(
            pl.len(),
            pl.col("energy_j").median(),
            (pl.col("u_energy_j") / pl.col("energy_j")).median().alias("u"),
        )
        .sort("channel", "source")
        .head(MAX_ROWS)
    )
    primary = set(data.tables.runs["channel"].drop_nulls().unique())
    rows = [
        [
            row["channel"],
            row["domain"],
            row["kind"],
            row["contained_in"],
            "yes" if row["channel"] in primary else "no",
            f"{row['len']:,}",
            format_energy(row["energy_j"]),
            _percent(200 * row["u"]) if row["u"] is not None else None,
            badge(row["source"]),
        ]
        for row in summary.iter_rows(named=True)
    ]
    header = ["Channel", "Bounds", "Kind", "Part of", "Run energy", "Runs", "Median", "± (k=2)", "Source"]
    return table("Channels; one that is part of another is never added to it", header, rows, (5, 6, 7))


def _percent(value: float) -> str:
    return f"{value:,.0f} %" if value >= 10 else f"{value:.2g} %"


def dataset(data: ReportData) -> str:
    """What was trained."""
    summary = (
        data.tables.experiments.group_by("dataset", "machine", "source", "domain")
        .agg(
            pl.len(),
            pl.col("n_runs").sum(),
            pl.col("shape").unique().sort(),
            pl.col("depth").unique().sort(),
            pl.col("n_parameters").min().alias("least"),
            pl.col("n_parameters").max().alias("most"),
            pl.col("n_observations").first(),
            pl.col("energy_j").min().alias("e0"),
            pl.col("energy_j").max().alias("e1"),
        )
        .sort("dataset", "machine", "source", "domain")
    )
    rows = [
        [
            row["dataset"],
            row["machine"],
            f"{row['n_observations']:,}" if row["n_observations"] is not None else None,
            ", ".join(row["shape"]),
            ", ".join(str(d) for d in row["depth"]),
            f"{row['least']:,} to {row['most']:,}",
            f"{row['len']:,}",
            f"{row['n_runs']:,}",
            labelled(_span(row["e0"], row["e1"]), row["source"]),
        ]
        for row in summary.iter_rows(named=True)
    ]
    header = ["Dataset", "Machine", "Rows", "Shapes", "Depths", "Parameters", "Experiments", "Runs", "Energy"]
    return table("What was trained", header, rows, (2, 6, 7))


def _span(least_j: float | None, most_j: float | None) -> str:
    return (
        "none"
        if least_j is None or most_j is None
        else f"{format_energy(least_j)} to {format_energy(most_j)}"
    )


def advice(data: ReportData) -> str:
    """The best design for each dataset, beside the smallest network that does the same."""
    rows = []
    for case in data.advice:
        best, base, shape = case.designs[0], case.baseline, case.designs[0].configuration
        interval = None
        if best.lower_j is not None and best.upper_j is not None:
            interval = f"{format_energy(best.lower_j, 3)} to {format_energy(best.upper_j, 3)}"
        saving = f"{base.saving:.0%}"
        if base.design.configuration["experiment_id"] == shape["experiment_id"]:
            saving = "0%: it is the smallest"
        elif base.saving_lower is not None and base.saving_upper is not None:
            saving += f" ({base.saving_lower:.0%} to {base.saving_upper:.0%})"
        rows.append(
            [
                f"{case.dataset} on {case.machine}",
                f"{case.target:.3g}",
                f"{shape['shape']}, depth {shape['depth']}, {best.n_parameters:,} parameters",
                f"{best.epochs:,}",
                labelled(format_energy(best.energy_j), case.source),
                interval,
                saving,
            ]
        )
    header = ["For", "Test loss", "Design", "Epochs", "Energy", "95 %", "Less than the smallest network"]
    text = (
        f"<p>The design that reaches a test loss within {WITHIN_PERCENT:g} % of the best seen for the least "
        "energy, and what it saves beside the smallest network that reaches it. <code>wattlas advise</code> "
        "answers for any other target.</p>"
    )
    without = "".join(f"<p>No advice for {escape(reason)}</p>" for reason in data.without_advice[:MAX_ROWS])
    return text + table("Advice", header, rows, (1, 3)) + without


def quality(data: ReportData) -> str:
    """Runs by status, flags by count."""
    runs = data.tables.runs
    status = runs.group_by("status").len().sort("status").rows()
    text = table("Runs by status", ["Status", "Runs"], [[s, f"{n:,}"] for s, n in status], (1,))
    flags = (
        runs.select(pl.col("flags").explode().alias("flag")).drop_nulls().group_by("flag").len().sort("flag")
    )
    if flags.is_empty():
        return text + "<p>No run carries a flag.</p>"
    return text + table("Flags", ["Flag", "Runs"], [[f, f"{n:,}"] for f, n in flags.rows()], (1,))
