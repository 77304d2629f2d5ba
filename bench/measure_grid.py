"""Seconds per datum of the JAX engine over a fine grid of networks, into a points table.

Time stands in for energy where no meter is: joules follow seconds (at 1 W here, so that 1 s reads as 1 J, and
`source` is `modelled`). Pinned to one core, and in processor time, which other work on the machine does not
count towards; it does take caches away, so every network is timed in `--passes` passes of random order, and a
row holds the least time per datum of all its calls, and `spread`: the relative distance between the passes.

    python bench/measure_grid.py -o grid.csv [--seconds 0.3] [--passes 2] [--limit N]
"""

import argparse
import contextlib
import os
import random
import time
from pathlib import Path

CPU = 1
ROWS, BATCH = 3_200, 256
TASKS = {"narrow": (8, 3), "wide": (256, 10)}
SHAPES = ("rectangle", "exponential", "wide_first_4x")
DEPTHS = (2, 4, 8, 16)
MACHINE = "this-core"


class EnoughError(Exception):
    """Ends a training that was timed for long enough."""


def networks():
    """Every network of the grid: sizes a half power of two apart, from 2^7 to 2^21."""
    from wattlas.networks.size import build_networks, relative_size_error

    asked = [
        (task, shape, depth, round(2 ** (half / 2)))
        for task in TASKS
        for shape in SHAPES
        for depth in DEPTHS
        for half in range(14, 43)
        if (depth > 2 or shape == "rectangle") and (task == "narrow" or shape == "rectangle")
    ]
    inputs = [TASKS[a[0]][0] for a in asked]
    outputs = [TASKS[a[0]][1] for a in asked]
    built = build_networks(
        [a[1] for a in asked], [a[2] for a in asked], [a[3] for a in asked], inputs, outputs
    )
    return [(a, n) for a, n in zip(asked, built, strict=True) if relative_size_error(n, a[3]) < 0.2]


def seconds_per_datum(network, seconds: float) -> float:
    """The least time of a call, over the data that it trained on."""
    import numpy as np

    from wattlas.engines.base import TrainingConfig, TrainingData
    from wattlas.engines.jax import JaxEngine

    rng = np.random.default_rng(0)
    x = rng.random((ROWS, network.n_inputs), dtype=np.float32)
    y = np.eye(network.widths[-1], dtype=np.float32)[rng.integers(network.widths[-1], size=ROWS)]
    n = int(ROWS * 0.8)
    data = TrainingData("synthetic", "categorical_crossentropy", x[:n], y[:n], x[n:], y[n:], "")
    training = JaxEngine().compile(network, data, TrainingConfig(epochs=10_000))
    times, epochs = [time.process_time()], [0]

    def tick(done: int) -> None:
        times.append(time.process_time())
        epochs.append(done)
        if times[-1] - times[0] > seconds and len(times) > 4:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        training.run(0, tick)
    # The first call also holds the start of the run; a whole batch counts as B data, the last one too.
    steps = -(-n // BATCH)
    least = min(
        (b - a) / (d - c) for a, b, c, d in zip(times[1:], times[2:], epochs[1:], epochs[2:], strict=False)
    )
    return least / (steps * BATCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=0.3, help="timed per network and pass")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--limit", type=int, help="time this many networks only, chosen at random")
    given = parser.parse_args()
    os.sched_setaffinity(0, {CPU})
    import jax
    import polars as pl

    order = random.Random(0).sample(networks(), k=None or len(networks()))[: given.limit]
    times: dict[int, list[float]] = {k: [] for k in range(len(order))}
    for turn in range(given.passes):
        sequence = list(times)
        random.Random(turn).shuffle(sequence)
        for done, k in enumerate(sequence):
            times[k].append(seconds_per_datum(order[k][1], given.seconds))
            if done % 25 == 24:
                jax.clear_caches()
        rows = [
            {
                "machine": MACHINE,
                "source": "modelled",
                "dataset": task,
                "shape": shape,
                "depth": depth,
                "size": size,
                "n_parameters": network.n_parameters,
                "widths": " ".join(map(str, network.widths)),
                "n_inputs": network.n_inputs,
                "n_outputs": network.widths[-1],
                "n_observations": ROWS,
                "n_train_batches": 10,
                "n_test_batches": 3,
                "batch_size": BATCH,
                "energy_per_datum_j": min(t),
                "spread": max(t) / min(t) - 1,
            }
            for ((task, shape, depth, size), network), t in zip(order, times.values(), strict=True)
        ]
        pl.DataFrame(rows).write_csv(given.output)
        print(f"pass {turn + 1} of {given.passes}: {len(rows)} networks", flush=True)


if __name__ == "__main__":
    main()
