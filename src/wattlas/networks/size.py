"""The size search: the scale of a shape whose number of trainable parameters is closest to a target.

Bisection over whole scales in [1, 2^30], as the published runs were made: of all scales visited, the one
with the smallest |P - size| is kept, the first among equals. The published widths are those of this walk, so
it is the walk that is defined here.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import NetworkSizeError, UsageError
from wattlas.networks.network import Network
from wattlas.networks.shapes import Shape, find_shape

LARGEST_SCALE = 2**30
# The published framework refuses a network this far from its size; BUTTER's documentation says 0.2.
DEFAULT_TOLERANCE = 0.5


def build_network(shape: str, depth: int, size: int, n_inputs: int, n_outputs: int) -> Network:
    """The network of `shape` and `depth` that the search finds closest to `size` trainable parameters.

    It may still be far from it: see `relative_size_error` and `check_size`.

    Raises:
        UnknownNameError: no such shape.
        UsageError: depth below 2, or a size, input or output count below 1.

    >>> build_network("trapezoid", 4, 4096, 126, 3).widths
    (26, 18, 11, 3)
    """
    _check(shape, depth, size, n_inputs, n_outputs)
    return _search(find_shape(shape), depth, size, n_inputs, n_outputs)


def build_networks(
    shapes: Iterable[str],
    depths: Iterable[int],
    sizes: Iterable[int],
    n_inputs: Iterable[int],
    n_outputs: Iterable[int],
) -> list[Network]:
    """`build_network` of every row, much faster: equal rows are searched once, and one shape's together.

    A shape registered without a `table` is searched row by row.

    Raises:
        UnknownNameError: no such shape.
        UsageError: columns of unlike length, or a row that `build_network` would refuse.
    """
    names = list(shapes)
    numbers = [[int(value) for value in column] for column in (depths, sizes, n_inputs, n_outputs)]
    lengths = [len(names), *(len(column) for column in numbers)]
    if len(set(lengths)) != 1:
        raise UsageError(f"columns of unlike lengths {lengths}; give one entry a network each")
    rows = list(zip(names, *numbers, strict=True))
    groups: dict[tuple[str, int], list[tuple[int, int, int]]] = defaultdict(list)
    for row in dict.fromkeys(rows):
        _check(*row)
        groups[row[0], row[1]].append(row[2:])
    built: dict[tuple[str, int, int, int, int], Network] = {}
    for (name, depth), members in groups.items():
        shape = find_shape(name)
        for member, network in zip(members, _search_many(shape, depth, members), strict=True):
            built[name, depth, *member] = network
    return [built[row] for row in rows]


def relative_size_error(network: Network, size: int) -> float:
    """|P - size| / size of a network built for `size`."""
    return abs(network.n_parameters - size) / size


def check_size(network: Network, size: int, tolerance: float = DEFAULT_TOLERANCE) -> None:
    """Refuse a network whose relative size error exceeds `tolerance`.

    Raises:
        NetworkSizeError: it does; the message names the closest size.
    """
    error = relative_size_error(network, size)
    if error > tolerance:
        raise NetworkSizeError(
            f"no {network.shape} of depth {network.depth} with {network.n_inputs} inputs and "
            f"{network.n_outputs} outputs has near {size} parameters: the closest has {network.n_parameters} "
            f"({error:.1%} off, {tolerance:.0%} allowed); ask for size {network.n_parameters}, another depth "
            "or a larger tolerance"
        )


def _check(shape: str, depth: int, size: int, n_inputs: int, n_outputs: int) -> None:
    find_shape(shape)
    if depth < 2:
        raise UsageError(
            f"depth {depth} leaves no hidden layer whose width could meet a size; ask for depth 2 or more"
        )
    for name, value in (("size", size), ("inputs", n_inputs), ("outputs", n_outputs)):
        if value < 1:
            raise UsageError(f"{name} is {value}; give a whole number of at least 1")


def _search(shape: Shape, depth: int, size: int, n_inputs: int, n_outputs: int) -> Network:
    low, high = 1, LARGEST_SCALE
    best: Network | None = None
    best_error = 0
    while low < high:
        scale = (low + high) // 2
        network = Network(shape.name, n_inputs, shape.widths(scale, depth, n_outputs), shape.residual)
        excess = network.n_parameters - size
        if best is None or abs(excess) < best_error:
            best, best_error = network, abs(excess)
        if excess == 0:
            break
        if excess < 0:
            low = scale + 1
        else:
            high = scale
    assert best is not None
    return best


def _search_many(shape: Shape, depth: int, members: list[tuple[int, int, int]]) -> list[Network]:
    """One network a member (size, n_inputs, n_outputs), all of one shape and depth.

    The bisections advance together, over 64-bit integers. Parameter counts are largest at the first scale
    visited, 2^29, unless that one is too small: members that need more, or could overflow, go the scalar way.
    """
    first = (1 + LARGEST_SCALE) // 2
    largest = {
        (inputs, outputs): Network(shape.name, inputs, shape.widths(first, depth, outputs)).n_parameters
        for inputs, outputs in {member[1:] for member in members}
    }
    scalar = [
        shape.table is None or size >= largest[inputs, outputs] or largest[inputs, outputs] >= 2**63
        for size, inputs, outputs in members
    ]
    networks: list[Network | None] = [
        _search(shape, depth, *member) if alone else None
        for member, alone in zip(members, scalar, strict=True)
    ]
    together = [i for i, alone in enumerate(scalar) if not alone]
    if together:
        table = np.array([members[i] for i in together], dtype=np.int64)
        for i, widths in zip(together, _bisect(shape, depth, table).tolist(), strict=True):
            networks[i] = Network(shape.name, members[i][1], tuple(widths), shape.residual)
    return [network for network in networks if network is not None]


def _bisect(shape: Shape, depth: int, members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Widths (n, depth) for members (n, 3) of size, inputs and outputs."""
    assert shape.table is not None
    n = len(members)
    low, high = np.ones(n, dtype=np.int64), np.full(n, LARGEST_SCALE, dtype=np.int64)
    best = np.zeros((n, depth), dtype=np.int64)
    best_error = np.full(n, np.iinfo(np.int64).max)
    while len(active := np.flatnonzero(low < high)):
        size, inputs, outputs = members[active].T
        scale = (low[active] + high[active]) // 2
        widths = shape.table(scale, depth, outputs)
        before = np.concatenate([inputs[:, None], widths[:, :-1]], axis=1)
        excess = ((before + 1) * widths).sum(axis=1) - size
        closer = np.abs(excess) < best_error[active]
        best[active[closer]] = widths[closer]
        best_error[active[closer]] = np.abs(excess[closer])
        # `low` passing `high` ends a row that met its size exactly.
        low[active] = np.where(excess < 0, scale + 1, np.where(excess == 0, LARGEST_SCALE + 1, low[active]))
        high[active] = np.where(excess > 0, scale, high[active])
    return best
