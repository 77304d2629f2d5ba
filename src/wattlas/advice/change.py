"""Changes of a machine in an energy model: what of it is other, and what that does to energies.

A change names a quantity of the machine: a level's `capacity_bytes` or `units` (`L2.capacity_bytes*=2`),
`idle_power_w`, or a coefficient of the model, so a price: `flop*=0.5` halves the joules of an operation,
`layer=0` takes launches away. The model is asked about every network before and after; the ratio scales the
energies on record. Other idle power costs its difference times the time that the model gives a datum.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from wattlas.core.errors import UsageError
from wattlas.model.features import Vector, features
from wattlas.model.law import columns
from wattlas.model.machine_model import MachineModel

_CHANGE = re.compile(r"\s*([A-Za-z0-9_.]+)\s*([*/+-]?=)\s*([-+.0-9eE]+)\s*$")
_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "=": lambda old, value: value,
    "*=": lambda old, value: old * value,
    "/=": lambda old, value: old / value,
    "+=": lambda old, value: old + value,
    "-=": lambda old, value: old - value,
}
# No logarithm of nothing: a price set to 0 becomes this small a part of itself.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Change:
    """A quantity of a machine by its name, and what becomes of it.

    >>> Change.parse("l2.capacity_bytes *= 2").value
    2.0
    """

    text: str
    quantity: str
    operation: str
    value: float

    @classmethod
    def parse(cls, text: str) -> "Change":
        """Read `QUANTITY*=NUMBER`, or with =, /=, += or -=.

        Raises:
            UsageError: it is not of that form.
        """
        match = _CHANGE.match(text)
        try:
            value = float(match[3]) if match else np.nan
        except ValueError:
            value = np.nan
        if match is None or not np.isfinite(value) or (match[2] == "/=" and value == 0):
            raise UsageError(
                f"{text!r} is no change of a machine; write it as 'l2.capacity_bytes*=2' or "
                "'idle_power_w=100'"
            )
        return cls(text.strip(), match[1], match[2], value)

    def apply(self, model: MachineModel) -> MachineModel:
        """The model of the changed machine.

        Raises:
            UsageError: the model has no such quantity, or it would become impossible.
        """
        name, _, field = self.quantity.partition(".")
        levels = {level.name.lower(): k for k, level in enumerate(model.law.levels)}
        if name.lower() in levels and field in ("capacity_bytes", "units"):
            k = levels[name.lower()]
            level = model.law.levels[k]
            new = max(round(self._new(getattr(level, field))), 1)
            changed = (
                replace(level, capacity_bytes=new) if field == "capacity_bytes" else replace(level, units=new)
            )
            law = replace(model.law, levels=(*model.law.levels[:k], changed, *model.law.levels[k + 1 :]))
            return replace(model, law=law)
        if self.quantity == "idle_power_w" and model.timing is not None and model.timing.idle_w is not None:
            return replace(model, timing=replace(model.timing, idle_w=self._new(model.timing.idle_w)))
        if self.quantity in model.law.free and self.quantity != "overlap":
            k = model.law.free.index(self.quantity)
            old = float(np.exp(model.x[k]))
            x = model.x.copy()
            x[k] = np.log(max(self._new(old), _NOTHING * old))
            return replace(model, x=x)
        raise UsageError(
            f"the energy model has no quantity {self.quantity!r}; it has {', '.join(quantities(model))}"
        )

    def _new(self, old: float) -> float:
        new = _OPERATIONS[self.operation](float(old), self.value)
        if new < 0:
            raise UsageError(f"{self.text!r} would make it {new:g}; a machine has no negative quantities")
        return new


def quantities(model: MachineModel) -> list[str]:
    """Names that a change may have."""
    names = [f"{level.name}.{field}" for level in model.law.levels for field in ("capacity_bytes", "units")]
    if model.timing is not None and model.timing.idle_w is not None:
        names.append("idle_power_w")
    return [*names, *(n for n in model.law.free if n != "overlap")]


def energy_ratio(model: MachineModel, changes: Sequence[Change], points: pl.DataFrame) -> Vector:
    """Energy per datum on the changed machine over that on the machine, for checked points."""
    changed = model
    for change in changes:
        changed = change.apply(changed)
    f = features(points)
    before, after = model.predict(f), changed.predict(f)
    energy = after.energy_j
    if model.timing is not None and changed.timing is not None:
        # A fitted law of seconds has prices of its own, which a change of joules leaves alone.
        seconds = model.timing.seconds(model.law, columns(model.law, f), before.energy_j)
        idle = (changed.timing.idle_w or 0.0) - (model.timing.idle_w or 0.0)
        energy = energy + idle * seconds
    return np.maximum(energy, _NOTHING * before.energy_j) / before.energy_j
