"""Milliseconds per epoch and peak memory of every engine beside plain torch, by number of parameters.

Synthetic 12,958 rows, 8 inputs, 4 classes, rectangle of depth 4, batch 256, shuffling and test loss every
epoch. Each figure is the median of fresh processes. The rounds go through all engines in turn, so that a busy
machine is busy for all. `reference` is what JAX was asked to reach at depth 4: the best measured row beside
plain torch (a range where there were two runs). Plain torch is left out where it is not installed.

    python bench/bench_training.py [--rounds 3] [--engines jax,numpy] [--sizes 5,10,14,18,21] [--depth 4]
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROWS, INPUTS, CLASSES, BATCH, RATE = 12_958, 8, 4, 256, 1e-4
SECONDS = 1.5
REFERENCE = {5: "24", 10: "8.6-9.1", 14: "2.3", 18: "1.9", 21: "1.3-1.5"}


class EnoughError(Exception):
    """Ends a training that was timed for long enough."""


def synthetic():
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.random((ROWS, INPUTS), dtype=np.float32)
    label = (x @ rng.normal(size=(INPUTS, CLASSES))).argmax(axis=1)
    y = np.eye(CLASSES, dtype=np.float32)[label]
    return x, y, int(ROWS * 0.8)


def wattlas_engine(name: str, widths: list[int]) -> tuple[list[float], float]:
    from wattlas.engines.base import TrainingConfig, TrainingData
    from wattlas.engines.registry import load_engine
    from wattlas.networks.network import Network

    x, y, n = synthetic()
    data = TrainingData("synthetic", "categorical_crossentropy", x[:n], y[:n], x[n:], y[n:], "")
    network = Network("rectangle", INPUTS, tuple(widths))
    training = load_engine(name).compile(network, data, TrainingConfig(epochs=10_000))
    calls = [time.monotonic()]
    epochs = [0]

    def tick(done: int) -> None:
        calls.append(time.monotonic())
        epochs.append(done)
        if calls[-1] - calls[0] > SECONDS and len(calls) > 3:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        training.run(0, tick)
    # The first call also holds the start of the run.
    each = [
        (b - a) / (d - c) for a, b, c, d in zip(calls[1:], calls[2:], epochs[1:], epochs[2:], strict=False)
    ]
    return each, training.compile_end_s - training.compile_start_s


def plain_torch(widths: list[int]) -> tuple[list[float], float]:
    """Without Wattlas: modules, torch.optim.Adam, preloaded tensors."""
    import torch

    x, y, n = synthetic()
    x_train, x_test = torch.tensor(x[:n]), torch.tensor(x[n:])
    y_train, y_test = torch.tensor(y[:n].argmax(1)), torch.tensor(y[n:].argmax(1))
    layers: list[torch.nn.Module] = []
    for before, width in zip([INPUTS, *widths], widths, strict=False):
        layers += [torch.nn.Linear(before, width), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    criterion = torch.nn.CrossEntropyLoss()
    each, start = [], time.monotonic()
    while len(each) < 4 or time.monotonic() - start < SECONDS:
        begin = time.monotonic()
        total = torch.zeros(())
        order = torch.randperm(n)
        for first in range(0, n, BATCH):
            batch = order[first : first + BATCH]
            loss = criterion(model(x_train[batch]), y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        with torch.no_grad():
            criterion(model(x_test), y_test).item()
        total.item()
        each.append(time.monotonic() - begin)
    return each[1:], 0.0


def peak_rss_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def child(engine: str, widths: list[int]) -> None:
    each, compile_s = plain_torch(widths) if engine == "plain-torch" else wattlas_engine(engine, widths)
    row = {"ms": 1e3 * statistics.median(each), "rss_mb": peak_rss_mb(), "compile_s": compile_s}
    print(json.dumps(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="jax,numpy")
    parser.add_argument("--sizes", default="5,10,14,18,21")
    parser.add_argument("--depth", type=int, default=4)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], json.loads(options.child[1]))
        return

    from wattlas.networks.size import build_network

    here = find_spec("torch") is not None
    if not here:
        print("torch is not installed: no comparison with it (pip install 'wattlas[torch]')")
    names = ["plain-torch"] * here + [name for name in options.engines.split(",") if name != "torch" or here]
    print(
        f"{ROWS} x {INPUTS} -> {CLASSES}, depth {options.depth}; medians of {options.rounds} rounds (min-max)"
    )
    print(
        f"{'size':5} {'engine':12} {'ms/epoch':>9} {'(min-max)':>19} {'vs torch':>9} {'reference':>9} "
        f"{'RSS MB':>7} {'compile s':>9}"
    )
    for log2 in map(int, options.sizes.split(",")):
        network = build_network("rectangle", options.depth, 2**log2, INPUTS, CLASSES)
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                command = [sys.executable, __file__, "--child", name, json.dumps(network.widths)]
                out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                rows[name].append(json.loads(out))
        for name in names:
            ms, rss, compiles = (
                sorted(row[key] for row in rows[name]) for key in ("ms", "rss_mb", "compile_s")
            )
            ratio = reference = ""
            if here:
                torch_ms = statistics.median(row["ms"] for row in rows["plain-torch"])
                ratio = f"{torch_ms / statistics.median(ms):.2f}x"
                reference = REFERENCE.get(log2, "") if name == "jax" and options.depth == 4 else ""
            print(
                f"2^{log2:<3} {name:12} {statistics.median(ms):9.2f} {f'({ms[0]:.2f}-{ms[-1]:.2f})':>19} "
                f"{ratio:>9} {reference:>9} {statistics.median(rss):7.0f} {statistics.median(compiles):9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
