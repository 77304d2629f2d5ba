"""Choose a machine's law: which costs the data can tell, by the error on held-out groups."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from wattlas.hardware.machine import CacheLevel, Machine
from wattlas.model.features import Features, Vector
from wattlas.model.fit import Fit, Prior, default_prior
from wattlas.model.holdout import Holdout
from wattlas.model.law import Law, beyond, columns
from wattlas.model.spill import spilled
from wattlas.model.targets import Points

# Host cost of a test batch, as a share of a training step's. Fitted where test batches per training step
# vary by more than this factor; elsewhere no table can tell it from the cost of a step.
TEST_SHARE = 0.4
VARIES = 1.5
ONE_COST = "one cost per byte"
# Costs beyond levels are tried with these shares of each cache: a virtual machine has part of an L3.
SHARES = (1.0, 0.25)
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


@dataclass(frozen=True)
class Choice:
    """A law with the residuals of held-out points, the errors of all laws that were tried, and what was kept.

    `share` of each cache's capacity is what the law takes to be there: others may use the rest. `near` is a
    fit of the simplest law to some of the points, for further fits to start at.
    """

    law: Law
    residual: Vector
    tried: dict[str, float]
    near: Fit
    kept: tuple[str, ...] = ()
    share: float = 1.0

    def findings(self) -> list[dict[str, Any]]:
        """What is to be said of costs that were not kept or could not be tried, or of a share of a cache."""
        result: list[dict[str, Any]] = []
        for traffic, meaning in BY_LEVEL.items():
            if meaning not in self.tried:
                why = "no level's edge lies well inside these data, so one cost per byte stands for all"
            elif meaning not in self.kept:
                why = "a cost for each level did not lower the held-out error, so one stands for all"
            else:
                continue
            result.append({"coefficients": [traffic], "finding": why})
        if self.share != 1.0:
            names = [name for name in self.law.free if "_beyond_" in name]
            why = f"fits best with {self.share:g} of each cache's capacity: others may use the rest of it"
            result.append({"coefficients": names, "finding": why})
        return result


def choose_law(points: pl.DataFrame, f: Features, log_energy: Vector, machine: Machine, seed: int) -> Choice:
    """The law of a machine's checked points with features `f`: see `Holdout.prefers` for what it takes."""
    holdout = Holdout(points, log_energy, seed)

    def prior(law: Law) -> Prior:
        return default_prior(law, [Points(columns(law, f), log_energy)])

    simple = base_law(machine, f)
    near = holdout.fit(simple, prior(simple), seed)
    residual = holdout.residuals(simple, prior(simple), seed, near)
    best = Choice(simple, residual, {ONE_COST: error_of(residual)}, near)
    tried = dict(best.tried)
    for share in SHARES:
        law = replace(simple, levels=tuple(_shared(simple.levels, share)))
        made = replace(best, law=law, residual=residual, kept=(), share=share)
        for traffic, meaning in BY_LEVEL.items():
            larger = with_levels(made.law, traffic, f)
            if len(larger.free) > len(made.law.free):
                other = holdout.residuals(larger, prior(larger), seed, near)
                tried[meaning] = min(error_of(other), tried.get(meaning, np.inf))
                if holdout.prefers(other, made.residual):
                    made = replace(made, law=larger, residual=other, kept=(*made.kept, meaning))
        if made.kept and error_of(made.residual) < error_of(best.residual):
            best = made
    return replace(best, tried=tried)


def _shared(levels: Iterable[CacheLevel], share: float) -> Iterable[CacheLevel]:
    for level in levels:
        smaller = replace(level, capacity_bytes=max(round(level.capacity_bytes * share), 1))
        yield level if level.kind == "memory" else smaller


def error_of(residual: Vector) -> float:
    """Mean absolute error of log energy on held-out points."""
    return float(np.nanmean(np.abs(residual)))
