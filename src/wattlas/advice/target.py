"""What is asked of a design: a loss to reach, and limits that it must keep."""

import math
from dataclasses import dataclass

from wattlas.core.errors import UsageError


@dataclass(frozen=True)
class Target:
    """What a training has to reach: a test loss, or a margin on the best loss seen.

    `within_percent` sets the target at (1 + within_percent / 100) times the lowest loss of any experiment.
    """

    loss: float | None = None
    within_percent: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.loss, self.within_percent) if v is not None]
        if len(given) != 1:
            raise UsageError("give one target: --target-loss LOSS or --within PERCENT")
        if not math.isfinite(given[0]) or given[0] < 0:
            raise UsageError(f"a target of {given[0]} cannot be; give a finite number of at least 0")

    def level(self, best_seen: float) -> float:
        """The loss to reach or undercut."""
        if self.loss is not None:
            return self.loss
        assert self.within_percent is not None
        return best_seen * (1.0 + self.within_percent / 100.0)


@dataclass(frozen=True)
class Limits:
    """Bounds that a design has to keep; None does not bound. Energy is that up to the target."""

    max_energy_j: float | None = None
    max_parameters: int | None = None

    def __post_init__(self) -> None:
        for option, value in (("--max-energy", self.max_energy_j), ("--max-parameters", self.max_parameters)):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UsageError(f"{option} is {value}; give a number above 0, or leave it out")

    def allow(self, n_parameters: int, energy_j: float) -> bool:
        """Whether a design of so many parameters and so much energy keeps them."""
        return (self.max_parameters is None or n_parameters <= self.max_parameters) and (
            self.max_energy_j is None or energy_j <= self.max_energy_j
        )
