"""The full grid of BUTTER-E as networks, and `wattlas network --table` on 30,000 rows: medians, spreads."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from wattlas.networks import PAPER_TASKS, build_network, build_networks, shape_names

REPEATS = 5
DEPTHS = (*range(2, 11), 12, 14, 16, 18, 20)
GRID = [
    (shape, depth, 2**log2_size, task.n_inputs, task.n_outputs)
    for _ in ("cpu", "gpu")
    for task in PAPER_TASKS.values()
    for log2_size in range(5, 25)
    for shape in shape_names()
    for depth in DEPTHS
]


def seconds(action: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return sorted(times)


def show(what: str, times: list[float]) -> None:
    print(f"{what:42s} median {statistics.median(times):.3f} s  (min {times[0]:.3f}, max {times[-1]:.3f})")


def main() -> None:
    columns = list(zip(*GRID, strict=True))
    show(f"build_networks, {len(GRID):,} rows", seconds(lambda: build_networks(*columns)))
    few = GRID[:: len(GRID) // 1000][:1000]
    show("build_network, 1,000 of them one by one", seconds(lambda: [build_network(*row) for row in few]))
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "in.csv"), Path(folder, "out.csv")
        lines = [",".join(map(str, row)) for row in (GRID * 2)[:30_000]]
        source.write_text("shape,depth,size,n_inputs,n_outputs\n" + "\n".join(lines) + "\n")
        command = [sys.executable, "-m", "wattlas", "network", "--table", str(source), "-o", str(output)]
        show(
            "wattlas network --table, 30,000 rows",
            seconds(lambda: subprocess.run([*command, "--force"], check=True)),
        )
        show(
            "the same with --machine eagle-cpu",
            seconds(lambda: subprocess.run([*command, "--force", "--machine", "eagle-cpu"], check=True)),
        )


if __name__ == "__main__":
    main()
