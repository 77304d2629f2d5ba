"""Fit one machine: choose its law, fit it, and say how far to trust it."""

import hashlib

import numpy as np
import polars as pl

from wattlas.core.errors import ModelError
from wattlas.hardware.machine import Machine
from wattlas.model.features import Features, Vector, features
from wattlas.model.fit import default_prior, fit_law
from wattlas.model.holdout import Holdout, spread_95, summary
from wattlas.model.identify import findings, undetermined
from wattlas.model.law import Law, beyond, columns
from wattlas.model.machine_model import MachineModel, valid_range
from wattlas.model.points import sources
from wattlas.model.spill import spilled
from wattlas.model.targets import Points
from wattlas.model.timing import fit_timing

# Below this a machine's errors cannot be told.
LEAST_POINTS = 3
# Host cost of a test batch, as a share of a training step's. Fitted where test batches per training step
# vary by more than this factor; elsewhere no table can tell it from the cost of a step.
TEST_SHARE = 0.4
VARIES = 1.5
ONE_COST = "one cost per byte"
# What a law with more coefficients has to beat it by: `Holdout.prefers`.
BY_LEVEL = {
    "parameter_byte": "a cost per parameter byte for each level",
    "activation_byte": "a cost per activation byte for each level",
}


def base_law(machine: Machine, f: Features | None = None) -> Law:
    """The law of a machine of that kind, for data with features `f`; a byte costs the same at every level.

    On a CPU, host and device are one (no overlap), and a layer that runs on several cores pays for their
    synchronisation; on a GPU the host launches ahead of the device.
    """
    names = ["step", "layer", "epoch", "flop", "parameter_byte", "activation_byte", "input_byte"]
    if machine.device == "gpu":
        names += ["device_step", "overlap"]
    elif machine.cores > 1:
        names += ["sync", "sync_half"]
    if f is not None and (ratio := f.test_batches / f.train_batches).max() > VARIES * ratio.min():
        return Law((*names, "test_share"), {}, machine.hierarchy)
    return Law(tuple(names), {"test_share": TEST_SHARE}, machine.hierarchy)


def with_levels(law: Law, traffic: str, f: Features) -> Law:
    """`law` with a cost per byte of each level whose edge the data lie on both sides of."""
    fractions = dict(zip(BY_LEVEL, spilled(law.levels, f), strict=True))[traffic]
    names = [
        beyond(traffic, level) for level, part in fractions.items() if part.min() < 0.1 and part.max() > 0.9
    ]
    return Law((*law.free, *names), law.fixed, law.levels)


def fit_machine(points: pl.DataFrame, energy: Vector, machine: Machine, seed: int = 0) -> MachineModel:
    """A model of one machine's checked points with their energies per datum, J.

    Costs per byte of each level are kept where they lower the error on held-out groups.

    Raises:
        ModelError: too few points.
    """
    if points.height < LEAST_POINTS:
        raise ModelError(
            f"{points.height} point(s) of {machine.name!r} are too few to fit; give at least {LEAST_POINTS}, "
            "and about 20 for a useful model"
        )
    f, log_energy = features(points), np.log(energy)
    holdout = Holdout(points, log_energy, seed)

    def asked(law: Law) -> Vector:
        return holdout.residuals(law, default_prior(law, [Points(columns(law, f), log_energy)]), seed)

    law = base_law(machine, f)
    residual = asked(law)
    kept, tried = [], {ONE_COST: _error(residual)}
    for traffic, meaning in BY_LEVEL.items():
        larger = with_levels(law, traffic, f)
        if len(larger.free) > len(law.free):
            other = asked(larger)
            tried[meaning] = _error(other)
            if holdout.prefers(other, residual):
                law, residual = larger, other
                kept.append(meaning)
    c = columns(law, f)
    fit = fit_law(law, [Points(c, log_energy)], seed=seed)
    return MachineModel(
        law=law,
        x=fit.x,
        covariance=fit.covariance,
        log_sd=spread_95(residual),
        freedom=max(int(np.isfinite(residual).sum()) - len(law.free), 3),
        valid=valid_range(f),
        undetermined=undetermined(fit),
        identifiability=(*findings(fit, c), *_levels(tried, kept)),
        held_out={**summary(residual), "tried": tried, "kept": kept or [ONE_COST]},
        data=provenance(points, f, energy),
        timing=fit_timing(points, energy, law, c, machine),
    )


def _levels(tried: dict[str, float], kept: list[str]) -> list[dict[str, object]]:
    """The finding about costs that were tried and not kept, or could not be tried."""
    result: list[dict[str, object]] = []
    for traffic, meaning in BY_LEVEL.items():
        if meaning not in tried:
            why = "no level's edge lies well inside these data, so one cost per byte stands for every level"
        elif meaning not in kept:
            why = "a cost for each level did not lower the held-out error, so one stands for every level"
        else:
            continue
        result.append({"coefficients": [traffic], "finding": why})
    return result


def _error(residual: Vector) -> float:
    """Mean absolute error of log energy on held-out points."""
    return float(np.nanmean(np.abs(residual)))


def provenance(points: pl.DataFrame, f: Features, energy: Vector) -> dict[str, object]:
    """Counts, sources, domain and hash of fitted points, as a model file gives them."""
    return {
        "n_points": points.height,
        "sources": list(sources(points)),
        "domain": str(points["domain"][0]) if "domain" in points.columns else None,
        "sha256": fingerprint(f, energy),
    }


def fingerprint(f: Features, energy: Vector) -> str:
    """SHA-256 of the fitted rows: features and energies, in order."""
    digest = hashlib.sha256()
    for column in (f.macs, f.batch_size, f.train_batches, f.test_batches, energy):
        digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
    return digest.hexdigest()
