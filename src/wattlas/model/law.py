"""The energy law: joules per datum from the features of a training step, with a gradient and named parts.

For a batch of B data, b training and b_t test batches an epoch:

    host    H = step + Σ layers [layer + sync · M / (M + sync_half)]        M: a layer's multiply-accumulates per datum
    device  G = device_step + flop · FLOPs + parameter_byte · 4 P + activation_byte · bytes + Σ levels beyond
    step    E = (H^p + G^p)^(1/p) + input_byte · input bytes
    test    E_t: the same with test_share · H and forward work only
    energy per datum = (E + b_t/b · E_t + epoch / b) / B

p is the overlap of host and device: 1 where they take turns (a CPU), larger where the slower one hides the other
(a GPU whose kernels are launched ahead). `beyond` a level is the extra energy per byte of the traffic that no
longer fits that level, with a smooth edge. Coefficients are positive; a law works on their logarithms.

Parts of an energy sum to it. H and G overlap, so each is given (H/E)^p and (G/E)^p of the step: E is homogeneous
of degree one in them, and by Euler's theorem these shares are exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.hardware.machine import CacheLevel
from wattlas.model.features import Features, Vector

# Width of the edge of a cache level, in natural logarithms of its capacity.
EDGE = 0.35

UNITS = {
    "step": "J per training step",
    "layer": "J per layer and step",
    "sync": "J per layer and step, once the layer runs in parallel",
    "sync_half": "multiply-accumulates per datum at which half of sync is paid",
    "device_step": "J per training step",
    "flop": "J per operation",
    "parameter_byte": "J per byte of parameters and step",
    "activation_byte": "J per byte of activations",
    "input_byte": "J per byte of input",
    "epoch": "J per epoch",
    "overlap": "exponent p; 1: host and device take turns",
    "test_share": "host cost of a test batch over that of a training step",
}
HOST = ("step", "layer", "sync")
DEVICE = ("device_step", "flop", "parameter_byte", "activation_byte")
BEYOND = ("parameter_byte_beyond_", "activation_byte_beyond_")
# Part of the energy that a coefficient's cost goes to; bytes go to the level that holds them.
LAUNCH, COMPUTE, INPUT = "launch", "compute", "input_copy"


def unit(name: str) -> str:
    """Unit of a coefficient.

    >>> unit("flop")
    'J per operation'
    """
    for prefix in BEYOND:
        if name.startswith(prefix):
            return f"J per byte that does not fit {name.removeprefix(prefix)}, above the level before"
    return UNITS[name]


@dataclass(frozen=True)
class Law:
    """Which coefficients a machine's law has: `free` ones, fitted, and `fixed` ones.

    Attributes:
        free: names of fitted coefficients.
        fixed: values of those that are set; a coefficient in neither is 0 (`overlap`: 1).
        levels: of the machine, nearest first: where bytes lie, and what `beyond` coefficients speak of.
    """

    free: tuple[str, ...]
    fixed: Mapping[str, float]
    levels: tuple[CacheLevel, ...]

    def values(self, x: Vector) -> dict[str, float]:
        """Coefficients by name, from their logarithms (`overlap`: of p - 1)."""
        values = {n: float(np.exp(v)) for n, v in zip(self.free, x, strict=True)}
        if "overlap" in values:
            values["overlap"] += 1.0
        return {**self.fixed, **values}

    def logs(self, values: Mapping[str, float]) -> Vector:
        """Inverse of `values`, of the free coefficients."""
        return np.array([np.log(values[n] - 1.0 if n == "overlap" else values[n]) for n in self.free])


@dataclass(frozen=True)
class Columns:
    """What a law's coefficients multiply, over n points: (training step, test batch) each."""

    features: Features
    device: Mapping[str, tuple[Vector, Vector]]
    inside: Mapping[str, tuple[Vector, Vector]]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Columns":
        """The columns of some rows."""
        return Columns(
            self.features.take(rows),
            {k: (a[rows], b[rows]) for k, (a, b) in self.device.items()},
            {k: (a[rows], b[rows]) for k, (a, b) in self.inside.items()},
        )


