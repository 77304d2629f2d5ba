"""Simple models to beat, fitted on the same rows and asked about the same held-out ones.

| name | energy per datum |
|---|---|
| flops | a constant per step, and a cost per operation |
| parameters | a constant per step, and a cost per parameter |
| published_form | non-negative linear: a constant, parameters, FLOPs, bytes of sets f and b by their level |
| gradient_boosting | boosted trees on logarithms of the features: needs scikit-learn |
| tdp_time | thermal design power × the run's own duration: needs `duration_s`, `energy_j` |

BUTTER-E names the terms of its regression; the regression itself (its notebook 7) is not published.
"""

from importlib.util import find_spec

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import nnls

from wattlas.hardware.machine import Machine
from wattlas.hardware.placement_table import place_many
from wattlas.model.features import Features, Vector, features
from wattlas.model.fit import fit_law
from wattlas.model.law import Law, columns, evaluate_law
from wattlas.model.points import energies
from wattlas.model.targets import Points

BASELINES = ("flops", "parameters", "published_form", "gradient_boosting", "tdp_time")
# Above this many points, trees are grown on histograms.
MANY = 2000
_COST = {"flops": "flop", "parameters": "parameter_byte"}


def baseline(name: str, train: pl.DataFrame, test: pl.DataFrame, machine: Machine) -> Vector | str:
    """Predicted energies of `test`, J per datum, or the reason why there are none."""
    if name == "tdp_time":
        return _tdp_time(test, machine)
    seen, asked, energy = features(train), features(test), energies(train).to_numpy()
    if name == "published_form":
        return _published_form(seen, asked, energy, machine)
    if name == "gradient_boosting":
        return _gradient_boosting(seen, asked, energy)
    law = Law(("step", _COST[name]), {}, machine.hierarchy)
    fit = fit_law(law, [Points(columns(law, seen), np.log(energy))], starts=2)
    predicted: Vector = evaluate_law(law, fit.x, columns(law, asked))[0]
    return predicted


def _published_form(seen: Features, asked: Features, energy: Vector, machine: Machine) -> Vector:
    known = _terms(seen, machine)
    scale = known.max(axis=0)
    scale[scale == 0] = 1.0
    # Divided by the energies: relative errors count.
    cost = nnls(known / scale / energy[:, None], np.ones(len(energy)))[0] / scale
    predicted: Vector = _terms(asked, machine) @ cost
    # Every cost can be 0 of the terms that a network has; it then costs nothing, which no logarithm takes.
    floor = 1e-12 * float(energy.min())
    return np.maximum(predicted, floor)


def _terms(f: Features, machine: Machine) -> NDArray[np.float64]:
    levels = machine.hierarchy
    replicated = f.parameter_bytes
    inter_layer = place_many(levels, 0.0, f.interlayer_bytes)
    rest = np.maximum(f.activation_bytes + f.input_bytes - f.interlayer_bytes, 0.0)
    terms = [np.ones(len(f)), f.n_parameters, f.flops / f.batch_size]
    for copies, distributed in ((1, np.zeros(len(f))), (2, rest)):
        placed = place_many(levels, copies * replicated, distributed, inter_layer).level
        size = copies * replicated + distributed + f.interlayer_bytes
        # What fits nowhere lies in the last level.
        where = np.where(placed == 0, len(levels), placed)
        terms += [np.where(where == k, size, 0.0) for k in range(1, len(levels) + 1)]
    return np.column_stack(terms)


def _gradient_boosting(seen: Features, asked: Features, energy: Vector) -> Vector | str:
    if find_spec("sklearn") is None:
        return "scikit-learn is not installed; install wattlas[train]"
    from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor

    # The one is exact and slow, the other fast and needs some twenty points a leaf.
    kind = HistGradientBoostingRegressor if len(seen) > MANY else GradientBoostingRegressor
    trees = kind(random_state=0).fit(_logs(seen), np.log(energy))
    predicted: Vector = np.exp(trees.predict(_logs(asked)))
    return predicted


def _logs(f: Features) -> NDArray[np.float64]:
    ratio = f.test_batches / f.train_batches
    positive = [
        f.train_batches,
        f.depth,
        f.widest,
        f.n_inputs,
        f.n_parameters,
        f.flops,
        f.activation_bytes,
        f.interlayer_bytes,
        f.batch_size,
    ]
    return np.column_stack([*np.log(positive), ratio])


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
