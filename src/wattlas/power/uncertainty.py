"""An energy with its uncertainty budget, its terms kept apart by cause (GUM, JCGM 100:2008)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from wattlas.core.errors import UsageError

# The causes, in the order of a report. Which of them apply depends on the kind of channel.
TERMS = (
    "accuracy",
    "quantisation",
    "update_start",
    "update_end",
    "sampling",
    "gaps",
    "resets",
    "response",
    "idle",
)


@dataclass(frozen=True)
class Energy:
    """The energy of a window [start_s, end_s), in joules.

    Attributes:
        energy_j: the estimate.
        terms: standard uncertainty in J by cause (see `TERMS`).
        flags: what a reader must know of the samples: `wrap`, `wrap_ambiguous`, `reset`, `gap`, `rejected`,
            `uncovered_start`, `uncovered_end`, `frozen` (a counter that did not move);
            empty if nothing happened.
        start_s: beginning of the window, monotonic seconds.
        end_s: its end, not included.
    """

    energy_j: float
    terms: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    start_s: float = 0.0
    end_s: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.energy_j):
            raise UsageError(f"energy_j is {self.energy_j}; an energy is a finite number of joules")
        for name, u_j in self.terms.items():
            if not 0 <= u_j < math.inf:
                raise UsageError(f"uncertainty term {name!r} is {u_j}; give a finite number of at least 0")
        if not self.end_s >= self.start_s:
            raise UsageError(f"a window cannot end at {self.end_s} before its start {self.start_s}")
        object.__setattr__(self, "terms", MappingProxyType(dict(self.terms)))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy does not pickle, and energies cross process borders.
        return (Energy, (self.energy_j, dict(self.terms), self.flags, self.start_s, self.end_s))

    @property
    def u_energy_j(self) -> float:
        """Combined standard uncertainty: the root of the sum of squares of the terms."""
        return math.hypot(*self.terms.values())

    @property
    def duration_s(self) -> float:
        """Length of the window."""
        return self.end_s - self.start_s

    @property
    def mean_power_w(self) -> float:
        """Energy over duration; NaN for an empty window."""
        return self.energy_j / self.duration_s if self.duration_s > 0 else math.nan

    def expanded_j(self, k: float = 2.0) -> float:
        """Expanded uncertainty U = k·u; k = 2 covers about 95 % where no one rectangular term dominates."""
        return k * self.u_energy_j


def subtract_idle(
    energy: Energy, idle_power_w: float, u_idle_power_w: float, accuracy_relative: float = 0.0
) -> Energy:
    """Dynamic energy: what is left of a window's energy after idle power × duration.

    E_dyn = E − P_idle·T. A term `idle` of u(P_idle)·T is added in quadrature. Where the idle power was
    measured by the same meter its scale error is common to both and cancels in proportion: give the meter's
    `accuracy_relative`, leave that error out of `u_idle_power_w`, and the `accuracy` term loses
    accuracy_relative·P_idle·T/√3 (GUM 5.2.2, correlation +1). Without it both are taken as independent,
    which is the wider.

    The result may be negative (a window at idle, and noise): that is what was found, and is not clipped.
    """
    for name, value in (("idle_power_w", idle_power_w), ("u_idle_power_w", u_idle_power_w)):
        if not 0 <= value < math.inf:
            raise UsageError(f"{name} is {value}; give a finite number of at least 0")
    idle_j = idle_power_w * energy.duration_s
    terms = dict(energy.terms)
    if accuracy_relative > 0:
        terms["accuracy"] = abs(terms.get("accuracy", 0.0) - accuracy_relative * idle_j / math.sqrt(3))
    terms["idle"] = math.hypot(terms.get("idle", 0.0), u_idle_power_w * energy.duration_s)
    return replace(energy, energy_j=energy.energy_j - idle_j, terms=terms)
