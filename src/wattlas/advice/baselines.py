"""What one would take without advice, and what the advice saves beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, sqrt
from typing import Any

from wattlas.advice.design import NORMAL_95, Design


@dataclass(frozen=True)
class Baseline:
    """A design one might have taken without advice, trained to the same target; and what the advice saves.

    `saving` is 1 − E(advice) / E(baseline), with its 95 % interval where scatter is known. What is common to
    both energies, the instrument's accuracy, cancels and is left out of the interval.
    """

    name: str
    rule: str
    design: Design
    saving: float
    saving_lower: float | None
    saving_upper: float | None

    def document(self) -> dict[str, Any]:
        """The baseline as JSON has it."""
        rest = {k: v for k, v in vars(self).items() if k != "design"}
        return rest | self.design.document()


def baselines(best: Design, reached: Sequence[Design]) -> tuple[Baseline, ...]:
    """Baselines among designs that reach the target, the headline first; energy decides between equals."""
    rules = {
        "fewest_parameters": ("the smallest network that reaches the target", _n_parameters),
        "fewest_flops": ("the fewest FLOPs up to the target", _flops),
        "lowest_loss": ("the network with the lowest loss of all", _best_loss),
    }
    return tuple(
        compare(name, rule, best, min(reached, key=lambda d: (measure(d), d.energy_j)))
        for name, (rule, measure) in rules.items()
    )


def compare(name: str, rule: str, best: Design, other: Design) -> Baseline:
    """`other` as the baseline of `best`."""
    ratio = best.energy_j / other.energy_j
    half = NORMAL_95 * sqrt(best.u_log**2 + other.u_log**2)
    lower: float | None = None
    upper: float | None = None
    if other.configuration["experiment_id"] == best.configuration["experiment_id"]:
        lower = upper = 0.0
    elif isfinite(half):
        lower, upper = 1 - ratio * exp(half), 1 - ratio * exp(-half)
    return Baseline(name, rule, other, 1 - ratio, lower, upper)


def _n_parameters(design: Design) -> float:
    return design.n_parameters


def _flops(design: Design) -> float:
    c = design.configuration
    if c["flops_per_datum"] is None:
        return inf
    return float(c["flops_per_datum"] * c["n_train_batches"] * c["batch_size"] * design.epoch_reached)


def _best_loss(design: Design) -> float:
    return design.best_loss
