"""The experiments table: medians over the runs of a configuration, with what follows from its network."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from wattlas.dataset.schema import EXPERIMENTS
from wattlas.hardware.machine import Machine
from wattlas.hardware.placement import place
from wattlas.networks.network import Network
from wattlas.networks.work import work
from wattlas.networks.working_sets import WorkingSet, working_sets

# Of a sample median of normal data: its standard error is sqrt(pi / 2) s / sqrt(n).
MEDIAN_EFFICIENCY = 1.2533
# Energies of unlike kinds never share a row.
GROUP = ("experiment_id", "machine", "source", "domain")


def experiments_table(runs: pl.DataFrame, machines: Mapping[str, Machine]) -> pl.DataFrame:
    """One row per configuration, machine, source and domain of the energy, from settled runs.

    Medians and quartiles are over the `done` runs; a configuration of which every run diverged has a row
    without energy. u² = median instrument u² + (1.2533 s / √n)², the scatter s of n ≥ 2 runs.
    """
    configuration = [
        name for name in EXPERIMENTS.names[1:] if name in runs.columns and name in _CONFIGURATION
    ]
    done = pl.col("status") == "done"

    def over_done(column: str) -> pl.Expr:
        return pl.col(column).filter(done)

    energy = over_done("energy_j")
    scatter = (MEDIAN_EFFICIENCY * energy.std() / energy.count().sqrt()).fill_null(0.0)
    grouped = (
        runs.filter(pl.col("status").is_in(["done", "diverged"]))
        .group_by(GROUP, maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in configuration),
            done.sum().cast(pl.Int64).alias("n_runs"),
            (~done).sum().cast(pl.Int64).alias("n_diverged"),
            energy.median().alias("energy_j"),
            energy.quantile(0.25, "linear").alias("energy_q25_j"),
            energy.quantile(0.75, "linear").alias("energy_q75_j"),
            (over_done("u_energy_j").median().pow(2) + scatter.pow(2)).sqrt().alias("u_energy_j"),
            over_done("duration_s").median().alias("duration_s"),
            over_done("final_test_loss").median().alias("final_test_loss"),
            over_done("best_test_loss").median().alias("best_test_loss"),
        )
    )
    data = pl.col("epochs") * pl.col("n_train_batches") * pl.col("batch_size")
    grouped = grouped.with_columns(
        (pl.col("energy_j") / pl.col("duration_s")).alias("mean_power_w"),
        (pl.col("energy_j") / data).alias("energy_per_datum_j"),
        (pl.col("u_energy_j") / data).alias("u_energy_per_datum_j"),
    )
    facts = pl.DataFrame(
        [_network_facts(row, machines.get(row["machine"])) for row in grouped.iter_rows(named=True)],
        schema=_FACTS,
    )
    return grouped.hstack(facts).select(EXPERIMENTS.names)


_CONFIGURATION = frozenset(EXPERIMENTS.names[1 : EXPERIMENTS.get_field_index("engine") + 1])
_FACTS = {
    "flops_per_datum": pl.Float64,
    "forward_flops": pl.Float64,
    "backward_flops": pl.Float64,
    **{f"ws_{name}_bytes": pl.Float64 for name in "lfbd"},
    **{f"ws_{name}_level": pl.String for name in "lfbd"},
}


def _network_facts(row: Mapping[str, Any], machine: Machine | None) -> dict[str, Any]:
    network = Network(row["shape"], row["n_inputs"], tuple(row["widths"]), row["shape"].endswith("_residual"))
    done = work(network, row["batch_size"])
    sets = working_sets(network, row["batch_size"], row["n_observations"])
    facts: dict[str, Any] = {
        "flops_per_datum": done.flops_per_datum(row["n_train_batches"], row["n_test_batches"]),
        "forward_flops": done.forward_flops,
        "backward_flops": done.backward_flops,
    }
    for working_set in sets:
        facts[f"ws_{working_set.name}_bytes"] = float(working_set.total_bytes)
        facts[f"ws_{working_set.name}_level"] = None if machine is None else _level(machine, working_set)
    return facts


def _level(machine: Machine, working_set: WorkingSet) -> str | None:
    """Level that a set lands in, placed on top of the sets below it; None if it fits none."""
    chain = [working_set]
    while (below := chain[-1].below) is not None:
        chain.append(below)
    occupied = 0.0
    for part in reversed(chain):
        placement = place(machine.hierarchy, occupied, part.replicated_bytes, part.distributed_bytes)
        if placement.level_name is None:
            return None
        occupied = placement.occupied_bytes
    return placement.level_name