def columns(law: Law, f: Features) -> Columns:
    """Columns of a law: they do not change while it is fitted."""
    # A forward pass writes each activation once; training also reads and writes its gradient.
    device = {
        "device_step": (np.ones(len(f)), np.ones(len(f))),
        "flop": (f.flops, f.forward_flops),
        "parameter_byte": (f.parameter_bytes, 0.0 * f.parameter_bytes),
        "activation_byte": (f.activation_bytes, f.activation_bytes / 3.0),
    }
    names = set(law.free) | set(law.fixed)
    spill = spilled(law.levels, f)
    for traffic in ("parameter_byte", "activation_byte"):
        for level, fraction in zip(law.levels, spill[traffic], strict=True):
            name = f"{traffic}_beyond_{level.name}"
            if name in names:
                train, test = device[traffic]
                device[name] = (train * fraction, test * fraction)
    kept = {name: pair for name, pair in device.items() if name in names}
    return Columns(f, kept, {k: (v[0], v[1]) for k, v in _inside(law.levels, spill).items()})


def spilled(levels: Sequence[CacheLevel], f: Features) -> dict[str, list[Vector]]:
    """Fraction of parameter and of activation traffic beyond each level: 0 inside, 1 outside, smooth between.

    Parameters with their gradients are in every unit (8 P bytes) beside a share of the activations; activations
    are dealt out. Capacities add up from the nearest level, as in `hardware.placement`. Nothing is beyond the
    last level.
    """
    result: dict[str, list[Vector]] = {"parameter_byte": [], "activation_byte": []}
    capacity = 0.0
    for i, level in enumerate(levels):
        capacity += level.capacity_bytes
        shared = (f.activation_bytes + f.input_bytes) / level.units
        sets = {
            "parameter_byte": 2 * f.parameter_bytes + shared,
            "activation_byte": f.interlayer_bytes / level.units,
        }
        for name, size in sets.items():
            last = i == len(levels) - 1
            z = np.log(size / capacity) / EDGE
            result[name].append(np.zeros(len(f)) if last else 0.5 * (1 + np.tanh(0.5 * z)))
    return result


def _inside(
    levels: Sequence[CacheLevel], spill: Mapping[str, list[Vector]]
) -> dict[str, tuple[Vector, Vector]]:
    """Fraction of (parameter, activation) traffic that lies in each level."""
    result = {}
    for i, level in enumerate(levels):
        fractions = []
        for name in ("parameter_byte", "activation_byte"):
            before = spill[name][i - 1] if i else np.ones_like(spill[name][0])
            fractions.append(np.maximum(before - np.minimum(spill[name][i], before), 0.0))
        result[level.name] = (fractions[0], fractions[1])
    return result


@dataclass(frozen=True)
class _Step:
    """Host and device cost of steps, joined, and the weights that split the join."""

    joined: Vector
    host_weight: Vector
    device_weight: Vector
    overlap_slope: Vector


def _join(host: Vector, device: Vector, p: float) -> _Step:
    if p == 1.0:
        one = np.ones_like(host)
        return _Step(host + device, one, one, 0.0 * host)
    larger = np.maximum(np.maximum(host, device), 1e-300)
    a, b = host / larger, device / larger
    joined = larger * (a**p + b**p) ** (1 / p)
    a, b = host / joined, device / joined
    tiny = 1e-300
    slope = joined * (a**p * np.log(a + tiny) + b**p * np.log(b + tiny)) / p
    return _Step(joined, a ** (p - 1), b ** (p - 1), slope)


