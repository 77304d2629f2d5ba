"""Fit an energy model to points: a law for each machine, its error on held-out groups, its range."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import ModelError
from wattlas.hardware.machine import Machine
from wattlas.model.energy_model import EnergyModel
from wattlas.model.features import Features, Vector, features
from wattlas.model.fit import Fit, fit_law
from wattlas.model.law import Law, columns, evaluate_law
from wattlas.model.machine_model import MachineModel, valid_range
from wattlas.model.points import check_points, check_sources, energies, resolve_machines, sources
from wattlas.model.targets import Points

# Below this a machine's errors cannot be told.
LEAST_POINTS = 3
# Held-out errors are estimated on at most this many points, in at most this many folds.
HELD_OUT_POINTS = 600
FOLDS = 5
# Two-sided 95 % of a normal variable.
NORMAL_95 = 1.96


def default_law(machine: Machine) -> Law:
    """The law of a machine of that kind.

    On a CPU, host and device are one (no overlap) and a layer that runs on several cores pays for their
    synchronisation; on a GPU the host launches ahead of the device and inputs are copied over.
    """
    common = ("step", "layer", "flop", "parameter_byte", "activation_byte", "input_byte")
    if machine.device == "gpu":
        return Law((*common, "device_step", "overlap"), {"test_share": 0.4}, machine.hierarchy)
    sync = ("sync", "sync_half") if machine.cores > 1 else ()
    return Law((*common, *sync), {"test_share": 0.4}, machine.hierarchy)


def fit_model(
    points: pl.DataFrame,
    machines: Mapping[str, Machine] | None = None,
    allow: Sequence[str] = (),
    name: str = "energy model",
    seed: int = 0,
) -> EnergyModel:
    """An energy model of the machines in `points`.

    `machines` are looked up by name, then in the catalogue. `allow` names the sources beside `measured` whose
    energies may be fitted: `modelled`, `simulated`.

    Raises:
        UsageError: an unknown machine, or energies of a source that was not asked for.
        DataError: points that cannot be used.
        ModelError: too few points of a machine.
    """
    points = check_points(points)
    check_sources(points, allow)
    energies(points)
    known = resolve_machines(points, dict(machines or {}))
    fitted = {}
    for machine_name in points["machine"].cast(pl.String).unique().sort():
        own = points.filter(pl.col("machine") == machine_name)
        fitted[machine_name] = _fit_machine(own, known[machine_name], machine_name, seed)
    return EnergyModel(fitted, name)


def _fit_machine(points: pl.DataFrame, machine: Machine, name: str, seed: int) -> MachineModel:
    if points.height < LEAST_POINTS:
        raise ModelError(
            f"{points.height} points of {name!r} are too few to fit; give at least {LEAST_POINTS}, and about 20 "
            "for a useful model"
        )
    f = features(points)
    law = default_law(machine)
    target = Points(columns(law, f), np.log(energies(points).to_numpy()))
    fit = fit_law(law, [target], seed=seed)
    log_sd, freedom, metrics = held_out_error(law, target, families(points), fit, seed)
    return MachineModel(
        machine=name,
        law=law,
        x=fit.x,
        covariance=fit.covariance,
        log_sd=log_sd,
        freedom=freedom,
        valid=valid_range(f),
        idle_fraction=idle_fraction(points, machine),
        data={"n_points": points.height, "sources": list(sources(points)), "sha256": fingerprint(points)},
        notes=identifiability(fit, f),
        metrics=metrics,
    )


def families(points: pl.DataFrame) -> NDArray[np.intp]:
    """The group of each point: its (dataset, shape, depth), or its fifth of the sizes where there is one family."""
    keys = [name for name in ("dataset", "shape", "depth") if name in points.columns]
    if keys:
        labels = points.select(pl.struct(keys).rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()
        if len(np.unique(labels)) >= FOLDS:
            return labels.astype(np.intp)
    size = features(points).n_parameters
    order = np.argsort(np.argsort(size, kind="stable"), kind="stable")
    return (order * FOLDS // len(order)).astype(np.intp)


def held_out_error(
    law: Law, target: Points, groups: NDArray[np.intp], fit: Fit, seed: int
) -> tuple[float, int, dict[str, object]]:
    """Log standard deviation of held-out residuals, its degrees of freedom, and the metrics behind it.

    Whole groups are left out. The standard deviation is the larger of that of the residuals and the one whose
    95 % interval holds 95 % of them.
    """
    random = np.random.default_rng(seed)
    rows = np.arange(len(target))
    if len(rows) > HELD_OUT_POINTS:
        rows = np.sort(random.choice(rows, HELD_OUT_POINTS, replace=False))
    target, groups = target.take(rows), groups[rows]
    folds = _folds(groups, random)
    residual = np.full(len(rows), np.nan)
    for fold in np.unique(folds):
        held = folds == fold
        if (~held).sum() < 2:
            continue
        again = fit_law(law, [target.take(~held)], fit.prior, starts=1, seed=seed)
        residual[held] = again_predict(law, again.x, target.take(held))
    known = residual[np.isfinite(residual)]
    if len(known) == 0:
        raise ModelError("no point could be held out; give points of at least two networks")
    log_sd = spread_95(known)
    ape = np.abs(np.expm1(known))
    metrics: dict[str, object] = {
        "left_out": "groups of (dataset, shape, depth), or fifths of the sizes where there is one",
        "n": len(known),
        "mape": float(ape.mean()),
        "median_ape": float(np.median(ape)),
        "bias": float(np.expm1(np.mean(known))),
    }
    return log_sd, max(len(known) - len(law.free), 3), metrics


def spread_95(residual: Vector) -> float:
    """The larger of a root mean square and the 95 % quantile over 1.96."""
    quantile = float(np.quantile(np.abs(residual), 0.95)) / NORMAL_95
    return max(float(np.sqrt(np.mean(residual**2))), quantile, 1e-3)


def again_predict(law: Law, x: Vector, target: Points) -> Vector:
    """Log residuals, predicted − observed."""
    energy, _ = evaluate_law(law, x, target.columns)
    residual: Vector = np.log(energy) - target.log_energy
    return residual


def _folds(groups: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.intp]:
    unique = np.unique(groups)
    fold_of = dict(zip(random.permutation(unique).tolist(), np.arange(len(unique)) % FOLDS, strict=True))
    return np.array([fold_of[g] for g in groups.tolist()], dtype=np.intp)


def idle_fraction(points: pl.DataFrame, machine: Machine) -> float | None:
    """Idle power over mean power while training: of the points' own times if they have them, or of the machine."""
    if machine.idle_power_w is None:
        return None
    if {"duration_s", "energy_j"} <= set(points.columns):
        power = (points["energy_j"] / points["duration_s"]).median()
        if isinstance(power, float) and power > 0:
            return min(machine.idle_power_w / power, 1.0)
    if machine.training_power_w is None:
        return None
    return machine.idle_power_w / machine.training_power_w


