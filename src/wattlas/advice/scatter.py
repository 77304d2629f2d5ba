"""How much energies of repetitions scatter: pooled over experiments, since most have few runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log, sqrt

import numpy as np
from scipy.stats import t as student_t

from wattlas.advice.curves import Experiment


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
        return float(student_t.ppf(0.975, self.degrees)) if self.degrees else float("nan")


def pooled_scatter(experiments: Sequence[Experiment], level: float) -> Scatter:
    """Pool (n − 1) s² over all experiments of which at least two repetitions reach `level`.

    One deviation for all is an assumption: it holds where the scatter comes from the machine and the seeds
    alike. It gives an experiment of two runs an interval that two runs alone cannot.
    """
    squares, degrees = 0.0, 0
    singles: list[tuple[tuple[object, ...], float, float]] = []
    for experiment in experiments:
        crossings = [c for c in (curve.crossing(level) for curve in experiment.repetitions) if c is not None]
        values = np.array([c.log_energy for c in crossings])
        if len(values) >= 2:
            squares += float(np.sum((values - values.mean()) ** 2))
            degrees += len(values) - 1
        elif len(values) == 1:
            row = experiment.row
            family = (row["shape"], row["depth"], row["batch_size"], row["learning_rate"], row["engine"])
            singles.append((family, log(row["size"]), float(values[0])))
    if degrees:
        return Scatter(sqrt(squares / degrees), degrees, "repetitions")
    for _, members in groupby(sorted(singles, key=str_key), key=lambda m: m[0]):
        points = [(x, y) for _, x, y in members]
        for (x0, y0), (x1, y1), (x2, y2) in zip(points, points[1:], points[2:], strict=False):
            if not x0 < x1 < x2:
                continue
            w0 = (x2 - x1) / (x2 - x0)
            # A point against the line through its neighbours: variance (1 + w0² + w2²) of the scatter.
            squares += (y1 - w0 * y0 - (1 - w0) * y2) ** 2 / (1 + w0**2 + (1 - w0) ** 2)
            degrees += 1
    if degrees:
        return Scatter(sqrt(squares / degrees), degrees, "neighbours")
    return Scatter(float("nan"), 0, "unknown")


def str_key(member: tuple[tuple[object, ...], float, float]) -> tuple[str, float]:
    """Order by family, then size; families may hold values that do not compare."""
    return str(member[0]), member[1]
