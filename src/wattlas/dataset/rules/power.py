"""Rules about power: that a machine draws no less than when idle and no more than it can."""

import polars as pl

from wattlas.dataset.rules.energy import COVERAGE
from wattlas.dataset.rules.rule import Finding, among, rule
from wattlas.dataset.rules.subject import Subject

# Idle power moves with temperature, fans and firmware, and a peak is a sum of declared ratings.
TOLERANCE = 0.25


@rule(
    "machine",
    "every node's machine can be read and has the name that the node gives it",
    *("nodes.node", "nodes.machine", "nodes.machine_json"),
)
def _machine(subject: Subject) -> Finding:
    nodes = subject.frames["nodes"].filter(pl.col("machine_json").is_not_null())
    return among(nodes, ~pl.col("machine_json").is_in(subject.described), "node")


@rule(
    "mean-power",
    f"a run's mean power is between its node's idle and its machine's peak power, within {TOLERANCE:.0%} "
    f"of them and {COVERAGE:g} standard uncertainties",
    *("runs.run_id", "runs.machine", "runs.node", "runs.domain"),
    *("runs.energy_j", "runs.u_energy_j", "runs.duration_s"),
)
def _mean_power(subject: Subject) -> Finding:
    runs = subject.frames["runs"].filter((pl.col("duration_s") > 0) & pl.col("energy_j").is_not_null())
    bounds = pl.DataFrame(
        [(name, m.idle_power_w, m.peak_power_w) for name, m in subject.machines.items()],
        schema={"machine": pl.String, "idle_w": pl.Float64, "peak_w": pl.Float64},
        orient="row",
    )
    known = runs.join(bounds, on="machine", how="left", maintain_order="left").join(
        _baselines(subject), on=["node", "machine"], how="left", maintain_order="left"
    )
    # A machine's own powers are its node's; the baseline is that of the channel whose energy this is.
    idle = pl.min_horizontal("baseline_w", pl.when(pl.col("domain") == "node").then("idle_w"))
    power = pl.col("energy_j") / pl.col("duration_s")
    slack = COVERAGE * pl.col("u_energy_j").fill_null(0.0) / pl.col("duration_s")
    low = power + slack < idle * (1 - TOLERANCE)
    high = power - slack > pl.col("peak_w") * (1 + TOLERANCE)
    bounded = known.filter(idle.is_not_null() | pl.col("peak_w").is_not_null())
    return among(bounded, low.fill_null(value=False) | high.fill_null(value=False), "run_id")


def _baselines(subject: Subject) -> pl.DataFrame:
    """The lowest baseline of each node, over its days."""
    if not all(map(subject.has, ("nodes.node", "nodes.machine", "nodes.idle_power_w"))):
        return pl.DataFrame(schema={"node": pl.String, "machine": pl.String, "baseline_w": pl.Float64})
    return (
        subject.frames["nodes"]
        .group_by("node", "machine")
        .agg(pl.col("idle_power_w").min().alias("baseline_w"))
    )


@rule(
    "samples",
    "a sample of power was read after it was asked for and, of a gauge, is not negative",
    *("power.run_id", "power.before_s", "power.after_s", "power.value", "power.kind"),
)
def _samples(subject: Subject) -> Finding:
    value = pl.col("value")
    backward = pl.col("after_s") < pl.col("before_s")
    negative = (pl.col("kind") == "gauge") & (value < 0)
    return among(subject.frames["power"], backward | negative | ~value.is_finite(), "run_id")
