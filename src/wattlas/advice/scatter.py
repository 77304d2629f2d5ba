"""How much energies of repetitions scatter: pooled over experiments, since most have few runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf, log, nan, sqrt

import numpy as np
from scipy.stats import t as student_t

from wattlas.advice.curves import Experiment

# With fewer degrees of freedom than this, experiments that did not all reach the level say how they scatter
# at the lowest loss that all their repetitions reached.
ENOUGH = 10


@dataclass(frozen=True)
class Scatter:
    """Standard deviation of log energy to a level between repetitions of one experiment.

    `origin` is `repetitions`, `neighbours` (no configuration was run twice: second differences of log energy
    over size, which hold the curve's bend as well and so bound the scatter from above) or `unknown`.
    """

    log_sd: float
    degrees: int
    origin: str

    @property
    def factor_95(self) -> float:
        """Two-sided 95 % factor of Student's t for the degrees of freedom behind `log_sd`."""
        return float(student_t.ppf(0.975, self.degrees)) if self.degrees else nan


def pooled_scatter(experiments: Sequence[Experiment], level: float) -> Scatter:
    """Pool (n − 1) s² over all experiments of which every repetition reaches `level`.

    One deviation for all is an assumption: it holds where the scatter comes from the machine and the seeds
    alike. It gives an experiment of two runs an interval that two runs alone cannot.
    """
    several = [(e, max(r.best_loss for r in e.repetitions)) for e in experiments if len(e.repetitions) >= 2]
    squares, degrees = _pool([(e, level) for e, common in several if common <= level])
    if degrees < ENOUGH:
        more_squares, more_degrees = _pool([(e, common) for e, common in several if level < common < inf])
        squares, degrees = squares + more_squares, degrees + more_degrees
    if degrees:
        return Scatter(sqrt(squares / degrees), degrees, "repetitions")
    return _from_neighbours(experiments, level)


def _pool(cases: Sequence[tuple[Experiment, float]]) -> tuple[float, int]:
    squares, degrees = 0.0, 0
    for experiment, level in cases:
        values = [c.log_energy for r in experiment.repetitions if (c := r.crossing(level)) is not None]
        squares += float(np.sum((np.array(values) - np.mean(values)) ** 2))
        degrees += len(values) - 1
    return squares, degrees


def _from_neighbours(experiments: Sequence[Experiment], level: float) -> Scatter:
    singles: list[tuple[str, float, float]] = []
    for experiment in experiments:
        crossing = experiment.median.crossing(level)
        if crossing is not None:
            row = experiment.row
            family = (row["shape"], row["depth"], row["batch_size"], row["learning_rate"], row["engine"])
            singles.append((str(family), log(row["size"]), crossing.log_energy))
    squares, degrees = 0.0, 0
    for _, members in groupby(sorted(singles), key=lambda m: m[0]):
        points = [(x, y) for _, x, y in members]
        for (x0, y0), (x1, y1), (x2, y2) in zip(points, points[1:], points[2:], strict=False):
            if not x0 < x1 < x2:
                continue
            w0 = (x2 - x1) / (x2 - x0)
            # A point against the line through its neighbours: variance (1 + w0² + w2²) of the scatter.
            squares += (y1 - w0 * y0 - (1 - w0) * y2) ** 2 / (1 + w0**2 + (1 - w0) ** 2)
            degrees += 1
    return Scatter(sqrt(squares / degrees), degrees, "neighbours") if degrees else Scatter(nan, 0, "unknown")
