"""A design: a configuration trained up to a loss, with the energy to get there and its interval."""

from dataclasses import dataclass
from math import exp, isfinite, sqrt
from typing import Any

from wattlas.advice.curves import Experiment, Point
from wattlas.advice.scatter import Scatter

_CONFIGURATION = ("experiment_id", "shape", "depth", "size", "widths", "n_parameters", "flops_per_datum")
_TRAINING = ("n_train_batches", "batch_size", "learning_rate", "engine")
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Design:
    """A configuration, trained until it first reaches `loss`.

    `energy_j` is to the interpolated crossing, [`lower_j`, `upper_j`] its 95 % interval: instrument and the
    scatter between repetitions; None where no scatter is known. `epochs` is the whole number to stop after,
    `epoch_reached` where the crossing lies. `evidence` is `measured` where measured energies were recorded
    for the epochs, and `interpolated` otherwise: taken in proportion from the run's, or not measured at all.
    `u_log` is the standard uncertainty of log energy in comparisons.
    """

    configuration: dict[str, Any]
    epochs: int
    epoch_reached: float
    energy_j: float
    lower_j: float | None
    upper_j: float | None
    duration_s: float | None
    loss: float
    best_loss: float
    n_runs: int
    n_reached: int
    n_diverged: int
    evidence: str
    source: str
    u_log: float

    @property
    def n_parameters(self) -> int:
        """Trainable parameters."""
        return int(self.configuration["n_parameters"])

    def document(self) -> dict[str, Any]:
        """The design as JSON has it."""
        fields = {k: v for k, v in vars(self).items() if k not in ("configuration", "u_log")}
        return {**self.configuration, **fields}


def design_at(
    experiment: Experiment, loss: float, scatter: Scatter, point: Point | None = None
) -> Design | None:
    """The experiment as a design for `loss`, at its crossing or a given point; None if it stays above."""
    point = point or experiment.median.crossing(loss)
    if point is None:
        return None
    row, n = experiment.row, len(experiment.repetitions)
    lower, upper = _interval(point.log_energy, experiment, scatter, n)
    measured = row["source"] == "measured" and experiment.per_epoch_energy
    return Design(
        configuration={k: row[k] for k in _CONFIGURATION + _TRAINING},
        epochs=point.stop_epoch,
        epoch_reached=point.epoch,
        energy_j=exp(point.log_energy),
        lower_j=lower,
        upper_j=upper,
        duration_s=point.duration_s if isfinite(point.duration_s) else None,
        loss=loss,
        best_loss=experiment.median.best_loss,
        n_runs=n,
        n_reached=sum(curve.crossing(loss) is not None for curve in experiment.repetitions),
        n_diverged=int(row["n_diverged"] or 0),
        evidence="measured" if measured else "interpolated",
        source=str(row["source"]),
        # Without what designs share, and widened for few degrees of freedom.
        u_log=sqrt((scatter.factor_95 / NORMAL_95 * scatter.log_sd) ** 2 / n + experiment.u_own**2),
    )


def _interval(
    log_energy: float, experiment: Experiment, scatter: Scatter, n: int
) -> tuple[float | None, float | None]:
    """95 % interval of the median: Student's t on the scatter of n runs and 1.96 u of the instrument."""
    half = sqrt((scatter.factor_95 * scatter.log_sd) ** 2 / n + (NORMAL_95 * experiment.u_instrument) ** 2)
    if not isfinite(half):
        return None, None
    return exp(log_energy - half), exp(log_energy + half)