def evaluate_law(law: Law, x: Vector, c: Columns) -> tuple[Vector, NDArray[np.float64]]:
    """Energy per datum (n,), J, and its derivative with respect to each log coefficient (n, free)."""
    v, f = law.values(x), c.features
    half = v.get("sync_half", 1.0)
    share = v.get("test_share", 0.0)
    p = v.get("overlap", 1.0)
    ratio, scale = f.test_ratio, 1 / f.batch_size
    counts = _host_counts(v, f, half)
    host = sum((v[n] * counts[n] for n in counts), np.zeros(len(f)))
    train_device = sum((v[n] * a for n, (a, _) in c.device.items()), np.zeros(len(f)))
    test_device = sum((v[n] * b for n, (_, b) in c.device.items()), np.zeros(len(f)))
    train, test = _join(host, train_device, p), _join(share * host, test_device, p)
    copied = v.get("input_byte", 0.0) * f.input_bytes * (1 + ratio)
    epoch = v.get("epoch", 0.0) / f.train_batches
    energy = (train.joined + ratio * test.joined + copied + epoch) * scale
    on_host = train.host_weight + ratio * share * test.host_weight
    gradient = np.empty((len(f), len(law.free)))
    for k, name in enumerate(law.free):
        if name in counts:
            d = on_host * v[name] * counts[name]
        elif name in c.device:
            a, b = c.device[name]
            d = v[name] * (train.device_weight * a + ratio * test.device_weight * b)
        elif name == "sync_half":
            d = on_host * v["sync"] * -_saturation_slope(f, half)
        elif name == "input_byte":
            d = copied
        elif name == "epoch":
            d = epoch
        elif name == "overlap":
            d = (train.overlap_slope + ratio * test.overlap_slope) * (p - 1)
        else:
            d = ratio * test.host_weight * host * share
        gradient[:, k] = d * scale
    return energy, gradient


def parts_of(law: Law, x: Vector, c: Columns) -> dict[str, Vector]:
    """Energy per datum by cause, J: launch, compute, a `memory_LEVEL` for each level, input_copy; they sum."""
    v, f = law.values(x), c.features
    share, p = v.get("test_share", 0.0), v.get("overlap", 1.0)
    ratio, scale = f.test_ratio, 1 / f.batch_size
    counts = _host_counts(v, f, v.get("sync_half", 1.0))
    host = sum((v[n] * counts[n] for n in counts), np.zeros(len(f)))
    device_train = sum((v[n] * a for n, (a, _) in c.device.items()), np.zeros(len(f)))
    device_test = sum((v[n] * b for n, (_, b) in c.device.items()), np.zeros(len(f)))
    train, test = _join(host, device_train, p), _join(share * host, device_test, p)

    def spent(name: str) -> Vector:
        a, b = c.device[name]
        return scale * v[name] * (train.device_weight * a + ratio * test.device_weight * b)

    launch = (train.host_weight + ratio * share * test.host_weight) * host
    parts = {LAUNCH: scale * (launch + v.get("epoch", 0.0) / f.train_batches)}
    parts[COMPUTE] = np.zeros(len(f))
    parts |= {f"memory_{level.name}": np.zeros(len(f)) for level in law.levels}
    for name in c.device:
        if name == "device_step":
            parts[LAUNCH] = parts[LAUNCH] + spent(name)
        elif name == "flop":
            parts[COMPUTE] = parts[COMPUTE] + spent(name)
        else:
            _to_levels(law, c, name, spent(name), parts)
    parts[INPUT] = scale * v.get("input_byte", 0.0) * f.input_bytes * (1 + ratio)
    return parts


def _to_levels(law: Law, c: Columns, name: str, energy: Vector, parts: dict[str, Vector]) -> None:
    """Add the energy of bytes to the levels they lie in; what is `beyond` a level, to the levels after it."""
    traffic, _, beyond = name.partition("_beyond_")
    which = 0 if traffic == "parameter_byte" else 1
    names = [level.name for level in law.levels]
    first = names.index(beyond) + 1 if beyond else 0
    fractions = {n: c.inside[n][which] for n in names[first:]}
    total = sum(fractions.values(), np.zeros(len(energy)))
    safe = np.where(total > 0, total, 1.0)
    for n, fraction in fractions.items():
        parts[f"memory_{n}"] = parts[f"memory_{n}"] + energy * np.where(total > 0, fraction / safe, 0.0)
    last = f"memory_{names[-1]}"
    parts[last] = parts[last] + np.where(total > 0, 0.0, energy)


def _host_counts(v: Mapping[str, float], f: Features, half: float) -> dict[str, Vector]:
    counts = {"step": np.ones(len(f)), "layer": f.depth}
    if "sync" in v:
        counts["sync"] = (f.macs / (f.macs + half)).sum(axis=1)
    return {name: column for name, column in counts.items() if name in v}


def _saturation_slope(f: Features, half: float) -> Vector:
    """Minus the derivative of Σ M / (M + half) with respect to ln half."""
    slope: Vector = (half * f.macs / (f.macs + half) ** 2).sum(axis=1)
    return slope
