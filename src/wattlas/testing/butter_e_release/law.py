"""What a made-up run takes and draws: the truth that a release of it is compared with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Law:
    """Time and power of a run. Pairs are (CPU, GPU).

    A run starts up for about `startup_s` at `startup_w` above idle. A training step then takes
    step_s + layer_s · depth + F / flops_per_s, where F are its operations; of that, compute is the last
    term's share c. Training draws W = light_w + heavy_w · c above idle, with a slow ripple: at time s into
    training, W · (1 + ripple · sin(2π s / ripple_period_s)). A node of idle power I and gain g draws
    I + g · (all that), and its meter rounds to whole watts after adding noise of standard deviation
    `noise_w`. `scatter` is the standard deviation of the log step time between runs.
    """

    startup_s: tuple[float, float] = (55.0, 650.0)
    startup_spread_s: tuple[float, float] = (1.3, 17.0)
    startup_w: tuple[float, float] = (45.0, 40.0)
    step_s: tuple[float, float] = (3.0e-3, 5.0e-3)
    layer_s: tuple[float, float] = (5.6e-4, 5.0e-4)
    flops_per_s: tuple[float, float] = (4.1e11, 4.1e12)
    light_w: tuple[float, float] = (80.0, 60.0)
    heavy_w: tuple[float, float] = (75.0, 150.0)
    scatter: float = 0.03
    ripple: float = 0.04
    ripple_period_s: float = 660.0
    noise_w: float = 0.7

    def step(self, is_gpu: Bools, depth: Floats, flops: Floats) -> tuple[Floats, Floats]:
        """Seconds of a training step, and the mean watts above idle while training."""
        compute_s = flops / of(self.flops_per_s, is_gpu)
        step_s = of(self.step_s, is_gpu) + of(self.layer_s, is_gpu) * depth + compute_s
        return step_s, of(self.light_w, is_gpu) + of(self.heavy_w, is_gpu) * compute_s / step_s

    def dynamic_w(self, since_s: Floats, startup_s: Floats, startup_w: Floats, train_w: Floats) -> Floats:
        """Watts above idle, at gain 1, `since_s` after the start of a run."""
        phase = 2 * np.pi * (since_s - startup_s) / self.ripple_period_s
        training = train_w * (1.0 + self.ripple * np.sin(phase))
        return np.where(since_s < startup_s, startup_w, training)

    def dynamic_j(self, run_s: Floats, startup_s: Floats, startup_w: Floats, train_w: Floats) -> Floats:
        """Joules above idle, at gain 1, of a whole run: the integral of `dynamic_w`, in closed form."""
        train_s = run_s - startup_s
        period_s = self.ripple_period_s
        wave_s = self.ripple * period_s / (2 * np.pi) * (1.0 - np.cos(2 * np.pi * train_s / period_s))
        return startup_w * startup_s + train_w * (train_s + wave_s)


def of(pair: tuple[float, float], is_gpu: Bools) -> Floats:
    """The CPU's or the GPU's value, by row."""
    return np.where(is_gpu, pair[1], pair[0])
