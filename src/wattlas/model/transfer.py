"""Move the model of one machine to another with a few points of it.

Machines of a kind pay for the same things, at other prices. The prior of the new machine's log coefficients
is the known machine's, all costs times the median ratio of the new energies to the old predictions, with a
standard deviation s each. How alike the machines are is not known beforehand: s is the one of `LIKENESS`
under which left-out points have the largest density, so that an unlike machine ends at a fit from scratch.
"""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import ModelError, UsageError
from wattlas.hardware.machine import Machine
from wattlas.model.choice import base_law
from wattlas.model.energy_model import EnergyModel
from wattlas.model.features import Features, Vector, features
from wattlas.model.fit import PRIOR_SD, Prior, default_prior, fit_law
from wattlas.model.holdout import spread_95, summary
from wattlas.model.identify import findings, undetermined
from wattlas.model.law import SHAPES, Law, columns, evaluate_law
from wattlas.model.machine_model import MachineModel, valid_range
from wattlas.model.points import (
    check_domains,
    check_points,
    check_sources,
    energies,
    resolve_machines,
)
from wattlas.model.targets import Points
from wattlas.model.timing import fit_timing
from wattlas.model.train import LEAST_POINTS, distinct, provenance

# Standard deviations of a log cost about the known machine's: 0.1 is the same machine, 1 a factor of 2.7.
LIKENESS = (0.1, 0.3, 1.0, PRIOR_SD)
# Relative standard deviation of a run's energy when it is repeated.
REPEATS = 0.03
# Degrees of freedom of left-out errors: few, for heavy tails.
FREEDOM = 2.0
# Points are left out one at a time, or in at most this many folds.
MOST_FOLDS = 20


def calibrate(model: EnergyModel, points: pl.DataFrame, source: str | None = None) -> EnergyModel:
    """`model` with the machines of `points` added, or refitted, from its machine `source`.

    Arguments:
        model: a fitted model; its `machines` and `allow` hold for the points.
        points: some points with energies, of one machine or several.
        source: which of the model's machines to start from; by default the one of the same name, or else the
            only one of the same kind (CPU or GPU).

    Raises:
        UsageError: no such source, or several that it could be.
        ModelError: too few points.
    """
    points = check_points(points)
    check_sources(points, model.allow)
    check_domains(points)
    energy = energies(points).to_numpy()
    names = points["machine"].to_numpy()
    made = EnergyModel(**model.get_params())
    made.machines_ = dict(model.machines_)
    for name, machine in resolve_machines(points, model.machines or {}).items():
        start = choose_source(model, machine, source)
        own = np.flatnonzero(names == name)
        moved = transfer(model.machines_[start], points[own], energy[own], machine, model.seed)
        data = {**moved.data, "calibrated_from": f"{start} of {model.name}"}
        made.machines_[name] = replace(moved, data=data)
    return made


def choose_source(model: EnergyModel, machine: Machine, asked: str | None = None) -> str:
    """The name of the model's machine to start from: see `calibrate`."""
    known = model.machines_
    if asked is not None:
        if asked not in known:
            raise UsageError(f"the model {model.name!r} has no machine {asked!r}; it has {', '.join(known)}")
        return asked
    if machine.name in known:
        return machine.name
    alike = [n for n, m in known.items() if ("overlap" in m.law.free) == (machine.device == "gpu")]
    if len(alike) == 1:
        return alike[0]
    what = f"{len(alike)} machines" if alike else "no machine"
    raise UsageError(
        f"the model {model.name!r} has {what} of the kind of {machine.name} ({machine.device}); choose one "
        f"of {', '.join(known)} with --from, or fit {machine.name} from scratch"
    )


