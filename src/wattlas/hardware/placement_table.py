"""The walk of `hardware.placement`, for many sets at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wattlas.hardware.machine import CacheLevel


@dataclass(frozen=True)
class PlacementTable:
    """Where n sets lie; the fields of `Placement`, each [n].

    Attributes:
        level: 1 for the level nearest the unit, 2 for the next, …; 0 if the set fits in none.
        cached_bytes: share of one unit; NaN if it fits in none.
        occupied_bytes: of a unit and the levels before it.
        singular_occupied_bytes: the same with every unit of the levels before it counted.
        effective_bytes: shares of this set and of those below; NaN if it fits in none.
    """

    level: NDArray[np.int64]
    cached_bytes: NDArray[np.float64]
    occupied_bytes: NDArray[np.float64]
    singular_occupied_bytes: NDArray[np.float64]
    effective_bytes: NDArray[np.float64]


def place_many(
    levels: Sequence[CacheLevel],
    replicated: ArrayLike,
    distributed: ArrayLike,
    below: PlacementTable | None = None,
) -> PlacementTable:
    """Place n sets of `replicated` and `distributed` bytes, each [n], on top of `below`.

    >>> levels = [CacheLevel("L1", 1, "data", 100, 2), CacheLevel("L2", 2, "unified", 1000, 1)]
    >>> place_many(levels, [60.0, 60.0], [60.0, 100.0]).level
    array([1, 2])
    """
    r, d = np.broadcast_arrays(np.asarray(replicated, dtype=float), np.asarray(distributed, dtype=float))
    occupied = np.zeros(r.shape) if below is None else below.occupied_bytes.copy()
    singular = np.zeros(r.shape) if below is None else below.singular_occupied_bytes.copy()
    effective = np.zeros(r.shape) if below is None else below.effective_bytes
    level = np.zeros(r.shape, dtype=np.int64)
    cached = np.full(r.shape, np.nan)
    capacity = every_unit = 0
    for number, each in enumerate(levels, 1):
        capacity += each.capacity_bytes
        every_unit += each.capacity_bytes * each.units
        open_ = (level == 0) & (capacity > occupied)
        share = r + d / each.units
        fits = open_ & (occupied + share <= capacity)
        level[fits], cached[fits] = number, share[fits]
        occupied = np.where(fits, occupied + share, np.where(open_, capacity, occupied))
        singular = np.where(fits, singular + r + d, np.where(open_, every_unit, singular))
    return PlacementTable(level, cached, occupied, singular, effective + cached)
