"""Which part of a step's traffic lies beyond each level of memory: a smooth `hardware.placement`."""

from collections.abc import Sequence

import numpy as np

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
    parameter, activation = {}, {}
    capacity = 0.0
    for level in levels[:-1]:
        capacity += level.capacity_bytes
        b = 2 * f.parameter_bytes + (f.activation_bytes + f.input_bytes) / level.units
        parameter[level.name] = _beyond(b, capacity)
        activation[level.name] = _beyond(f.interlayer_bytes / level.units, capacity)
    return parameter, activation


def _beyond(size: Vector, capacity: float) -> Vector:
    result: Vector = 0.5 * (1 + np.tanh(0.5 * np.log(size / capacity) / EDGE))
    return result
