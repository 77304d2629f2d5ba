"""Simple models to beat, fitted on the same rows and asked about the same held-out ones.

| name | energy per datum |
|---|---|
| flops | a constant per step, and a cost per operation |
| parameters | a constant per step, and a cost per parameter |
| tdp_time | thermal design power × the run's own duration: needs `duration_s`, `energy_j` |
"""

import numpy as np
import polars as pl

from wattlas.hardware.machine import Machine
from wattlas.model.features import Vector, features
from wattlas.model.fit import fit_law
from wattlas.model.law import Law, columns, evaluate_law
from wattlas.model.points import energies
from wattlas.model.targets import Points

BASELINES = ("flops", "parameters", "tdp_time")
_COST = {"flops": "flop", "parameters": "parameter_byte"}


def baseline(name: str, train: pl.DataFrame, test: pl.DataFrame, machine: Machine) -> Vector | str:
    """Predicted energies of `test`, J per datum, or the reason why there are none."""
    if name == "tdp_time":
        return _tdp_time(test, machine)
    law = Law(("step", _COST[name]), {}, machine.hierarchy)
    fit = fit_law(law, [Points(columns(law, features(train)), np.log(energies(train).to_numpy()))], starts=2)
    return evaluate_law(law, fit.x, columns(law, features(test)))[0]


def _tdp_time(test: pl.DataFrame, machine: Machine) -> Vector | str:
    if not {"duration_s", "energy_j"} <= set(test.columns):
        return "the points have no duration_s and energy_j"
    power = sum((p.tdp_w or np.nan) * p.sockets for p in machine.processors)
    power += sum((g.tdp_w or np.nan) * g.count for g in machine.gpus)
    if not np.isfinite(power):
        return f"the thermal design power of {machine.name} is not known"
    predicted: Vector = (
        (power * energies(test) / test["energy_j"] * test["duration_s"]).cast(float).to_numpy()
    )
    if not (np.isfinite(predicted) & (predicted > 0)).all():
        return "some points have no duration_s or energy_j"
    return predicted
