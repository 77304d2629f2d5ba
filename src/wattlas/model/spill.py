"""Which part of a step's traffic lies beyond each level of memory: a smooth `hardware.placement`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wattlas.hardware.machine import CacheLevel
from wattlas.model.features import Features, Vector

# Width of a level's edge, in natural logarithms of its capacity: 10 to 90 % beyond in a factor of 4.6.
EDGE = 0.35


def spilled(levels: Sequence[CacheLevel], f: Features) -> tuple[dict[str, Vector], dict[str, Vector]]:
    """Fraction of parameter and of activation traffic beyond each level but the last, by the level's name.

    Parameter traffic lies where working set b does: parameters and their gradients (8 P bytes) replicated in
    every unit, all activations dealt out over the units. Activation traffic lies where l does: the largest
    pair of neighbouring layers. Capacities of one unit add up from the nearest level outward. A fraction is
    0 well inside, 1/2 where the set just fits, 1 well outside.
    """
    beyond = _fractions(levels, f)
    return beyond["parameter_byte"], beyond["activation_byte"]


def lies_in(levels: Sequence[CacheLevel], f: Features) -> dict[str, NDArray[np.float64]]:
    """Share of each traffic in each level (n, levels): rows sum to 1. Inputs lie where working set d does."""
    result = {}
    for traffic, fractions in _fractions(levels, f).items():
        edges = [np.ones(len(f)), *fractions.values(), np.zeros(len(f))]
        # A set that is beyond a level is beyond those before it; smooth edges may cross by a little.
        falling = np.minimum.accumulate(np.array(edges), axis=0)
        result[traffic] = (falling[:-1] - falling[1:]).T
    return result


def _fractions(levels: Sequence[CacheLevel], f: Features) -> dict[str, dict[str, Vector]]:
    sets: dict[str, dict[str, Vector]] = {"parameter_byte": {}, "activation_byte": {}, "input_byte": {}}
    data = f.input_bytes * (f.train_batches + f.test_batches)
    capacity = 0.0
    for level in levels[:-1]:
        capacity += level.capacity_bytes
        b = 2 * f.parameter_bytes + (f.activation_bytes + f.input_bytes) / level.units
        sets["parameter_byte"][level.name] = _beyond(b, capacity)
        sets["activation_byte"][level.name] = _beyond(f.interlayer_bytes / level.units, capacity)
        sets["input_byte"][level.name] = _beyond(b + data / level.units, capacity)
    return sets


def _beyond(size: Vector, capacity: float) -> Vector:
    result: Vector = 0.5 * (1 + np.tanh(0.5 * np.log(size / capacity) / EDGE))
    return result
