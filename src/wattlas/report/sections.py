"""The words and tables between the figures, from the data."""

import json
from html import escape

import polars as pl

from wattlas.core.units import format_bytes, format_duration, format_energy, format_si
from wattlas.report.data import WITHIN_PERCENT, ReportData
from wattlas.report.markup import Html, badge, badges, table

N_CHANNELS = 20


def tiles(data: ReportData) -> str:
    """The dataset in a handful of numbers."""
    runs = data.tables.runs
    done = runs.filter(pl.col("status") == "done")
    energy = done["energy_j"].sum()
    facts = [
        ("Runs", f"{done.height:,}"),
        ("Experiments", f"{data.tables.experiments.height:,}"),
        ("Datasets", f"{data.tables.experiments['dataset'].n_unique():,}"),
        ("Machines", f"{data.tables.experiments['machine'].n_unique():,}"),
        ("Training time", format_duration(float(done["duration_s"].sum() or 0.0))),
    ]
    body = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    total = (
        f"<div><dt>Training energy {badges(data.sources)}</dt><dd>{escape(format_energy(energy))}</dd></div>"
    )
    return f'<dl class="tiles">{body}{total}</dl>'


def notice(data: ReportData) -> str:
    """A warning at the top where not every energy was measured."""
    other = [s for s in data.sources if s != "measured"]
    if not other:
        return ""
    what = " and ".join(other)
    meant = {
        "modelled": "computed from the machine's idle and peak power and its use, not read from a meter",
        "simulated": "made up by a simulation",
    }
    why = "; ".join(f"{s}: {meant[s]}" for s in other if s in meant)
    whole = "All" if len(data.sources) == len(other) else "Some"
    return (
        f'<p class="notice" role="note"><strong>{whole} energies here are {escape(what)}</strong> ({escape(why)}). '
        "Read them as estimates; they carry the label everywhere.</p>"
    )


def measured(data: ReportData) -> str:
    """Machines, meters found and not found, channels."""
    parts = [_machines(data), _meters(data), _channels(data)]
    return "".join(parts)


def _machines(data: ReportData) -> str:
    rows = []
    for name, machine in data.machines.items():
        idle = data.tables.nodes.filter(pl.col("machine") == name).drop_nulls("idle_power_w")
        rows.append(
            [
                name,
                "; ".join(f"{p.sockets} × {p.model}, {p.cores} cores" for p in machine.processors)
                + "".join(f"; {g.count} × {g.model}" for g in machine.gpus),
                ", ".join(
                    f"{c.name} {format_bytes(c.capacity_bytes)} × {c.units}"
                    for c in machine.hierarchy
                    if c.kind != "memory"
                ),
                format_bytes(machine.memory_bytes),
                "yes" if machine.virtual else "no",
                Html(
                    f"{escape(format_si(float(idle['idle_power_w'][-1]), 'W'))} "
                    f"{badge(str(idle['source'][-1]))}"
                )
                if idle.height
                else "not known",
            ]
        )
    header = ["Machine", "Processors", "Caches", "Memory", "Virtual", "Baseline power"]
    return table("Machines", header, rows)


def _meters(data: ReportData) -> str:
    rows: list[list[object]] = []
    for node, text in data.tables.nodes.unique("node", keep="last").select("node", "meters_json").rows():
        for found in json.loads(text or "{}").get("found", []):
            rows.append([node, found["name"], found["state"], found["reason"] or "–", found["fix"] or "–"])
    shown = rows[:N_CHANNELS]
    more = (
        f"<p>{len(rows) - len(shown)} more rows of other nodes are left out.</p>"
        if len(rows) > len(shown)
        else ""
    )
    return table("Meters looked for", ["Node", "Meter", "State", "Why", "What helps"], shown) + more


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
        .head(N_CHANNELS)
    )
    primary = set(data.tables.runs["channel"].unique().to_list())
    rows = [
        [
            row["channel"],
            row["domain"],
            row["kind"],
            row["contained_in"],
            "yes" if row["channel"] in primary else "no",
            f"{row['len']:,}",
            format_energy(row["energy_j"]),
            f"{200 * row['u']:.2g} %" if row["u"] is not None else None,
            Html(badge(row["source"])),
        ]
        for row in summary.iter_rows(named=True)
    ]
    header = ["Channel", "Bounds", "Kind", "Part of", "Run energy", "Runs", "Median", "± (k=2)", "Source"]
    return table("Channels; one that is part of another is never added to it", header, rows, (5, 6, 7))