def transfer(
    source: MachineModel, points: pl.DataFrame, energy: Vector, machine: Machine, seed: int = 0
) -> MachineModel:
    """A model of `machine` from checked points of it, with the energies per datum, J, and `source`'s prices.

    Raises:
        ModelError: too few points.
    """
    f, log_energy = features(points), np.log(energy)
    if (n := distinct(f)) < LEAST_POINTS:
        raise ModelError(
            f"{points.height} point(s) of {n} networks of {machine.name!r} are too few to calibrate with; "
            f"give at least {LEAST_POINTS} networks, and about 20 chosen by 'wattlas model design-experiment'"
        )
    law = transfer_law(source, machine, f)
    target = Points(columns(law, f), log_energy)
    folds = np.random.default_rng(seed).permutation(len(target)) % MOST_FOLDS
    tried = {sd: _left_out(source, law, f, target, folds, sd) for sd in LIKENESS}
    likeness = max(LIKENESS, key=lambda sd: _log_density(*tried[sd]))
    fit = fit_law(
        law, [target], transfer_prior(source, law, f, log_energy, likeness), seed=seed, least_sigma=REPEATS
    )
    return MachineModel(
        law=law,
        x=fit.x,
        covariance=fit.covariance,
        log_sd=spread_95(tried[likeness][0]),
        freedom=max(len(target) - len(law.free), 3),
        valid=valid_range(f),
        undetermined=undetermined(fit),
        identifiability=tuple(findings(fit, target.columns)),
        held_out={**summary(tried[likeness][0]), "left_out": "each point, or twentieths of them"},
        data={**provenance(points, f, energy), "likeness_sd": likeness},
        timing=fit_timing(points, energy, fit, target.columns, machine),
    )


def _left_out(
    source: MachineModel, law: Law, f: Features, target: Points, folds: NDArray[np.intp], sd: float
) -> tuple[Vector, Vector]:
    """ln predicted − ln observed of each point by a fit without its fold, and that prediction's variance."""
    residual, variance = np.empty(len(target)), np.empty(len(target))
    for fold in np.unique(folds):
        held = folds == fold
        prior = transfer_prior(source, law, f.take(~held), target.log_energy[~held], sd)
        fit = fit_law(law, [target.take(~held)], prior, starts=1, least_sigma=REPEATS)
        predicted, slopes = target.take(held).predict(law, fit.x)
        residual[held] = predicted - target.log_energy[held]
        variance[held] = np.einsum("ij,jk,ik->i", slopes, fit.covariance, slopes)
    return residual, variance


def _log_density(residual: Vector, variance: Vector) -> float:
    """Of left-out points: small errors count for more where the fit was sure of them.

    Student's t, not normal: one wild run must not say that two machines are alike.
    """
    total = variance + REPEATS**2
    wide = (FREEDOM + 1) * np.log1p(residual**2 / (FREEDOM * total))
    return float(-0.5 * np.sum(wide + np.log(total)))


def transfer_law(source: MachineModel, machine: Machine, f: Features) -> Law:
    """The law of the new machine: its own kind's, with the costs beyond levels that `source` has."""
    law = base_law(machine, f)
    levels = {level.name for level in law.levels[:-1]}
    beyond = [n for n in source.law.free if n.partition("_beyond_")[2] in levels]
    return Law((*law.free, *beyond), law.fixed, law.levels)


def transfer_prior(source: MachineModel, law: Law, f: Features, log_energy: Vector, sd: float) -> Prior:
    """Prior of `law`, from `source` and energies of networks with features `f`.

    A coefficient that `source` lacks has the prior of a fit from scratch.
    """
    prior = default_prior(law, [Points(columns(law, f), log_energy)])
    known = evaluate_law(source.law, source.x, columns(source.law, f))[0]
    scale = float(np.median(log_energy - np.log(known)))
    mean, width = prior.mean.copy(), prior.sd.copy()
    # What the known machine's law had fixed is as good a start as what it had fitted.
    logs = {name: float(np.log(value)) for name, value in source.law.fixed.items()}
    logs |= dict(zip(source.law.free, source.x, strict=True))
    variances = dict(zip(source.law.free, np.diag(source.covariance), strict=True))
    for k, name in enumerate(law.free):
        if name in logs:
            mean[k] = logs[name] + (0.0 if name in SHAPES else scale)
            width[k] = min(float(np.hypot(sd, np.sqrt(variances.get(name, 0.0)))), float(prior.sd[k]))
    return Prior(mean, width)
