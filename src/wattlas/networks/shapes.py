"""Shapes: how a network's widths follow from one scale. A new one is a decorated function.

    @register_shape("halving")
    def halving(scale, depth, n_outputs):
        return [*(max(1, scale >> k) for k in range(depth - 1)), n_outputs]

Rounding is half to even. Reference: Tripp et al., arXiv 2403.08151; the BUTTER framework as of 2022-09-15.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import UnknownNameError, UsageError

Widths = Callable[[int, int, int], Iterable[int]]
# (scales, depth, outputs) -> (len(scales), depth) integers; row i equals the scalar function of scales[i].
WidthTable = Callable[[NDArray[np.int64], int, NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Shape:
    """A width profile.

    Attributes:
        name: as a spec or the command line gives it.
        rule: (scale, depth, n_outputs) -> `depth` widths ending at `n_outputs`; `scale` >= 1, `depth` >= 2.
            The number of parameters must not fall as `scale` grows, or the size search may miss the best.
        residual: each hidden layer after the first adds its input to its output.
        table: the same rule for many scales at once, or None; only speed depends on it.
    """

    name: str
    rule: Widths
    residual: bool = False
    table: WidthTable | None = None

    def widths(self, scale: int, depth: int, n_outputs: int) -> tuple[int, ...]:
        """Layer widths, output included.

        Raises:
            UsageError: depth below 2, or the rule broke its promise.

        >>> SHAPES["trapezoid"].widths(26, 4, 3)
        (26, 18, 11, 3)
        """
        if depth < 2:
            raise UsageError(
                f"depth {depth} leaves no hidden layer whose width could meet a size; ask for depth 2 or more"
            )
        widths = tuple(self.rule(scale, depth, n_outputs))
        whole = all(isinstance(w, int | np.integer) and w >= 1 for w in widths)
        if len(widths) != depth or widths[-1] != n_outputs or not whole:
            raise UsageError(
                f"shape {self.name!r} gave widths {widths} for scale {scale}, depth {depth} and {n_outputs} "
                "outputs; it must give `depth` whole widths of at least 1 that end at the number of outputs"
            )
        return tuple(int(w) for w in widths)


SHAPES: dict[str, Shape] = {}


def register_shape(
    name: str, *, residual: bool = False, table: WidthTable | None = None
) -> Callable[[Widths], Widths]:
    """Decorate a function (scale, depth, n_outputs) -> widths to make it the shape `name`.

    Raises:
        UsageError: the name is taken.
    """

    def register(rule: Widths) -> Widths:
        if name in SHAPES:
            raise UsageError(f"shape {name!r} is already registered; choose another name")
        SHAPES[name] = Shape(name, rule, residual, table)
        return rule

    return register


def shape_names() -> tuple[str, ...]:
    """Names of all registered shapes, in order of registration."""
    return tuple(SHAPES)


def find_shape(name: str) -> Shape:
    """The shape of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in SHAPES:
        raise UnknownNameError("shape", name, SHAPES)
    return SHAPES[name]


def _columns(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.stack(columns, axis=1)


def _rectangle_table(
    scales: NDArray[np.int64], depth: int, n_outputs: NDArray[np.int64]
) -> NDArray[np.int64]:
    return _columns([*[scales] * (depth - 1), n_outputs])


def _trapezoid_table(
    scales: NDArray[np.int64], depth: int, n_outputs: NDArray[np.int64]
) -> NDArray[np.int64]:
    steps = np.arange(depth)
    widths = scales[:, None] - steps * (scales - n_outputs)[:, None] / (depth - 1)
    return np.rint(widths).astype(np.int64)


def _exponential_table(
    scales: NDArray[np.int64], depth: int, n_outputs: NDArray[np.int64]
) -> NDArray[np.int64]:
    powers = np.arange(depth) / (depth - 1)
    exact = scales[:, None] * (n_outputs / scales)[:, None] ** powers
    widths = np.rint(exact).astype(np.int64)
    # NumPy's power may differ from the C library's in the last bits: a width that those could round the other
    # way is left to the scalar rule.
    fraction = np.abs(exact - np.floor(exact) - 0.5)
    for row, k in np.argwhere(fraction <= 1e-12 * exact):
        scale, outputs = int(scales[row]), int(n_outputs[row])
        widths[row, k] = round(scale * (outputs / scale) ** (int(k) / (depth - 1)))
    return np.maximum(widths, n_outputs[:, None])


@register_shape("rectangle", table=_rectangle_table)
@register_shape("rectangle_residual", residual=True, table=_rectangle_table)
def rectangle(scale: int, depth: int, n_outputs: int) -> list[int]:
    """Hidden layers of one width."""
    return [*[scale] * (depth - 1), n_outputs]


@register_shape("trapezoid", table=_trapezoid_table)
def trapezoid(scale: int, depth: int, n_outputs: int) -> list[int]:
    """Linear from the scale to the output: w[k] = round(s - k (s - o) / (D - 1)), k = 0 … D - 1."""
    return [round(scale - k * (scale - n_outputs) / (depth - 1)) for k in range(depth)]


@register_shape("exponential", table=_exponential_table)
def exponential(scale: int, depth: int, n_outputs: int) -> list[int]:
    """Geometric from the scale to the output, never below it: max(o, round(s (o / s)^(k / (D - 1))))."""
    return [max(n_outputs, round(scale * (n_outputs / scale) ** (k / (depth - 1)))) for k in range(depth)]


def _wide_first(factor: int) -> None:
    """Shape `wide_first_{factor}x`: s, then D - 2 layers of max(1, round(s / factor)), then the output."""

    def rule(scale: int, depth: int, n_outputs: int) -> list[int]:
        return [scale, *[max(1, round(scale / factor))] * (depth - 2), n_outputs]

    def table(scales: NDArray[np.int64], depth: int, n_outputs: NDArray[np.int64]) -> NDArray[np.int64]:
        narrow = np.maximum(np.rint(scales / factor).astype(np.int64), 1)
        return _columns([scales, *[narrow] * (depth - 2), n_outputs])

    register_shape(f"wide_first_{factor}x", table=table)(rule)


for _factor in (2, 4, 8, 16):
    _wide_first(_factor)
