"""A fitted law of one machine, with what is needed to say how far to trust it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from wattlas.model.features import Features, Vector
from wattlas.model.law import Law, columns, evaluate_law, parts_of

# Outside the range, the standard deviation of log energy gains this much for each doubling.
SD_PER_DOUBLING = 0.1
# A value within this factor of the range counts as inside.
RANGE_SLACK = 1.05
RANGED = ("n_parameters", "depth", "widest", "n_inputs", "batch_size", "train_batches")


@dataclass(frozen=True)
class Prediction:
    """Energy per datum, J, its 95 % interval, and which rows are outside the range of the fitted data."""

    energy_j: Vector
    lower_j: Vector
    upper_j: Vector
    extrapolated: NDArray[np.bool_]
    log_sd: Vector


@dataclass(frozen=True)
class MachineModel:
    """A law with fitted coefficients.

    Attributes:
        machine: name.
        law: which coefficients it has.
        x: their logarithms (`overlap`: of p - 1).
        covariance: of x.
        log_sd: standard deviation of ln(energy) about the prediction, from held-out groups.
        freedom: degrees of freedom behind `log_sd`.
        valid: lowest and highest value of each ranged feature in the fitted data.
        idle_fraction: idle power over mean power while training, or None where either is not known.
        data: provenance: counts, sources, hash.
        notes: what the data cannot tell, in sentences.
        metrics: errors by grouped cross-validation.
    """

    machine: str
    law: Law
    x: Vector
    covariance: NDArray[np.float64]
    log_sd: float
    freedom: int
    valid: Mapping[str, tuple[float, float]]
    idle_fraction: float | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, object] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """Coefficients by name, fixed ones included."""
        return self.law.values(self.x)

    @property
    def relative_u(self) -> dict[str, float]:
        """Relative standard uncertainty of each fitted coefficient (of p - 1 for `overlap`)."""
        return dict(zip(self.law.free, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    def predict(self, f: Features, coverage: float = 0.95) -> Prediction:
        """Energy per datum of each row, with an interval of log-normal form.

        ln energy has variance log_sd² + gradient · covariance · gradient + (0.1 · doublings outside)².
        """
        energy, gradient = evaluate_law(self.law, self.x, columns(self.law, f))
        slopes = gradient / energy[:, None]
        doublings = self.doublings_outside(f)
        variance = np.einsum("ij,jk,ik->i", slopes, self.covariance, slopes, optimize=True)
        sd = np.sqrt(self.log_sd**2 + variance + (SD_PER_DOUBLING * doublings) ** 2)
        k = float(stdtrit(max(self.freedom, 3), 0.5 + coverage / 2))
        with np.errstate(over="ignore"):
            return Prediction(energy, energy * np.exp(-k * sd), energy * np.exp(k * sd), doublings > 0, sd)

    def doublings_outside(self, f: Features) -> Vector:
        """Sum over features of how many doublings (or halvings) a row is outside the fitted range."""
        total = np.zeros(len(f))
        for name, (low, high) in self.valid.items():
            value = getattr(f, name)
            above, below = np.log2(value / (high * RANGE_SLACK)), np.log2(low / RANGE_SLACK / value)
            total += np.maximum(above, 0.0) + np.maximum(below, 0.0)
        return total

    def attribute(self, f: Features) -> dict[str, Vector]:
        """Energy per datum by cause, J; the parts sum to the prediction.

        `idle` is idle power × time, taken as the same fraction of every part because time is not modelled apart
        from energy; it is absent where the idle fraction is not known.
        """
        parts = parts_of(self.law, self.x, columns(self.law, f))
        if self.idle_fraction is None:
            return parts
        whole = sum(parts.values(), np.zeros(len(f)))
        dynamic = {name: part * (1 - self.idle_fraction) for name, part in parts.items()}
        return {"idle": whole * self.idle_fraction, **dynamic}


def valid_range(f: Features) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each ranged feature."""
    return {n: (float(getattr(f, n).min()), float(getattr(f, n).max())) for n in RANGED}
