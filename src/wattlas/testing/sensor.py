"""A power sensor in virtual time, with known delay, averaging window, update period, quantum and noise."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wattlas.core.clock import Clock
from wattlas.core.errors import MeterEndedError
from wattlas.meters.base import Channel, Reading
from wattlas.power.instrument import Instrument, Kind


@dataclass(frozen=True)
class SensorSpec:
    """What the sensor is like.

    Attributes:
        kind: a `gauge` gives the mean over `window_s`; a `counter` the energy up to `delay_s` ago of power
            that was averaged over `window_s`.
        part_time: a counter that adds its gauge value × update period, and sees nothing else.
        noise_w: standard deviation of each value (of each update's mean power, for a counter).
        quantum: W or J that values are rounded down to multiples of.
        jitter_s: standard deviation of the time of each update.
    """

    kind: Kind = "gauge"
    update_period_s: float = 0.1
    delay_s: float = 0.0
    window_s: float = 0.0
    part_time: bool = False
    idle_w: float = 120.0
    loaded_w: float = 310.0
    noise_w: float = 0.0
    quantum: float = 0.0
    jitter_s: float = 0.0
    phase_s: float = 0.0337
    range_j: float | None = None


class EmulatedSensor:
    """A meter that shows the load it is told of as its spec says, and nothing of anything else.

    Args:
        clock: moved by whoever reads.
        edges: gives the times at which the load goes on, off, on, …, as far as they are known.
        spec: what the sensor is like.
        seed: of its noise.
    """

    name = "emulated"

    def __init__(
        self, clock: Clock, edges: Callable[[], Sequence[float]], spec: SensorSpec, seed: int = 0
    ) -> None:
        self._clock, self._edges, self._spec = clock, edges, spec
        self._random = np.random.default_rng(seed)
        self._first_s = clock.monotonic_s() - 5 * spec.update_period_s + spec.phase_s * spec.update_period_s
        self._count, self._raw, self._due_s = 0, 0.0, self._first_s
        self._shown = 0.0
        self._closed = False
        self._walk_j = 0.0
        instrument = Instrument(spec.kind, 0.0, spec.update_period_s, 0.0, range_j=spec.range_j)
        self._channel = Channel("emulated:node", "node", instrument, source="simulated")

    def channels(self) -> tuple[Channel, ...]:
        """One channel of the node."""
        return (self._channel,)

    def read(self) -> tuple[Reading, ...]:
        """The value of the latest update."""
        if self._closed:
            raise MeterEndedError("the emulated sensor is closed; make another")
        now_s = self._clock.monotonic_s()
        while self._due_s <= now_s:
            self._update(self._due_s)
            self._count += 1
            jitter_s = self._spec.jitter_s * float(self._random.standard_normal())
            self._due_s = self._first_s + self._count * self._spec.update_period_s + jitter_s
        return (Reading(self._channel.id, now_s, now_s, self._shown),)

    def close(self) -> None:
        """Reading ends."""
        self._closed = True

    def _update(self, at_s: float) -> None:
        spec = self._spec
        noise_w = spec.noise_w * float(self._random.standard_normal())
        if spec.kind == "gauge":
            value = self._mean_w(at_s) + noise_w
        elif spec.part_time:
            self._raw += (self._mean_w(at_s) + noise_w) * spec.update_period_s
            value = self._raw
        else:
            self._walk_j += noise_w * spec.update_period_s
            value = self._counted_j(at_s) + self._walk_j
        if spec.quantum:
            value = math.floor(value / spec.quantum) * spec.quantum
        self._shown = value % spec.range_j if spec.range_j else value

    def _mean_w(self, at_s: float) -> float:
        end_s = at_s - self._spec.delay_s
        share = (
            self._lit_s(end_s - self._spec.window_s, end_s) / self._spec.window_s
            if self._spec.window_s
            else (1.0 if self._lit_s(end_s, end_s + 1e-9) > 0 else 0.0)
        )
        return self._spec.idle_w + (self._spec.loaded_w - self._spec.idle_w) * share

    def _counted_j(self, at_s: float) -> float:
        """Energy since the first update of averaged power: each instant of load counts once, spread out."""
        spec = self._spec
        end_s = at_s - spec.delay_s
        total_s = 0.0
        edges = self._edges()
        for on_s, off_s in zip(edges[::2], edges[1::2], strict=True):
            if on_s >= end_s:
                break
            if off_s <= end_s - spec.window_s or not spec.window_s:
                total_s += min(off_s, end_s) - on_s
            else:  # each moment of load has been let through in proportion to its age
                total_s += _passed_s(end_s - min(off_s, end_s), end_s - on_s, spec.window_s)
        return spec.idle_w * (at_s - self._first_s) + (spec.loaded_w - spec.idle_w) * total_s

    def _lit_s(self, begin_s: float, end_s: float) -> float:
        edges = self._edges()
        return math.fsum(
            max(min(off_s, end_s) - max(on_s, begin_s), 0.0)
            for on_s, off_s in zip(edges[::2], edges[1::2], strict=True)
        )


def _passed_s(youngest_s: float, oldest_s: float, window_s: float) -> float:
    """∫ min(age/window, 1) over ages from youngest to oldest."""
    ramp_end_s = min(oldest_s, window_s)
    ramp_s = max(ramp_end_s**2 - min(youngest_s, window_s) ** 2, 0.0) / (2 * window_s)
    return ramp_s + max(oldest_s - max(youngest_s, window_s), 0.0)
