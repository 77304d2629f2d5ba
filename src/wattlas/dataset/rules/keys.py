"""Rules about keys: what is named is there, once."""

import polars as pl

from wattlas.dataset.rules.rule import Finding, among, rule
from wattlas.dataset.rules.subject import Subject


@rule("run-id", "every run has a run_id, and no two have the same", "runs.run_id")
def _run_id(subject: Subject) -> Finding:
    return _unique(subject.frames["runs"], ["run_id"], "run_id")


@rule(
    "experiment-id",
    "a configuration has one row of experiments for each machine, source and domain",
    *(f"experiments.{key}" for key in ("experiment_id", "machine", "source", "domain")),
)
def _experiment_id(subject: Subject) -> Finding:
    keys = ["experiment_id", "machine", "source", "domain"]
    return _unique(subject.frames["experiments"], keys, "experiment_id")


@rule("epoch", "no run has an epoch twice", "epochs.run_id", "epochs.epoch")
def _epoch(subject: Subject) -> Finding:
    return _unique(subject.frames["epochs"], ["run_id", "epoch"], "run_id")


@rule("channel", "no run has a channel twice", "channels.run_id", "channels.channel")
def _channel(subject: Subject) -> Finding:
    return _unique(subject.frames["channels"], ["run_id", "channel"], "run_id")


@rule("epochs-of-runs", "every row of epochs belongs to a run", "epochs.run_id", "runs.run_id")
def _epochs_of_runs(subject: Subject) -> Finding:
    return _known(subject, "epochs", "run_id", "runs", "run_id")


@rule("channels-of-runs", "every row of channels belongs to a run", "channels.run_id", "runs.run_id")
def _channels_of_runs(subject: Subject) -> Finding:
    return _known(subject, "channels", "run_id", "runs", "run_id")


@rule("power-of-runs", "every row of power belongs to a run", "power.run_id", "runs.run_id")
def _power_of_runs(subject: Subject) -> Finding:
    return _known(subject, "power", "run_id", "runs", "run_id")


@rule(
    "runs-of-experiments",
    "every settled run (done or diverged; of an import: not excluded) belongs to an experiment",
    *("runs.experiment_id", "runs.status", "experiments.experiment_id"),
)
def _runs_of_experiments(subject: Subject) -> Finding:
    settled = subject.frames["runs"].filter(subject.counted)
    return _among_known(settled, "experiment_id", subject.frames["experiments"]["experiment_id"])


@rule(
    "experiments-with-runs", "every experiment has a run", "experiments.experiment_id", "runs.experiment_id"
)
def _experiments_with_runs(subject: Subject) -> Finding:
    return _known(subject, "experiments", "experiment_id", "runs", "experiment_id")


@rule("nodes-of-runs", "every run's node is in nodes", "runs.node", "nodes.node")
def _nodes_of_runs(subject: Subject) -> Finding:
    return _known(subject, "runs", "node", "nodes", "node")


def _unique(frame: pl.DataFrame, keys: list[str], name: str) -> Finding:
    return among(frame, pl.struct(keys).is_duplicated() | pl.col(name).is_null(), name)


def _known(subject: Subject, table: str, column: str, other: str, key: str) -> Finding:
    return _among_known(subject.frames[table], column, subject.frames[other][key])


def _among_known(frame: pl.DataFrame, column: str, known: pl.Series) -> Finding:
    bad = pl.col(column).is_null() | ~pl.col(column).is_in(known.drop_nulls().unique().implode())
    return among(frame, bad, column)
