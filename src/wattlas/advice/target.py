"""What is asked of a design: a loss or an accuracy to reach, and limits that it must keep."""

import math
from dataclasses import dataclass
from typing import Literal

from wattlas.core.errors import UsageError

Quantity = Literal["test_loss", "test_accuracy"]


@dataclass(frozen=True)
class Target:
    """What a training has to reach: exactly one of a loss, an accuracy, or a margin on the best loss seen.

    `loss` is a test loss to reach or undercut, `accuracy` a test accuracy as a fraction in (0, 1],
    `within_percent` a margin: the target is (1 + within_percent / 100) times the lowest median loss of any
    experiment of the dataset and machine.
    """

    loss: float | None = None
    accuracy: float | None = None
    within_percent: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.loss, self.accuracy, self.within_percent) if v is not None]
        if len(given) != 1:
            raise UsageError(
                "give one target: --target-loss LOSS, --target-accuracy FRACTION or --within PERCENT"
            )
        if not math.isfinite(given[0]) or given[0] < 0:
            raise UsageError(f"a target of {given[0]} cannot be reached; give a finite number of at least 0")
        if self.accuracy is not None and not 0 < self.accuracy <= 1:
            raise UsageError(f"an accuracy of {self.accuracy} cannot be; give a fraction in (0, 1]")

    @property
    def quantity(self) -> Quantity:
        """The column of the epochs table that decides."""
        return "test_loss" if self.accuracy is None else "test_accuracy"

    def level(self, best_seen: float) -> float:
        """The value to undercut: a loss, or for an accuracy the error rate 1 − accuracy."""
        if self.loss is not None:
            return self.loss
        if self.accuracy is not None:
            return 1.0 - self.accuracy
        assert self.within_percent is not None
        return best_seen * (1.0 + self.within_percent / 100.0)


@dataclass(frozen=True)
class Limits:
    """Bounds that a design has to keep; None does not bound. Energy and time are those up to the target."""

    max_energy_j: float | None = None
    max_time_s: float | None = None
    max_parameters: int | None = None
    max_depth: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_energy_j", "max_time_s", "max_parameters", "max_depth"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value}; give a number above 0, or leave it out")
