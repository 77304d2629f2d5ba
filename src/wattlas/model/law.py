"""The energy law: joules per datum from the features of a training step, with a gradient and named parts.

For a batch of B data, b training and b_t test batches an epoch (M: a layer's multiply-accumulates a datum):

    host    H = step + Σ layers [layer + sync · M / (M + sync_half)]
    device  G = device_step + flop · FLOPs + parameter_byte · 4 P + activation_byte · bytes + Σ levels beyond
    step    E = (H^p + G^p)^(1/p) + input_byte · input bytes
    test    E_t: the same with test_share · H and forward work only
    energy per datum = (E + b_t/b · E_t + epoch / b) / B

p is the overlap of host and device: 1 where they take turns (a CPU), larger where the slower one hides the
other (a GPU whose kernels are launched ahead). `..._beyond_LEVEL` is what a byte costs more once its working
set no longer fits that level, with a smooth edge (`spill`): costs per byte never fall outward. All
coefficients are positive; a law works on their logarithms.

Energy is homogeneous of degree one in the costs (all coefficients but `SHAPES`), so by Euler's theorem
cost · ∂E/∂cost are parts that sum to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.hardware.machine import CacheLevel
from wattlas.model.features import Features, Vector
from wattlas.model.spill import spilled

UNITS = {
    "step": "J/step",
    "layer": "J/layer/step",
    "sync": "J/layer/step",
    "sync_half": "FLOP/datum",
    "device_step": "J/step",
    "flop": "J/FLOP",
    "parameter_byte": "J/B",
    "activation_byte": "J/B",
    "input_byte": "J/B",
    "epoch": "J/epoch",
    "overlap": "1",
    "test_share": "1",
}
MEANINGS = {
    "step": "host cost of a training step",
    "layer": "host cost of a layer in a training step",
    "sync": "more for a layer that is large enough to run in parallel",
    "sync_half": "multiply-accumulates per datum of a layer at which half of sync is paid",
    "device_step": "device cost of a training step, whatever the network",
    "flop": "an operation (multiply-accumulate = 1)",
    "parameter_byte": "a byte of parameters, once a training step",
    "activation_byte": "a byte of activations of a batch, once a training step",
    "input_byte": "a byte of input of a batch",
    "epoch": "what happens once an epoch",
    "overlap": "exponent p: 1 where host and device take turns, larger where one hides the other",
    "test_share": "host cost of a test batch over that of a training step",
}
# Coefficients that are no cost: energy is not proportional to them.
SHAPES = ("sync_half", "overlap", "test_share")
TRAFFIC = ("parameter_byte", "activation_byte")


def beyond(traffic: str, level: str) -> str:
    """Name of the coefficient for bytes that no longer fit a level.

    >>> beyond("parameter_byte", "L2")
    'parameter_byte_beyond_L2'
    """
    return f"{traffic}_beyond_{level}"


def describe(name: str) -> tuple[str, str]:
    """Unit and meaning of a coefficient.

    >>> describe("flop")
    ('J/FLOP', 'an operation (multiply-accumulate = 1)')
    """
    base, _, level = name.partition("_beyond_")
    return UNITS[base], f"more for {MEANINGS[base]}, beyond {level}" if level else MEANINGS[base]


@dataclass(frozen=True)
class Law:
    """Which coefficients a machine's law has: `free` ones, fitted, and `fixed` ones.

    Attributes:
        free: names of fitted coefficients.
        fixed: values of those that are set; a coefficient in neither is 0 (`overlap`: 1).
        levels: of the machine, nearest first: what `beyond` coefficients speak of.
    """

    free: tuple[str, ...]
    fixed: Mapping[str, float]
    levels: tuple[CacheLevel, ...]

    def values(self, x: Vector) -> dict[str, float]:
        """Coefficients by name, from their logarithms (`overlap`: of p - 1)."""
        values = {n: float(np.exp(v)) for n, v in zip(self.free, x, strict=True)}
        if "overlap" in values:
            values["overlap"] += 1.0
        return {**values, **self.fixed}

    def logs(self, values: Mapping[str, float]) -> Vector:
        """Inverse of `values`, of the free coefficients."""
        return np.array([np.log(values[n] - 1.0 if n == "overlap" else values[n]) for n in self.free])


@dataclass(frozen=True)
class Columns:
    """What a law's device costs multiply, over n points: (training step, test batch) each."""

    features: Features
    device: Mapping[str, tuple[Vector, Vector]]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Columns":
        """The columns of some rows."""
        taken = {k: (a[rows], b[rows]) for k, (a, b) in self.device.items()}
        return Columns(self.features.take(rows), taken)


