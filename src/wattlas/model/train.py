"""Fit one machine: choose its law, fit it, and say how far to trust it."""

import hashlib

import numpy as np
import polars as pl

from wattlas.core.errors import ModelError
from wattlas.hardware.machine import Machine
from wattlas.model.choice import ONE_COST, choose_law
from wattlas.model.features import Features, Vector, features
from wattlas.model.fit import default_prior, fit_law, start_at
from wattlas.model.holdout import spread_95, summary
from wattlas.model.identify import findings, undetermined
from wattlas.model.law import columns
from wattlas.model.machine_model import MachineModel, valid_range
from wattlas.model.points import sources
from wattlas.model.targets import Points
from wattlas.model.timing import fit_timing

# Below this a machine's errors cannot be told.
LEAST_POINTS = 3


def fit_machine(points: pl.DataFrame, energy: Vector, machine: Machine, seed: int = 0) -> MachineModel:
    """A model of one machine's checked points with their energies per datum, J.

    Costs per byte of each level are kept where they lower the error on held-out groups.

    Raises:
        ModelError: too few points.
    """
    f, log_energy = features(points), np.log(energy)
    if (n := distinct(f)) < LEAST_POINTS:
        raise ModelError(
            f"{points.height} point(s) of {n} networks of {machine.name!r} are too few to fit; give at least "
            f"{LEAST_POINTS} networks, and about 20 for a useful model"
        )
    choice = choose_law(points, f, log_energy, machine, seed)
    law = choice.law
    c = columns(law, f)
    target = Points(c, log_energy)
    prior = default_prior(law, [target])
    fit = fit_law(law, [target], prior, starts=2, seed=seed, x0=start_at(law, prior, choice.near))
    return MachineModel(
        law=law,
        x=fit.x,
        covariance=fit.covariance,
        log_sd=spread_95(choice.residual),
        freedom=max(int(np.isfinite(choice.residual).sum()) - len(law.free), 3),
        valid=valid_range(f),
        undetermined=undetermined(fit),
        identifiability=(*findings(fit, c), *choice.findings()),
        held_out={
            **summary(choice.residual),
            "tried": choice.tried,
            "kept": list(choice.kept) or [ONE_COST],
            "share_of_caches": choice.share,
        },
        data=provenance(points, f, energy),
        timing=fit_timing(points, energy, fit, c, machine),
    )


def distinct(f: Features) -> int:
    """How many networks, on data of one size, there are: repeating one tells nothing of another."""
    rows = np.column_stack([f.macs, f.batch_size, f.train_batches, f.test_batches])
    return len(np.unique(rows, axis=0))


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
