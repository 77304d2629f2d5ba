"""Rules about experiments: their configuration and medians are those of their runs."""

from collections.abc import Sequence

import polars as pl

from wattlas.dataset.experiments import GROUP, MEDIAN_EFFICIENCY
from wattlas.dataset.rules.rule import Finding, among, first, rule
from wattlas.dataset.rules.subject import Subject

RELATIVE = 1e-9
# The published pipeline takes medians of 4-byte floats.
UPSTREAM_RELATIVE = 1e-6
# Of an import, what energy per datum is taken from; else it is the energy itself.
NET = "non_overhead_energy_j"
_CONFIGURATION = (
    *("dataset", "shape", "size", "widths", "n_inputs", "n_observations", "n_train_batches"),
    *("n_test_batches", "loss", "batch_size", "epochs", "learning_rate", "epsilon", "epsilon_convention"),
    "engine",
)
_MEDIANS = ("energy_j", "duration_s", "final_test_loss", "best_test_loss")
_RUN = ("run_id", "status", *GROUP, *_MEDIANS, "u_energy_j")
_DATA = ("epochs", "n_train_batches", "batch_size")
_RECOMPUTED = (
    *("n_runs", "n_diverged", *_MEDIANS, "energy_q25_j", "energy_q75_j", "u_energy_j"),
    *("mean_power_w", "energy_per_datum_j", "u_energy_per_datum_j"),
)


@rule(
    "configuration",
    "all runs of an experiment have its configuration",
    *(f"{table}.{column}" for table in ("runs", "experiments") for column in (*_CONFIGURATION, *GROUP)),
    "runs.run_id",
)
def _configuration(subject: Subject) -> Finding:
    runs = subject.frames["runs"]
    # Runs imported as they were published say nothing of their networks.
    told = [name for name in _CONFIGURATION if runs[name].count()]
    runs = runs.select("run_id", *GROUP, pl.struct(told).alias("of_run"))
    experiments = subject.frames["experiments"].select(*GROUP, pl.struct(told).alias("of_experiment"))
    both = runs.join(experiments, on=GROUP, nulls_equal=True, maintain_order="left")
    return among(both, ~pl.col("of_run").eq_missing(pl.col("of_experiment")), "run_id")


@rule(
    "medians",
    "every experiment's medians, quartiles, uncertainties and counts are those of its runs, recomputed",
    *(f"runs.{column}" for column in _RUN),
    *(f"experiments.{column}" for column in (*GROUP, *_RECOMPUTED, *_DATA)),
)
def _medians(subject: Subject) -> Finding:
    experiments = subject.frames["experiments"]
    found = _over_runs(subject)
    both = experiments.join(
        found, on=GROUP, how="left", nulls_equal=True, maintain_order="left"
    ).with_columns(_per_datum(NET if f"_{NET}" in found.columns else "energy_j"))
    relative = UPSTREAM_RELATIVE if subject.is_upstream_compatible else RELATIVE
    wrong = pl.any_horizontal(_differs(pl.col(name), pl.col(f"_{name}"), relative) for name in _RECOMPUTED)
    return among(both, wrong, "experiment_id")


@rule(
    "groups",
    "runs of one configuration on one machine, of one source and domain, are one row of experiments",
    *(f"runs.{column}" for column in ("status", *GROUP)),
    *(f"experiments.{column}" for column in GROUP),
)
def _groups(subject: Subject) -> Finding:
    settled = subject.frames["runs"].filter(subject.counted)
    groups = settled.select(GROUP).unique(maintain_order=True)
    known = subject.frames["experiments"].select("experiment_id")
    # A configuration that is not there at all is another rule's.
    groups = groups.join(known.unique(), on="experiment_id", how="semi", maintain_order="left")
    lost = groups.join(
        subject.frames["experiments"], on=GROUP, how="anti", nulls_equal=True, maintain_order="left"
    )
    return Finding(groups.height, lost.height, first(lost["experiment_id"]))


def _over_runs(subject: Subject) -> pl.DataFrame:
    runs = subject.frames["runs"]
    net = [NET] if NET in runs.columns else []
    medians, uncertainties = (*_MEDIANS, *net), ["energy_j", *net]
    done = subject.counted & (pl.col("status") == "done")

    def u(name: str) -> pl.Expr:
        value, instrument = pl.col(name).filter(done), pl.col(f"u_{name}").filter(done).median()
        scatter = MEDIAN_EFFICIENCY * value.std().fill_null(0.0) / value.count().sqrt()
        return (instrument**2 + scatter**2).sqrt().alias(f"_u_{name}")

    energy = pl.col("energy_j").filter(done)
    return runs.group_by(GROUP).agg(
        done.sum().alias("_n_runs"),
        (subject.counted & (pl.col("status") == "diverged")).sum().alias("_n_diverged"),
        *(pl.col(name).filter(done).median().alias(f"_{name}") for name in medians),
        energy.quantile(0.25, "linear").alias("_energy_q25_j"),
        energy.quantile(0.75, "linear").alias("_energy_q75_j"),
        *map(u, uncertainties),
    )


def _per_datum(energy: str) -> Sequence[pl.Expr]:
    data = pl.col("epochs") * pl.col("n_train_batches") * pl.col("batch_size")
    return (
        (pl.col("_energy_j") / pl.col("_duration_s")).alias("_mean_power_w"),
        (pl.col(f"_{energy}") / data).alias("_energy_per_datum_j"),
        (pl.col(f"_u_{energy}") / data).alias("_u_energy_per_datum_j"),
    )


def _differs(stated: pl.Expr, found: pl.Expr, relative: float) -> pl.Expr:
    """Whether two numbers differ by more than rounding, or only one of them is known."""
    apart = (stated - found).abs() > relative * pl.max_horizontal(stated.abs(), found.abs())
    return apart.fill_null(value=False) | (stated.is_null() != found.is_null())
