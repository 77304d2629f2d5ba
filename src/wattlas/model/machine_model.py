"""A fitted law of one machine, with what is needed to say how far to trust it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from wattlas.model.features import Features, Vector
from wattlas.model.law import Law, columns, evaluate_law, parts_of
from wattlas.model.timing import Timing

# Outside the range, the standard deviation of log energy gains this much for each doubling.
SD_PER_DOUBLING = 0.1
# A value within this factor of the range counts as inside.
RANGE_SLACK = 1.05
RANGED = ("n_parameters", "depth", "widest", "n_inputs", "batch_size", "train_batches", "batches_per_step")


@dataclass(frozen=True)
class Prediction:
    """Energy per datum, J, its interval, the rows outside the fitted range, the sd of ln energy, and seconds.

    `seconds` per datum are NaN where the machine's power is not known.
    """

    energy_j: Vector
    lower_j: Vector
    upper_j: Vector
    extrapolated: NDArray[np.bool_]
    log_sd: Vector
    seconds: Vector


@dataclass(frozen=True)
class MachineModel:
    """A law with fitted coefficients.

    Attributes:
        law: which coefficients it has.
        x: their logarithms (`overlap`: of p - 1).
        covariance: of x.
        log_sd: standard deviation of ln(energy) about the prediction, from held-out groups.
        freedom: degrees of freedom behind `log_sd`.
        valid: lowest and highest value of each ranged feature in the fitted data.
        undetermined: coefficients whose value is the prior's more than the data's.
        identifiability: what the data cannot tell: `coefficients` and `finding` each.
        held_out: errors by grouped cross-validation.
        data: provenance: counts, sources, domain, hash.
        timing: seconds and powers behind the joules; None if no power is known.
    """

    law: Law
    x: Vector
    covariance: NDArray[np.float64]
    log_sd: float
    freedom: int
    valid: Mapping[str, tuple[float, float]]
    undetermined: tuple[str, ...] = ()
    identifiability: tuple[Mapping[str, Any], ...] = ()
    held_out: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    timing: Timing | None = None

    @property
    def values(self) -> dict[str, float]:
        """Coefficients by name, fixed ones included."""
        return self.law.values(self.x)

    @property
    def relative_u(self) -> dict[str, float]:
        """Relative standard uncertainty of each fitted coefficient: the sd of its logarithm."""
        values, sd = self.values, np.sqrt(np.diag(self.covariance))
        return {
            name: float(s) * ((values[name] - 1) / values[name] if name == "overlap" else 1.0)
            for name, s in zip(self.law.free, sd, strict=True)
        }

    def predict(self, f: Features, coverage: float = 0.95, more_log_sd: float = 0.0) -> Prediction:
        """Energy per datum of each row, with an interval of log-normal form.

        ln energy has variance log_sd² + gradient · covariance · gradient + (0.1 · doublings outside)² +
        more_log_sd², the last for what the caller knows to be unlike the fitted networks.
        """
        c = columns(self.law, f)
        energy, gradient = evaluate_law(self.law, self.x, c)
        slopes = gradient / energy[:, None]
        doublings = self.doublings_outside(f)
        variance = np.einsum("ij,jk,ik->i", slopes, self.covariance, slopes, optimize=True)
        sd = np.sqrt(self.log_sd**2 + variance + (SD_PER_DOUBLING * doublings) ** 2 + more_log_sd**2)
        k = float(stdtrit(max(self.freedom, 3), 0.5 + coverage / 2))
        # Ends beyond what a number can hold would be no numbers in a table.
        reach = np.minimum(k * sd, 300.0)
        seconds = np.full(len(f), np.nan) if self.timing is None else self.timing.seconds(self.law, c, energy)
        lower, upper = energy * np.exp(-reach), energy * np.exp(reach)
        return Prediction(energy, lower, upper, doublings > 0, sd, seconds)

    def doublings_outside(self, f: Features) -> Vector:
        """Sum over features of how many doublings (or halvings) a row is outside the fitted range."""
        return sum(self.outside(f).values(), np.zeros(len(f)))

    def outside(self, f: Features) -> dict[str, Vector]:
        """How many doublings (or halvings) each ranged feature of a row is outside the fitted range."""
        doublings = {}
        for name, (low, high) in self.valid.items():
            value = getattr(f, name)
            above, below = np.log2(value / (high * RANGE_SLACK)), np.log2(low / RANGE_SLACK / value)
            doublings[name] = np.maximum(above, 0.0) + np.maximum(below, 0.0)
        return doublings

    def costs(self, f: Features) -> dict[str, Vector]:
        """Energy per datum of each cost, J; they sum to the prediction."""
        return parts_of(self.law, self.x, columns(self.law, f))


def valid_range(f: Features) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each ranged feature."""
    valid = {n: (float(getattr(f, n).min()), float(getattr(f, n).max())) for n in RANGED}
    # A training without tests is a part of what was fitted.
    return {**valid, "batches_per_step": (1.0, valid["batches_per_step"][1])}
