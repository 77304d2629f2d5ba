"""Rules about energies: signs, uncertainties, and how the energies of one run hang together."""

import polars as pl

from wattlas.dataset.rules.rule import Finding, among, rule
from wattlas.dataset.rules.subject import Subject

# Two energies that should be in order may be out of it by this many standard uncertainties of both.
COVERAGE = 3.0
# Sums and products of the same numbers, taken in another order.
RELATIVE = 1e-9


@rule("energy", "every energy is finite and not negative; a null is not known")
def _energy(subject: Subject) -> Finding:
    finding = Finding()
    for table, column in subject.columns_in("J"):
        frame, value = subject.frames[table], pl.col(column)
        finding += among(frame, ~value.is_finite() | (value < 0), frame.columns[0])
    return finding


@rule(
    "uncertainty",
    "every standard uncertainty is finite and above 0, or null; 0 only for simulated energy and for none",
)
def _uncertainty(subject: Subject) -> Finding:
    finding = Finding()
    for unit in ("J", "W"):
        for table, column in subject.columns_in(unit, uncertainty=True):
            frame, u, value = subject.frames[table], pl.col(column), column.removeprefix("u_")
            if not {value, "source"} <= set(frame.columns):
                continue
            exact = (pl.col("source") == "simulated") | (pl.col(value) == 0)
            bad = ~u.is_finite() | (u < 0) | ((u == 0) & ~exact.fill_null(value=False))
            finding += among(frame, bad, frame.columns[0])
    return finding


@rule(
    "known-uncertainty",
    "every energy of a done run has a standard uncertainty",
    *("runs.run_id", "runs.status", "runs.energy_j", "runs.u_energy_j"),
    severity="warning",
)
def _known_uncertainty(subject: Subject) -> Finding:
    known = subject.frames["runs"].filter((pl.col("status") == "done") & pl.col("energy_j").is_not_null())
    return among(known, pl.col("u_energy_j").is_null(), "run_id")


@rule(
    "settled-energy",
    "a done run has an energy and a duration; a failed run has neither, for missing is not zero",
    *("runs.run_id", "runs.status", "runs.energy_j", "runs.duration_s"),
)
def _settled_energy(subject: Subject) -> Finding:
    energy, duration = pl.col("energy_j"), pl.col("duration_s")
    lost = (pl.col("status") == "done") & (energy.is_null() | duration.is_null())
    made_up = (pl.col("status") == "failed") & (energy.is_not_null() | duration.is_not_null())
    return among(subject.frames["runs"], lost | made_up, "run_id")


@rule(
    "idle-energy",
    "idle energy is the idle power of the run's node, as nodes has it, times the duration",
    *("runs.run_id", "runs.node", "runs.idle_energy_j", "runs.duration_s"),
    *("nodes.node", "nodes.idle_power_w"),
)
def _idle_energy(subject: Subject) -> Finding:
    runs = subject.frames["runs"].filter(pl.col("idle_energy_j").is_not_null())
    powers = subject.frames["nodes"].select("node", "idle_power_w")
    stated = pl.col("idle_energy_j")
    error = (stated - pl.col("idle_power_w") * pl.col("duration_s")).abs()
    # A node has a row a day: the run's own is one of them.
    matched = (
        runs.join(powers, on="node")
        .filter(error <= RELATIVE * stated.abs())
        .select("run_id")
        .unique()["run_id"]
    )
    return among(runs, ~pl.col("run_id").is_in(matched.implode()), "run_id")


@rule(
    "dynamic-energy",
    f"dynamic energy, total minus idle, is not negative beyond {COVERAGE:g} standard uncertainties",
    *("runs.run_id", "runs.energy_j", "runs.u_energy_j", "runs.idle_energy_j"),
)
def _dynamic_energy(subject: Subject) -> Finding:
    runs = subject.frames["runs"].filter(
        pl.col("energy_j").is_not_null() & pl.col("idle_energy_j").is_not_null()
    )
    dynamic = pl.col("energy_j") - pl.col("idle_energy_j")
    slack = COVERAGE * pl.col("u_energy_j").fill_null(0.0) + RELATIVE * pl.col("energy_j")
    return among(runs, dynamic < -slack, "run_id")


@rule(
    "run-channels",
    "a run's energy is the sum over the channels that it names",
    *("runs.run_id", "runs.energy_j", "runs.channel"),
    *("channels.run_id", "channels.channel", "channels.energy_j"),
)
def _run_channels(subject: Subject) -> Finding:
    runs = subject.frames["runs"].filter(pl.col("energy_j").is_not_null())
    channels = subject.frames["channels"].select("run_id", "channel", part="energy_j")
    # A dataset without any channels keeps none; one that keeps some keeps those of every run.
    if channels.is_empty():
        return Finding()
    named = runs.select("run_id", "energy_j", pl.col("channel").str.split("+")).explode("channel")
    summed = (
        named.join(channels, on=["run_id", "channel"], how="left")
        .group_by("run_id", maintain_order=True)
        .agg(pl.col("energy_j").first(), pl.col("part").sum(), pl.col("part").null_count().alias("lost"))
    )
    off = (pl.col("part") - pl.col("energy_j")).abs() > RELATIVE * pl.col("energy_j").abs()
    return among(summed, off | (pl.col("lost") > 0), "run_id")


@rule(
    "contained-channels",
    "a channel is not above the channel that contains it, beyond "
    f"{COVERAGE:g} standard uncertainties of both; that channel is there",
    *("channels.run_id", "channels.channel", "channels.contained_in"),
    *("channels.energy_j", "channels.u_energy_j"),
)
def _contained_channels(subject: Subject) -> Finding:
    channels = subject.frames["channels"]
    outer = channels.select(
        "run_id", contained_in="channel", outer_j="energy_j", u_outer_j="u_energy_j", found=pl.lit(value=True)
    )
    inner = channels.filter(pl.col("contained_in").is_not_null())
    pairs = inner.join(outer, on=["run_id", "contained_in"], how="left", maintain_order="left")
    u, u_outer = (pl.col(name).fill_null(0.0) for name in ("u_energy_j", "u_outer_j"))
    slack = COVERAGE * (u**2 + u_outer**2).sqrt() + RELATIVE * pl.col("outer_j").abs()
    above = pl.col("energy_j") > pl.col("outer_j") + slack
    return among(pairs, above.fill_null(value=False) | pl.col("found").is_null(), "run_id")
