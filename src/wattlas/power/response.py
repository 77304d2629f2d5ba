"""How a meter answers a load that goes on and off: delay and averaging window by least squares."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# What an observed power is the mean of: `mean`, the window before its delayed time; `counted`, what a counter
# counted since the observation before, of power that was averaged over the window first.
Kernel = Literal["mean", "counted"]

# Below it a window is a spot value; formulas that divide by it lose their digits.
_SPOT_S = 1e-6
_STEPS_OF_SEARCH = 400


@dataclass(frozen=True, eq=False)
class Load:
    """A load that is on from `edge_s[0]` to `edge_s[1]`, from `edge_s[2]` to `edge_s[3]`, …; else off."""

    edge_s: Array

    def on(self, time_s: Array) -> Array:
        """1 where it is on, else 0."""
        return np.asarray(np.searchsorted(self.edge_s, time_s, side="right") % 2, dtype=np.float64)

    def on_time_s(self, time_s: Array) -> Array:
        """Seconds that it was on until each time."""
        return np.interp(time_s, self.edge_s, self._on_time_s)

    def integral_s2(self, time_s: Array) -> Array:
        """Integral of `on_time_s` from the first edge to each time."""
        edge_s = self.edge_s
        j = np.clip(np.searchsorted(edge_s, time_s, side="right") - 1, 0, None)
        since_s = np.maximum(time_s - edge_s[j], 0.0)
        on = (j % 2 == 0).astype(np.float64)
        return np.asarray(
            self._integral_s2[j] + self._on_time_s[j] * since_s + on * since_s**2 / 2, dtype=np.float64
        )

    @cached_property
    def _on_time_s(self) -> Array:
        length_s = np.diff(self.edge_s)
        length_s[1::2] = 0.0
        return np.concatenate(([0.0], np.cumsum(length_s)))

    @cached_property
    def _integral_s2(self) -> Array:
        mean_s = (self._on_time_s[1:] + self._on_time_s[:-1]) / 2
        return np.concatenate(([0.0], np.cumsum(mean_s * np.diff(self.edge_s))))


@dataclass(frozen=True, eq=False)
class Observed:
    """Powers [n] that a meter reported at `time_s`; a counter's are means since `since_s`."""

    time_s: Array
    since_s: Array
    power_w: Array

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Observed":
        """Some of them."""
        return Observed(self.time_s[index], self.since_s[index], self.power_w[index])


@dataclass(frozen=True)
class Fit:
    """P(t) = idle_w + (loaded_w − idle_w)·(share of the window before t − delay_s that the load was on).

    `explained` is R², the share of the variance that it explains.
    """

    kernel: Kernel
    delay_s: float
    window_s: float
    idle_w: float
    loaded_w: float
    explained: float


def share_on(load: Load, seen: Observed, kernel: Kernel, delay_s: Array | float, window_s: float) -> Array:
    """How much of what each observation covers the load was on; [n], or [m, n] of m delays as a column."""
    end_s = seen.time_s - delay_s
    if kernel == "mean":
        if window_s < _SPOT_S:
            return load.on(end_s)
        return (load.on_time_s(end_s) - load.on_time_s(end_s - window_s)) / window_s
    begin_s = seen.since_s - delay_s
    if window_s < _SPOT_S:
        counted_s = load.on_time_s(end_s) - load.on_time_s(begin_s)
    else:
        late = load.integral_s2(end_s) - load.integral_s2(end_s - window_s)
        early = load.integral_s2(begin_s) - load.integral_s2(begin_s - window_s)
        counted_s = (late - early) / window_s
    return np.asarray(counted_s / (seen.time_s - seen.since_s), dtype=np.float64)


def explained(share: Array, power_w: Array) -> Array:
    """R² of the line power = a + b·share for each row of `share`, 0 where b is not positive."""
    power = power_w - power_w.mean()
    share = share - share.mean(axis=-1, keepdims=True)
    along = np.maximum(share @ power, 0.0)
    total = (share**2).sum(axis=-1) * float(power @ power)
    return np.asarray(np.divide(along**2, total, out=np.zeros_like(along), where=total > 0))


def scan(
    load: Load,
    seen: Observed,
    kernel: Kernel,
    delays_s: Array,
    windows_s: Array,
    n_observations: int = 600,
) -> tuple[float, float, float]:
    """Best R² on a grid, and the delay and window it is found at; from about as many of the observations."""
    coarse = seen.take(slice(None, None, -(-len(seen.time_s) // n_observations)))
    best = (-1.0, 0.0, 0.0)
    for window_s in windows_s:
        r2 = explained(share_on(load, coarse, kernel, delays_s[:, None], float(window_s)), coarse.power_w)
        i = int(np.argmax(r2))
        best = max(best, (float(r2[i]), float(delays_s[i]), float(window_s)))
    return best


def refine(
    load: Load,
    seen: Observed,
    kernel: Kernel,
    start: tuple[float, float],
    step_s: float,
    least_s: float,
    shortest_delay_s: float,
    longest_window_s: float,
) -> Fit:
    """The fit that steps ever smaller from `step_s` to `least_s` lead to from a (delay, window).

    A delay may come out a little below 0: a bound there would hide how far noise moves it.
    """

    def score(delay_s: float, window_s: float) -> float:
        if delay_s < shortest_delay_s or not 0 <= window_s <= longest_window_s:
            return -1.0
        return float(explained(share_on(load, seen, kernel, delay_s, window_s)[None], seen.power_w)[0])

    delay_s, window_s = _climb(score, start, step_s, least_s)
    share = share_on(load, seen, kernel, delay_s, window_s)
    spread = share - share.mean()
    moved = float(spread @ spread)
    rise_w = float(spread @ seen.power_w) / moved if moved > 0 else 0.0
    idle_w = float(seen.power_w.mean()) - rise_w * float(share.mean())
    return Fit(kernel, delay_s, window_s, idle_w, idle_w + rise_w, score(delay_s, window_s))


def _climb(
    score: Callable[[float, float], float], start: tuple[float, float], step_s: float, least_s: float
) -> tuple[float, float]:
    """Where no step is better: of the delay, of the window with either its end or its middle kept."""
    here, best = start, score(*start)
    for _ in range(_STEPS_OF_SEARCH):
        ways = [(s * step_s * d, s * step_s * w) for d, w in ((1, 0), (0, 1), (-0.5, 1)) for s in (1, -1)]
        # A window shorter than a step can still vanish.
        ways.append((0.0, -here[1]))
        reached = [(score(here[0] + d, here[1] + w), here[0] + d, here[1] + w) for d, w in ways]
        top = max(reached)
        if top[0] > best:
            best, here = top[0], (top[1], top[2])
        elif step_s > least_s:
            step_s /= 2
        else:
            break
    return here
