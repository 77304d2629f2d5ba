"""Points without energies: every network of a grid of tasks, shapes, depths and sizes on one machine."""

from collections.abc import Iterable, Sequence
from itertools import product

import polars as pl

from wattlas.networks.shapes import shape_names
from wattlas.networks.size import DEFAULT_TOLERANCE, build_networks, relative_size_error
from wattlas.networks.tasks import PAPER_TASKS, Task

PAPER_DEPTHS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)


def grid_points(
    machine: str,
    tasks: Iterable[Task] = tuple(PAPER_TASKS.values()),
    shapes: Sequence[str] = shape_names(),
    depths: Sequence[int] = PAPER_DEPTHS,
    log2_sizes: Sequence[int] = range(5, 25),
    batch_size: int = 256,
    tolerance: float = DEFAULT_TOLERANCE,
) -> pl.DataFrame:
    """Checked points of the grid; sizes that no network of the shape comes near (`tolerance`) are left out.

    At depth 2, where the shapes coincide, only the rectangle is kept.

    >>> frame = grid_points("eagle-cpu", [PAPER_TASKS["mnist"]], ["rectangle"], [2], [12, 13])
    >>> frame["widths"].to_list()
    [[5, 10], [10, 10]]
    """
    asked = [
        (task, shape, depth, size)
        for task, shape, depth, size in product(tasks, shapes, depths, log2_sizes)
        if depth > 2 or shape == "rectangle"
    ]
    networks = build_networks(
        [shape for _, shape, _, _ in asked],
        [depth for _, _, depth, _ in asked],
        [2**size for _, _, _, size in asked],
        [task.n_inputs for task, _, _, _ in asked],
        [task.n_outputs for task, _, _, _ in asked],
    )
    rows = [
        {
            "machine": machine,
            "dataset": task.name,
            "shape": shape,
            "depth": depth,
            "log2_size": size,
            "n_parameters": network.n_parameters,
            "widths": list(network.widths),
            "n_inputs": task.n_inputs,
            "n_outputs": task.n_outputs,
            "n_observations": task.n_observations,
            "n_train_batches": task.n_train_batches(batch_size),
            "n_test_batches": task.n_test_batches(batch_size),
            "batch_size": batch_size,
        }
        for (task, shape, depth, size), network in zip(asked, networks, strict=True)
        if relative_size_error(network, 2**size) <= tolerance
    ]
    return pl.DataFrame(rows)
