"""In which level of a memory hierarchy a working set comes to lie.

The walk of the BUTTER-E analysis. Levels are taken from the nearest outward; C is the running sum of the
capacities of *one unit* of each. A level whose C is not above what is occupied already is passed over. The
share of a unit is s = R + D / units: replicated bytes lie in every unit, distributed ones are dealt out. If
occupied plus share is at most C, the set lies there. If not, it moves outward whole, and the levels passed
count as full.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wattlas.core.errors import UsageError
from wattlas.hardware.machine import CacheLevel


class Set(Protocol):
    """A working set: what it adds, and the set it lies on."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def replicated_bytes(self) -> int:
        """Bytes in every unit."""
        ...

    @property
    def distributed_bytes(self) -> int:
        """Bytes dealt out over the units."""
        ...

    @property
    def below(self) -> "Set | None":
        """The set it lies on."""
        ...


@dataclass(frozen=True)
class Placement:
    """Where a set lies.

    Attributes:
        level_name: of the level, or None: it fits in none.
        cached_bytes: the share of one unit of that level; NaN if it fits in none.
        occupied_bytes: of a unit and the levels before it, this set and what lies below included; the
            whole hierarchy if it fits in none.
        singular_bytes: replicated + distributed, each counted once.
        effective_bytes: sum of the shares of this set and of those below it; NaN if it fits in none.
    """

    level_name: str | None
    cached_bytes: float
    occupied_bytes: float
    singular_bytes: float
    effective_bytes: float


def place(
    levels: Sequence[CacheLevel],
    occupied: float,
    replicated: float,
    distributed: float,
    effective: float = 0.0,
) -> Placement:
    """Place `replicated` and `distributed` bytes on top of `occupied` ones, by the walk above.

    `effective` is the effective size of what lies below.

    Raises:
        UsageError: no level, or negative bytes.

    >>> levels = [CacheLevel("L1", 1, "data", 100, 2), CacheLevel("L2", 2, "unified", 1000, 1)]
    >>> place(levels, 0, 60, 60).level_name, place(levels, 0, 60, 60).occupied_bytes
    ('L1', 90.0)
    >>> place(levels, 90, 60, 60).level_name, place(levels, 90, 60, 60).occupied_bytes
    ('L2', 220.0)
    """
    if not levels or min(occupied, replicated, distributed) < 0:
        raise UsageError(
            f"cannot place {replicated} + {distributed} bytes on {occupied} in {len(levels)} levels; give at "
            "least one level, and no negative size"
        )
    singular = replicated + distributed
    capacity = 0
    for level in levels:
        capacity += level.capacity_bytes
        if capacity <= occupied:
            continue
        share = replicated + distributed / level.units
        if occupied + share <= capacity:
            return Placement(level.name, share, occupied + share, singular, effective + share)
        occupied = capacity
    return Placement(None, math.nan, occupied, singular, math.nan)


def place_sets(levels: Sequence[CacheLevel], sets: Iterable[Set]) -> Mapping[str, Placement]:
    """Placement of each set on top of the one below it, by name.

    The published analysis places the inter-layer set layer by layer and takes the largest of every field.
    That is the placement of the largest layer, as long as no level has more units than the one before it.
    """
    placed: dict[str, Placement] = {}

    def of(each: Set) -> Placement:
        if each.name not in placed:
            below = None if each.below is None else of(each.below)
            placed[each.name] = place(
                levels,
                0.0 if below is None else below.occupied_bytes,
                each.replicated_bytes,
                each.distributed_bytes,
                0.0 if below is None else below.effective_bytes,
            )
        return placed[each.name]

    return {each.name: of(each) for each in sets}