def columns(law: Law, f: Features) -> Columns:
    """Columns of a law: they do not change while it is fitted."""
    # A forward pass writes each activation once; training also reads it and writes its gradient.
    device = {
        "device_step": (np.ones(len(f)), np.ones(len(f))),
        "flop": (f.flops, f.forward_flops),
        "parameter_byte": (f.parameter_bytes, np.zeros(len(f))),
        "activation_byte": (f.activation_bytes, f.activation_bytes / 3.0),
    }
    for traffic, fractions in zip(TRAFFIC, spilled(law.levels, f), strict=True):
        for level, fraction in fractions.items():
            train, test = device[traffic]
            device[beyond(traffic, level)] = (train * fraction, test * fraction)
    return Columns(f, {name: device[name] for name in law.free if name in device})


def evaluate_law(law: Law, x: Vector, c: Columns) -> tuple[Vector, NDArray[np.float64]]:
    """Energy per datum (n,), J, and its derivative with respect to each log coefficient (n, free)."""
    energy, slope = _evaluate(law.values(x), c)
    return energy, np.column_stack([slope(name) for name in law.free])


def parts_of(law: Law, x: Vector, c: Columns) -> dict[str, Vector]:
    """Energy per datum of each cost, J; they sum to the energy."""
    _, slope = _evaluate(law.values(x), c)
    return {name: slope(name) for name in law.free if name not in SHAPES}


def _evaluate(v: Mapping[str, float], c: Columns) -> tuple[Vector, Callable[[str], Vector]]:
    """Energy per datum, and the function that gives its derivative to a log coefficient."""
    f = c.features
    half, share, p = v.get("sync_half", 1.0), v.get("test_share", 0.0), v.get("overlap", 1.0)
    ratio = f.test_batches / f.train_batches
    counts = {"step": np.ones(len(f)), "layer": f.depth}
    if "sync" in v:
        counts["sync"] = (f.macs / (f.macs + half)).sum(axis=1)
    added = {"input_byte": f.input_bytes * (1 + ratio), "epoch": 1 / f.train_batches}
    zero = np.zeros(len(f))
    host = sum((v[n] * counts[n] for n in counts if n in v), zero)
    train_device = sum((v[n] * a for n, (a, _) in c.device.items()), zero)
    test_device = sum((v[n] * b for n, (_, b) in c.device.items()), zero)
    train, test = _join(host, train_device, p), _join(share * host, test_device, p)
    on_host = train.host + ratio * share * test.host
    energy = train.joined + ratio * test.joined + sum((v[n] * added[n] for n in added if n in v), zero)

    def slope(name: str) -> Vector:
        d: Vector
        if name in counts:
            d = on_host * v[name] * counts[name]
        elif name in c.device:
            a, b = c.device[name]
            d = v[name] * (train.device * a + ratio * test.device * b)
        elif name in added:
            d = v[name] * added[name]
        elif name == "sync_half":
            d = -on_host * v["sync"] * (half * f.macs / (f.macs + half) ** 2).sum(axis=1)
        elif name == "overlap":
            d = (train.overlap + ratio * test.overlap) * (p - 1)
        else:
            d = ratio * test.host * host * share
        return d / f.batch_size

    return energy / f.batch_size, slope


@dataclass(frozen=True)
class _Step:
    """Host and device cost of steps joined, and its derivatives to each and to p."""

    joined: Vector
    host: Vector
    device: Vector
    overlap: Vector


def _join(host: Vector, device: Vector, p: float) -> _Step:
    if p == 1.0:
        return _Step(host + device, np.ones(len(host)), np.ones(len(host)), np.zeros(len(host)))
    tiny = 1e-300
    larger = np.maximum(np.maximum(host, device), tiny)
    joined = larger * ((host / larger) ** p + (device / larger) ** p) ** (1 / p)
    a, b = np.maximum(host / joined, tiny), np.maximum(device / joined, tiny)
    overlap = joined * (a**p * np.log(a) + b**p * np.log(b)) / p
    return _Step(joined, a ** (p - 1), b ** (p - 1), overlap)
