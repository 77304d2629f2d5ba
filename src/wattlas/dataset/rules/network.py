"""Rules about networks: what follows from widths and inputs is what `wattlas.networks` makes of them."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from wattlas.core.errors import UsageError
from wattlas.dataset.rules.rule import Finding, among, rule
from wattlas.dataset.rules.subject import Subject
from wattlas.networks.network import Network
from wattlas.networks.work import work
from wattlas.networks.working_sets import working_sets

RELATIVE = 1e-9
_NETWORK = ("shape", "n_inputs", "widths")
_SETS = ("l", "f", "b", "d")


@rule(
    "n-parameters",
    "n_parameters, depth and n_outputs are those of a network of these inputs and widths",
    *(f"{t}.{c}" for t in ("runs", "experiments") for c in (*_NETWORK, "n_parameters", "depth", "n_outputs")),
    *("runs.run_id", "experiments.experiment_id"),
)
def _n_parameters(subject: Subject) -> Finding:
    def facts(network: Network, row: Mapping[str, Any]) -> dict[str, float]:
        return {
            "n_parameters": network.n_parameters,
            "depth": network.depth,
            "n_outputs": network.n_outputs,
        }

    return sum(
        (
            _compare(subject, table, _NETWORK, ("n_parameters", "depth", "n_outputs"), facts, key)
            for table, key in (("runs", "run_id"), ("experiments", "experiment_id"))
        ),
        Finding(),
    )


@rule(
    "working-sets",
    "the working sets l, f, b and d are those of the network, its batch size and its dataset",
    *(f"experiments.{c}" for c in ("experiment_id", *_NETWORK, "batch_size", "n_observations")),
    *(f"experiments.ws_{name}_bytes" for name in _SETS),
)
def _working_sets(subject: Subject) -> Finding:
    def facts(network: Network, row: Mapping[str, Any]) -> dict[str, float]:
        sets = working_sets(network, row["batch_size"], row["n_observations"])
        return {f"ws_{s.name}_bytes": s.total_bytes for s in sets}

    keys = (*_NETWORK, "batch_size", "n_observations")
    stated = tuple(f"ws_{name}_bytes" for name in _SETS)
    return _compare(subject, "experiments", keys, stated, facts, "experiment_id")


@rule(
    "flops",
    "forward, backward and whole work per datum are those of the network and its batches",
    *(
        f"experiments.{c}"
        for c in ("experiment_id", *_NETWORK, "batch_size", "n_train_batches", "n_test_batches")
    ),
    *("experiments.forward_flops", "experiments.backward_flops", "experiments.flops_per_datum"),
)
def _flops(subject: Subject) -> Finding:
    def facts(network: Network, row: Mapping[str, Any]) -> dict[str, float]:
        done = work(network, row["batch_size"])
        return {
            "forward_flops": done.forward_flops,
            "backward_flops": done.backward_flops,
            "flops_per_datum": done.flops_per_datum(row["n_train_batches"], row["n_test_batches"]),
        }

    keys = (*_NETWORK, "batch_size", "n_train_batches", "n_test_batches")
    stated = ("forward_flops", "backward_flops", "flops_per_datum")
    return _compare(subject, "experiments", keys, stated, facts, "experiment_id")


def _compare(
    subject: Subject,
    table: str,
    keys: tuple[str, ...],
    stated: tuple[str, ...],
    facts: Callable[[Network, Mapping[str, Any]], dict[str, float]],
    name: str,
) -> Finding:
    """Rows of a table whose `stated` columns are not the `facts` of the network that their `keys` describe.

    Each distinct network is worked out once. A row without widths states nothing about a network; one whose
    widths make none is broken. The published pipeline's numbers are of another first layer, as its docs say.
    """
    if subject.is_upstream_compatible:
        return Finding()
    frame = subject.frames[table].filter(pl.col("widths").is_not_null() & pl.col("n_inputs").is_not_null())
    # A list is no key to join on; its text is.
    text = pl.col("widths").cast(pl.List(pl.String)).list.join(" ").alias("_widths")
    frame = frame.with_columns(text)
    join_on = ["_widths" if key == "widths" else key for key in keys]
    distinct = frame.unique(join_on, maintain_order=True).select(*keys, "_widths")
    rows = []
    for row in distinct.iter_rows(named=True):
        try:
            network = Network(row["shape"] or "", row["n_inputs"], tuple(row["widths"]))
            rows.append({f"_{key}": float(value) for key, value in facts(network, row).items()})
        except (UsageError, TypeError):
            rows.append({})
    worked_out = pl.DataFrame(rows, schema={f"_{column}": pl.Float64 for column in stated})
    both = frame.join(
        distinct.drop("widths").hstack(worked_out), on=join_on, nulls_equal=True, maintain_order="left"
    )
    wrong = [
        ((pl.col(c) - pl.col(f"_{c}")).abs() > RELATIVE * pl.col(f"_{c}")).fill_null(value=True)
        for c in stated
    ]
    return among(both, pl.any_horizontal(wrong), name)
