"""Simple models to beat, fitted on the same rows and asked about the same held-out ones.

| name | energy per datum |
|---|---|
| flops | a constant per step, and a cost per operation |
| parameters | a constant per step, and a cost per parameter |
| tdp_time | thermal design power × the run's own duration; nothing fitted; needs `duration_s` |
| published | size, work and the memory hierarchy: constant, cost per operation, per parameter byte, and per byte beyond each level; no cost per layer, no overlap. The published regression itself is not to be had |
| boosting | gradient-boosted trees on the logarithms of the same features; needs scikit-learn |
"""

from importlib.util import find_spec

import numpy as np
import polars as pl

from wattlas.hardware.machine import Machine
from wattlas.model.features import Features, Vector, features
from wattlas.model.fit import fit_law
from wattlas.model.law import Law, columns, evaluate_law
from wattlas.model.points import energies
from wattlas.model.targets import Points

BASELINES = ("flops", "parameters", "tdp_time", "published", "boosting")


def baseline(name: str, train: pl.DataFrame, test: pl.DataFrame, machine: Machine) -> Vector | str:
    """Predicted energies of `test`, J per datum, or the reason why there are none."""
    if name == "tdp_time":
        return _tdp_time(test, machine)
    f_train, f_test = features(train), features(test)
    log_energy = np.log(energies(train).to_numpy())
    if name == "boosting":
        if find_spec("sklearn") is None:
            return "scikit-learn is not installed; install wattlas[train]"
        from wattlas.model.estimator import boosted

        return np.exp(boosted(table(f_train), log_energy, table(f_test)))
    law = _law(name, machine)
    fit = fit_law(law, [Points(columns(law, f_train), log_energy)], starts=2)
    return evaluate_law(law, fit.x, columns(law, f_test))[0]


def table(f: Features) -> Vector:
    """Logarithms of the features as a matrix (n, features), for models that know no physics."""
    synchronised = (f.macs > 0).sum(axis=1)
    named = (
        f.n_parameters,
        f.depth,
        f.widest,
        f.n_inputs,
        f.flops,
        f.forward_flops,
        f.activation_bytes,
        f.interlayer_bytes,
        f.batch_size,
        f.train_batches,
        1 + f.test_batches,
        synchronised,
    )
    return np.log(np.column_stack(named))


def _law(name: str, machine: Machine) -> Law:
    if name == "flops":
        return Law(("step", "flop"), {"test_share": 0.4}, machine.hierarchy)
    if name == "parameters":
        return Law(("step", "parameter_byte"), {"test_share": 0.4}, machine.hierarchy)
    inner = [level.name for level in machine.hierarchy[:-1]]
    beyond = [f"{traffic}_byte_beyond_{level}" for level in inner for traffic in ("parameter", "activation")]
    return Law(("step", "flop", "parameter_byte", *beyond), {"test_share": 0.4}, machine.hierarchy)


def _tdp_time(test: pl.DataFrame, machine: Machine) -> Vector | str:
    if not {"duration_s", "energy_j"} <= set(test.columns):
        return "the points have no durations"
    power = sum((p.tdp_w or np.nan) * p.sockets for p in machine.processors)
    power += sum((g.tdp_w or np.nan) * g.count for g in machine.gpus)
    if not np.isfinite(power):
        return f"the thermal design power of {machine.name} is not known"
    per_datum = energies(test) / test["energy_j"] * test["duration_s"]
    return np.asarray(per_datum.to_numpy() * power, dtype=np.float64)
