"""What a law is fitted to: energies of networks, and medians of energies over groups of networks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.model.features import Vector
from wattlas.model.law import Columns, Law, evaluate_law


class Target(ABC):
    """Observed log energies with something that predicts them."""

    log_energy: Vector
    columns: Columns

    @abstractmethod
    def predict(self, law: Law, x: Vector) -> tuple[Vector, NDArray[np.float64]]:
        """Predicted log energies and their derivative with respect to the log coefficients."""

    def __len__(self) -> int:
        return len(self.log_energy)


@dataclass(frozen=True)
class Points(Target):
    """Energies of single networks."""

    columns: Columns
    log_energy: Vector

    def predict(self, law: Law, x: Vector) -> tuple[Vector, NDArray[np.float64]]:
        """See `Target`."""
        energy, gradient = evaluate_law(law, x, self.columns)
        return np.log(energy), gradient / energy[:, None]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Points":
        """Some of the points."""
        return Points(self.columns.take(rows), self.log_energy[rows])


@dataclass(frozen=True)
class Medians(Target):
    """Medians over groups of networks: `groups[k]` holds the rows of `columns` in group k.

    A median's derivative is that of the networks around it: the mean over the middle tenth of the group.
    """

    columns: Columns
    groups: Sequence[NDArray[np.intp]]
    log_energy: Vector

    def predict(self, law: Law, x: Vector) -> tuple[Vector, NDArray[np.float64]]:
        """See `Target`."""
        energy, gradient = evaluate_law(law, x, self.columns)
        logs, slopes = np.log(energy), gradient / energy[:, None]
        medians, derivatives = np.empty(len(self)), np.empty((len(self), len(law.free)))
        for k, rows in enumerate(self.groups):
            order = np.argsort(logs[rows])
            medians[k] = np.median(logs[rows])
            half = max(1, len(rows) // 20)
            low, high = (len(rows) - 1) // 2 - half + 1, len(rows) // 2 + half
            derivatives[k] = slopes[rows[order[max(low, 0) : high]]].mean(axis=0)
        return medians, derivatives

    def take(self, kept: NDArray[np.intp] | NDArray[np.bool_]) -> "Medians":
        """Some of the medians."""
        index = np.arange(len(self))[kept]
        return Medians(self.columns, [self.groups[i] for i in index], self.log_energy[index])
