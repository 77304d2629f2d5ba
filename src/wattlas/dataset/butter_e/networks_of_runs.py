"""The networks of the runs as they were built: inputs after encoding, widths by the size search."""

import polars as pl

from wattlas.networks.shapes import shape_names
from wattlas.networks.size import build_networks
from wattlas.networks.tasks import PAPER_TASKS

KEYS = ["dataset", "shape", "depth", "size"]
EPOCHS = 3000


def networks_of(runs: pl.DataFrame) -> pl.DataFrame:
    """Widths, parameters and the dataset's facts, one row a distinct network (the `KEYS`) that can be built.

    `is_rectangle`: of depth 2 and as wide as the rectangle of its size. All shapes of depth 2 are, but
    exponential ones that are clamped at the output's width.
    """
    distinct = runs.select(KEYS).unique().sort(KEYS)
    known = distinct.filter(
        pl.col("dataset").is_in(list(PAPER_TASKS)) & pl.col("shape").is_in(list(shape_names()))
        & (pl.col("depth") >= 2)
        & (pl.col("size") >= 1)
    )  # fmt: skip
    rows = known.rows()
    tasks = [PAPER_TASKS[row[0]] for row in rows]
    wanted = [
        (shape, depth, size, task.n_inputs, task.n_outputs)
        for (_, shape, depth, size), task in zip(rows, tasks, strict=True)
    ]
    shallow = [i for i, row in enumerate(rows) if row[2] == 2]
    every = [*wanted, *(("rectangle", *wanted[i][1:]) for i in shallow)]
    shapes, depths, sizes, inputs, outputs = ([row[k] for row in every] for k in range(5))
    networks = build_networks([str(shape) for shape in shapes], depths, sizes, inputs, outputs)
    built, rectangles = networks[: len(rows)], networks[len(rows) :]
    is_rectangle = [False] * len(rows)
    for i, rectangle in zip(shallow, rectangles, strict=True):
        is_rectangle[i] = rectangle.widths == built[i].widths
    return known.with_columns(
        pl.Series("widths", [list(n.widths) for n in built], pl.List(pl.Int64)),
        pl.Series("n_parameters", [n.n_parameters for n in built], pl.Int64),
        pl.Series("is_rectangle", is_rectangle, pl.Boolean),
        pl.Series("n_inputs", [task.n_inputs for task in tasks], pl.Int64),
        pl.Series("n_outputs", [task.n_outputs for task in tasks], pl.Int64),
        pl.Series("n_observations", [task.n_observations for task in tasks], pl.Int64),
        pl.Series("n_train_batches", [task.n_train_batches() for task in tasks], pl.Int64),
        pl.Series("n_test_batches", [task.n_test_batches() for task in tasks], pl.Int64),
    )