def identifiability(fit: Fit, f: Features) -> tuple[str, ...]:
    """What the data cannot tell apart, in sentences: coefficients that matter nowhere, loose ones, and pairs."""
    law, notes = fit.law, []
    energy, gradient = evaluate_law(law, fit.x, columns(law, f))
    share = np.abs(gradient / energy[:, None]).max(axis=0)
    sd = np.sqrt(np.diag(fit.covariance))
    for k, name in enumerate(law.free):
        if share[k] < 0.01:
            notes.append(f"{name}: changes no energy here by 1 % of itself; its value is the prior's")
        elif sd[k] > 0.5:
            notes.append(f"{name}: known to a factor of {np.exp(sd[k]):.1f} only")
    correlation = fit.covariance / np.outer(sd, sd)
    for i in range(len(law.free)):
        for j in range(i):
            if abs(correlation[i, j]) > 0.9:
                notes.append(
                    f"{law.free[j]} and {law.free[i]}: correlation {correlation[i, j]:+.2f}, told apart poorly; what "
                    "they cost together is known better than either"
                )
    return tuple(notes)


def fingerprint(points: pl.DataFrame) -> str:
    """SHA-256 of the fitted rows: features and energies, in order."""
    digest = hashlib.sha256()
    f = features(points)
    for column in (f.macs, f.batch_size, f.train_batches, f.test_batches, energies(points).to_numpy()):
        digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
    return digest.hexdigest()
