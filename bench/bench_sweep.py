"""What a sweep costs outside training: planning the paper's full grid, and each run's overhead.

The overhead of a run is the time from the end of its window to the start of the next one, less the next one's
compile: energies, records, the commit to disk, and the way to the worker and back. The NumPy engine trains a
small network, so that next to nothing but the overhead is seen.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from wattlas.campaign.facts import dataset_facts
from wattlas.campaign.plan import make_plan
from wattlas.campaign.spec import parse_spec
from wattlas.dataset.store import RunStore
from wattlas.networks.tasks import PAPER_TASKS

FULL_GRID = """
[campaign]
name = "butter-e"
[networks]
shapes = ["rectangle", "trapezoid", "exponential", "wide_first_2x", "wide_first_4x", "wide_first_8x",
          "wide_first_16x", "rectangle_residual"]
depths = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20]
log2_sizes = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]
[training]
epochs = 3000
[runs]
repetitions = 2
""" + "".join(f'[[datasets]]\nname = "{name}"\n' for name in PAPER_TASKS)
SMALL_RUNS = """
[campaign]
name = "overhead"
[networks]
shapes = ["rectangle"]
depths = [3]
sizes = [64, 128, 256]
[[datasets]]
name = "iris"
[training]
epochs = 20
[runs]
repetitions = 50
[engine]
name = "numpy"
[meter]
names = ["modelled"]
idle_power_w = 20.0
peak_power_w = 60.0
baseline_s = 0.1
"""


def spread(values: list[float], unit: str, scale: float) -> str:
    low, middle, high = (scale * q for q in statistics.quantiles(values, n=20)[::9][:3])
    return f"median {middle:.3g} {unit}, 5 % to 95 %: {low:.3g} to {high:.3g} {unit}, n = {len(values)}"


def bench_planning() -> None:
    times = []
    for _ in range(3):
        start_s = time.perf_counter()
        spec = parse_spec(FULL_GRID)
        plan = make_plan(spec, dataset_facts(spec), "bench")
        times.append(time.perf_counter() - start_s)
    print(
        f"planning 13 x 20 x 8 x 14 x 2 = 58,240 combinations ({len(plan.runs)} runs after merging and "
        "leaving out): "
        f"median {statistics.median(times):.2f} s of {', '.join(f'{t:.2f}' for t in times)}"
    )


def bench_overhead() -> None:
    with tempfile.TemporaryDirectory() as folder:
        spec, store = Path(folder) / "spec.toml", Path(folder) / "store"
        spec.write_text(SMALL_RUNS)
        subprocess.run(
            [sys.executable, "-m", "wattlas", "sweep", "run", spec, "--store", store],
            check=True,
            env=os.environ | {"WATTLAS_LOCK_DIR": folder},
            stderr=subprocess.DEVNULL,
        )
        runs = sorted(RunStore(store).read("runs").to_pylist(), key=lambda row: row["start_s"])
        overheads = [b["start_s"] - a["end_s"] - b["compile_s"] for a, b in pairwise(runs)]
        print(f"overhead of a run: {spread(overheads, 'ms', 1e3)}")


if __name__ == "__main__":
    bench_planning()
    bench_overhead()
