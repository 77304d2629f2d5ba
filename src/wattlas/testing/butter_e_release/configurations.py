"""Which networks a made-up release trains, and how often."""

import math
from itertools import product

import numpy as np
import polars as pl

from wattlas.networks import PAPER_TASKS, build_networks

DEPTHS = tuple(range(2, 11))
EXTRA_DEPTHS = (12, 14, 16, 18, 20)
SHAPES = ("rectangle", "trapezoid", "exponential", "wide_first_2x", "rectangle_residual")
EXTRA_SHAPES = ("wide_first_4x", "wide_first_8x", "wide_first_16x")
ALL_DEPTHS = DEPTHS + EXTRA_DEPTHS
# Of each batch of the sweep: its name, whether it is the GPUs', its shapes and its depths.
BATCHES = (
    ("energy_1", True, SHAPES, DEPTHS),
    ("energy_5_gpu_extra_depths", True, SHAPES, EXTRA_DEPTHS),
    ("energy_5_gpu_extra_shapes", True, EXTRA_SHAPES, ALL_DEPTHS),
    ("energy_2_cpu", False, SHAPES, DEPTHS),
    ("energy_3_cpu_extra_depths", False, SHAPES, EXTRA_DEPTHS),
    ("energy_4_cpu_extra_shapes", False, EXTRA_SHAPES, ALL_DEPTHS),
)
OPTIMIZER_BATCH = "optimizer_energy_1_cpu"
OPTIMIZERS = tuple(product(("Adam", "SGD", "RMSprop", "Adagrad"), (1e-2, 1e-3, 1e-4, 1e-5)))
EPOCHS = 3000
OVERHEAD_DATASET = "505_tecator"
_KEYS = ("batch", "is_gpu", "dataset", "shape", "depth", "size", "optimizer", "learning_rate", "batch_size")
_EXPERIMENT = [key for key in _KEYS if key not in ("batch", "is_gpu")]


def draw_runs(n_runs: int, n_optimizer_runs: int, rng: np.random.Generator) -> pl.DataFrame:
    """One row a run, in random order: its configuration, `experiment` (an index), its network and steps.

    About 15 % of the runs repeat an earlier configuration, and some of those several times. The small
    networks of the overhead's data set are always among them, on either hardware.
    """
    n_cpu = round(0.6 * n_runs)
    parts = [
        _repeat(_networks(_grid(False), n_cpu, rng), n_cpu, rng),
        _repeat(_networks(_grid(True), n_runs - n_cpu, rng), n_runs - n_cpu, rng),
        _repeat(_networks(_optimizer_grid(), n_optimizer_runs, rng), n_optimizer_runs, rng),
    ]
    runs = pl.concat([part for part in parts if part.height])
    runs = runs[rng.permutation(runs.height)]
    return runs.with_columns(experiment=pl.struct(_EXPERIMENT).rank("dense").cast(pl.Int64) - 1)


def _grid(is_gpu: bool) -> pl.DataFrame:
    rows = [
        (batch, is_gpu, dataset, shape, depth, 2**log2_size, "Adam", 1e-4, 256)
        for batch, on_gpu, shapes, depths in BATCHES
        if on_gpu == is_gpu
        for dataset, shape, depth, log2_size in product(PAPER_TASKS, shapes, depths, range(5, 25))
    ]
    return pl.DataFrame(rows, schema=_KEYS, orient="row")


def _optimizer_grid() -> pl.DataFrame:
    rows = [
        (OPTIMIZER_BATCH, False, dataset, "rectangle", depth, 2**log2_size, optimizer, rate, batch_size)
        for dataset, depth, log2_size, (optimizer, rate), batch_size in product(
            PAPER_TASKS, range(2, 7), range(5, 19), OPTIMIZERS, (32, 64, 128, 256)
        )
    ]
    return pl.DataFrame(rows, schema=_KEYS, orient="row")


def _networks(grid: pl.DataFrame, n_runs: int, rng: np.random.Generator) -> pl.DataFrame:
    """A random choice of the grid, at most 85 % of `n_runs` of them, with networks that meet their sizes."""
    wanted = math.ceil(0.85 * n_runs)
    shuffled = grid[rng.permutation(grid.height)]
    overhead = (pl.col("dataset") == OVERHEAD_DATASET) & (pl.col("size").is_between(2**8, 2**10))
    first = shuffled.filter(overhead & (pl.col("depth") <= 6)).head(max(3, n_runs // 100))
    rest = shuffled.join(first, on=_KEYS, how="anti", maintain_order="left")
    chosen = pl.concat([first, rest]).head(2 * wanted + 20)
    tasks = [PAPER_TASKS[name] for name in chosen["dataset"]]
    networks = build_networks(
        chosen["shape"],
        chosen["depth"],
        chosen["size"],
        [task.n_inputs for task in tasks],
        [task.n_outputs for task in tasks],
    )
    steps = [
        EPOCHS * task.n_train_batches(batch) for task, batch in zip(tasks, chosen["batch_size"], strict=True)
    ]
    built = chosen.with_columns(
        n_parameters=pl.Series([network.n_parameters for network in networks], dtype=pl.Int64),
        widths=pl.Series([network.widths for network in networks], dtype=pl.List(pl.Int64)),
        n_steps=pl.Series(steps, dtype=pl.Int64),
    )
    met = (pl.col("n_parameters") / pl.col("size") - 1).abs() < 0.2
    return built.filter(met).head(wanted)


def _repeat(chosen: pl.DataFrame, n_runs: int, rng: np.random.Generator) -> pl.DataFrame:
    again = rng.integers(0, max(1, chosen.height // 8), size=n_runs - chosen.height)
    return chosen[np.concatenate([np.arange(chosen.height), again])] if n_runs else chosen.clear()
