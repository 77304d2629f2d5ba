"""The seconds behind the joules: how long a datum takes, and what the machine would draw idle meanwhile.

Where the points have a mean power, the law is fitted a second time, to seconds per datum: its costs are then
seconds a step, a layer, an operation, a byte. Without, every second is taken to draw the machine's mean power
while training.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from wattlas.hardware.machine import Machine
from wattlas.model.features import Vector
from wattlas.model.fit import Fit, fit_law
from wattlas.model.holdout import spread_95
from wattlas.model.law import SHAPES, Columns, Law, evaluate_law
from wattlas.model.targets import Points

POWER = "mean_power_w"


@dataclass(frozen=True)
class Timing:
    """Power and time of a machine that trains.

    Attributes:
        training_w: mean power while training, W.
        idle_w: power when idle, W; None if it is not known.
        source: where both come from.
        x: log coefficients of seconds per datum; None where time is energy / `training_w`.
        log_sd: standard deviation of ln(seconds) about the fit; of ln(power) where there is no fit.
    """

    training_w: float
    idle_w: float | None
    source: str
    x: Vector | None = None
    log_sd: float | None = None

    def seconds(self, law: Law, c: Columns, energy: Vector) -> Vector:
        """Seconds per datum of networks with these columns and energies per datum, J."""
        if self.x is None:
            return energy / self.training_w
        return evaluate_law(law, self.x, c)[0]

    def idle_energy(self, law: Law, c: Columns, energy: Vector) -> Vector:
        """Idle power × time, J per datum, at most the whole energy; 0 where idle power is not known."""
        if self.idle_w is None:
            return np.zeros(len(energy))
        return np.minimum(self.idle_w * self.seconds(law, c, energy), energy)


def fit_timing(
    points: pl.DataFrame, energy: Vector, joules: Fit, c: Columns, machine: Machine
) -> Timing | None:
    """The timing of a machine, from the points' mean power if all have it, else from its description.

    `joules` is the fit of the same law to the energies: at that power, it is where the one of seconds starts.

    `idle_power_w` of the points, which a dataset takes from its nodes' baselines, goes before the machine's.
    None if no power is known.
    """
    idle, idle_from = machine.idle_power_w, f"idle: {machine.provenance.get('idle_power_w', 'declared')}"
    if "idle_power_w" in points.columns and points["idle_power_w"].null_count() < points.height:
        idle, idle_from = float(points["idle_power_w"].median()), "idle: the nodes' baselines"  # type: ignore[arg-type]
    if idle is None:
        idle_from = "idle: not known"
    power = points[POWER].to_numpy() if POWER in points.columns else np.full(points.height, np.nan)
    if np.isfinite(power).all() and (power > 0).all():
        law, seconds = joules.law, Points(c, np.log(energy / power))
        cost = np.array([name not in SHAPES for name in law.free])
        x0 = joules.x - cost * np.log(np.median(power))
        fit = fit_law(law, [seconds], starts=1, x0=x0)
        residual = seconds.predict(law, fit.x)[0] - seconds.log_energy
        source = f"training: these points; {idle_from}"
        return Timing(float(np.median(power)), idle, source, fit.x, spread_95(residual))
    if machine.training_power_w is None:
        return None
    source = f"training: {machine.provenance.get('training_power_w', 'declared')}; {idle_from}"
    return Timing(machine.training_power_w, idle, source)