def dataset(data: ReportData) -> str:
    """What was trained."""
    rows = []
    summary = (
        data.tables.experiments.group_by("dataset", "machine", "source")
        .agg(
            pl.len(),
            pl.col("n_runs").sum(),
            pl.col("n_diverged").sum(),
            pl.col("shape").unique().sort(),
            pl.col("depth").unique().sort(),
            pl.col("n_parameters").min().alias("least"),
            pl.col("n_parameters").max().alias("most"),
            pl.col("n_observations").first(),
            pl.col("energy_j").min().alias("e0"),
            pl.col("energy_j").max().alias("e1"),
        )
        .sort("dataset", "machine", "source")
    )
    for row in summary.iter_rows(named=True):
        energies = (
            f"{format_energy(row['e0'])} to {format_energy(row['e1'])}" if row["e0"] is not None else "none"
        )
        rows.append(
            [
                row["dataset"],
                row["machine"],
                f"{row['n_observations']:,}" if row["n_observations"] is not None else None,
                ", ".join(row["shape"]),
                ", ".join(str(d) for d in row["depth"]),
                f"{row['least']:,} to {row['most']:,}",
                f"{row['len']:,}",
                f"{row['n_runs']:,}",
                Html(f"{escape(energies)} {badge(row['source'])}"),
            ]
        )
    header = ["Dataset", "Machine", "Rows", "Shapes", "Depths", "Parameters", "Experiments", "Runs", "Energy"]
    return table("What was trained", header, rows, (2, 6, 7))


def advice(data: ReportData) -> str:
    """The best design for each dataset, beside the smallest network that does the same."""
    rows = []
    for case in data.advice:
        best, base = case.designs[0], case.baseline
        c = best.configuration
        interval = (
            f"{format_energy(best.lower_j, 3)} to {format_energy(best.upper_j, 3)}"
            if best.lower_j is not None and best.upper_j is not None
            else "unknown"
        )
        saving = f"{base.saving:.0%}"
        if base.saving_lower is not None and base.saving_upper is not None:
            saving += f" ({base.saving_lower:.0%} to {base.saving_upper:.0%})"
        rows.append(
            [
                f"{case.dataset} on {case.machine}",
                f"{case.target:.3g}",
                f"{c['shape']}, depth {c['depth']}, {c['n_parameters']:,} parameters",
                f"{best.epochs:,}",
                Html(f"{escape(format_energy(best.energy_j))} {badge(case.source)}"),
                interval,
                saving,
            ]
        )
    header = ["For", "Test loss", "Design", "Epochs", "Energy", "95 %", "Less than the smallest network"]
    text = (
        f"<p>The design that reaches a test loss within {WITHIN_PERCENT:g} % of the best seen for the least energy, "
        "and what it saves beside the smallest network that reaches it. <code>wattlas advise</code> answers for any "
        "other target.</p>"
    )
    without = "".join(f"<p>No advice for {escape(reason)}</p>" for reason in data.without_advice[:N_CHANNELS])
    return text + table("Advice", header, rows, (1, 3)) + without


def quality(data: ReportData) -> str:
    """Runs by status, flags by count."""
    runs = data.tables.runs
    status = runs.group_by("status").len().sort("status")
    rows: list[list[object]] = [[s, f"{n:,}"] for s, n in status.rows()]
    flags = (
        runs.select(pl.col("flags").explode().alias("flag"))
        .drop_nulls()
        .group_by("flag")
        .len()
        .sort("flag")
        .rows()
    )
    text = table("Runs by status", ["Status", "Runs"], rows, (1,))
    if not flags:
        return text + "<p>No run carries a flag.</p>"
    return text + table("Flags", ["Flag", "Runs"], [[f, f"{n:,}"] for f, n in flags], (1,))
