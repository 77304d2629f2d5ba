"""A machine as the energy model and the reports see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Device = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class CacheLevel:
    """One level of a memory hierarchy; `units` of them in the whole machine, each of `capacity_bytes`.

    `kind` is `data`, `instruction`, `unified` or `memory` (the last level, RAM or device memory).
    """

    name: str
    level: int
    kind: str
    capacity_bytes: int
    units: int


@dataclass(frozen=True)
class Processor:
    """A kind of CPU; `cores` are physical cores over all its `sockets`."""

    model: str
    sockets: int
    cores: int
    tdp_w: float | None = None


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU, `count` of them, with the levels of one kind of memory hierarchy over all of them.

    `memory_bytes` is that of one, None where it is not known.
    """

    model: str
    count: int
    memory_bytes: int | None
    levels: tuple[CacheLevel, ...] = ()
    tdp_w: float | None = None


@dataclass(frozen=True)
class Machine:
    """A machine: what it has, what it draws when idle and at most, and where each fact comes from.

    `provenance` maps a field (`caches`, `idle_power_w`, …) to its source. `device` says which of its
    processors trains: the hierarchy that working sets are placed in. Powers are at the node, in W: idle, the
    mean while training (`training_power_w`), and a bound that it does not exceed (`peak_power_w`);
    `u_power_relative` is their relative standard uncertainty.
    """

    name: str
    processors: tuple[Processor, ...]
    caches: tuple[CacheLevel, ...]
    memory_bytes: int | None
    gpus: tuple[Gpu, ...] = ()
    virtual: bool = False
    device: Device = "cpu"
    idle_power_w: float | None = None
    peak_power_w: float | None = None
    u_power_relative: float | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    training_power_w: float | None = None

    @property
    def cores(self) -> int:
        """Physical cores over all processors."""
        return sum(p.cores for p in self.processors)

    @property
    def hierarchy(self) -> tuple[CacheLevel, ...]:
        """Levels that data passes, nearest first, memory last, of the device that trains.

        Caches of one level but unlike cores (hybrid CPUs) are one level here: their units together, each with
        the mean capacity, so that the total stays. Memory of unknown size is left out.
        """
        if self.device == "gpu":
            return self.gpus[0].levels
        merged: dict[int, CacheLevel] = {}
        for cache in self.caches:
            if cache.kind not in ("data", "unified"):
                continue
            if other := merged.get(cache.level):
                units = other.units + cache.units
                total = other.capacity_bytes * other.units + cache.capacity_bytes * cache.units
                cache = replace(other, capacity_bytes=total // units, units=units)
            merged[cache.level] = cache
        data = [merged[level] for level in sorted(merged)]
        if self.memory_bytes is None:
            return tuple(data)
        ram = CacheLevel("RAM", 1 + max(merged, default=0), "memory", self.memory_bytes, 1)
        return (*data, ram)
