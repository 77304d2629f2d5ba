"""Rules about windows: a run is [start, end), and its epochs lie in it, one after the other."""

import polars as pl

from wattlas.dataset.rules.rule import Finding, among, rule
from wattlas.dataset.rules.subject import Subject

RELATIVE = 1e-9
# UTC is kept in whole microseconds, and an hour of monotonic time is not an hour of UTC to the last of them.
UTC_S, UTC_RELATIVE = 1e-3, 1e-6


@rule(
    "window",
    "a run's window ends after it starts, on the monotonic clock and in UTC",
    *("runs.run_id", "runs.start_s", "runs.end_s", "runs.start_utc", "runs.end_utc"),
)
def _window(subject: Subject) -> Finding:
    backward = ~(pl.col("end_s") > pl.col("start_s")) | ~(pl.col("end_utc") > pl.col("start_utc"))
    return among(subject.frames["runs"], backward, "run_id")


@rule(
    "duration",
    "a run's duration is end minus start on the monotonic clock, and in UTC to a millisecond and 1e-6 of it",
    *("runs.run_id", "runs.start_s", "runs.end_s", "runs.start_utc", "runs.end_utc", "runs.duration_s"),
)
def _duration(subject: Subject) -> Finding:
    duration = pl.col("duration_s")
    # The clock's own resolution: a start of a year's seconds has its last bit at some nanoseconds.
    slack = RELATIVE * pl.max_horizontal(duration, pl.col("end_s").abs() * 1e-3)
    monotonic = (pl.col("end_s") - pl.col("start_s") - duration).abs() > slack
    utc_s = (pl.col("end_utc") - pl.col("start_utc")).dt.total_microseconds() / 1e6
    return among(
        subject.frames["runs"],
        monotonic.fill_null(value=False)
        | ((utc_s - duration).abs() > UTC_S + UTC_RELATIVE * duration).fill_null(value=False),
        "run_id",
    )


@rule(
    "epochs-in-window",
    "a run's epochs end in order, none before its window starts or after it ends",
    *("epochs.run_id", "epochs.epoch", "epochs.end_s", "runs.run_id", "runs.start_s", "runs.end_s"),
)
def _epochs_in_window(subject: Subject) -> Finding:
    epochs = _with_run(subject, "end_s", start="start_s", end="end_s")
    end_s = pl.col("end_s")
    backward = end_s.diff().over("run_id") < 0
    outside = (end_s < pl.col("start")) | (end_s > pl.col("end"))
    return among(epochs, backward.fill_null(value=False) | outside, "run_id")


@rule(
    "epoch-energy",
    "the cumulative energy of a run's epochs never falls and ends at most at the run's energy",
    *("epochs.run_id", "epochs.epoch", "epochs.energy_j", "runs.run_id", "runs.energy_j"),
)
def _epoch_energy(subject: Subject) -> Finding:
    epochs = _with_run(subject, "energy_j", total="energy_j")
    energy, slack = pl.col("energy_j"), RELATIVE * pl.col("total").abs()
    falls = (energy.diff().over("run_id") < -slack).fill_null(value=False)
    return among(epochs, falls | (energy > pl.col("total") + slack).fill_null(value=False), "run_id")


def _with_run(subject: Subject, column: str, **of_run: str) -> pl.DataFrame:
    """A column of the epochs, in order, and columns of their runs beside it."""
    runs = subject.frames["runs"].select("run_id", **of_run).unique("run_id", keep="first")
    epochs = subject.frames["epochs"].select("run_id", "epoch", column).filter(pl.col(column).is_not_null())
    return epochs.sort("run_id", "epoch", maintain_order=True).join(
        runs, on="run_id", how="left", maintain_order="left"
    )
