"""The networks of the runs as they were built: inputs after encoding, widths by the size search."""

from itertools import chain

import numpy as np
import polars as pl
import pyarrow as pa

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
    ends = np.cumsum([0, *(len(n.widths) for n in built)])
    flat = np.fromiter(chain.from_iterable(n.widths for n in built), dtype=np.int64, count=ends[-1])
    widths = pl.from_arrow(pa.LargeListArray.from_arrays(ends, flat))
    assert isinstance(widths, pl.Series)
    facts = [
        (name, t.n_inputs, t.n_outputs, t.n_observations, t.n_train_batches(), t.n_test_batches())
        for name, t in PAPER_TASKS.items()
    ]
    names = ["dataset", "n_inputs", "n_outputs", "n_observations", "n_train_batches", "n_test_batches"]
    return known.with_columns(
        widths.alias("widths"),
        pl.Series("n_parameters", [n.n_parameters for n in built], pl.Int64),
        pl.Series("is_rectangle", is_rectangle, pl.Boolean),
    ).join(pl.DataFrame(facts, schema=names, orient="row"), on="dataset", how="left", maintain_order="left")
