"""Start-up: `import wattlas`, `wattlas --help`, and what importing pulls in. Each is a fresh process."""

import statistics
import subprocess
import sys
import time

REPEATS = 15
HEAVY = ("jax", "pandas", "altair", "matplotlib", "torch", "polars", "pyarrow", "scipy", "sklearn")


def seconds(arguments: list[str]) -> list[float]:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return sorted(times)


def main() -> None:
    bare = statistics.median(seconds([sys.executable, "-c", "pass"]))
    for name, arguments in {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import wattlas": [sys.executable, "-c", "import wattlas"],
        "wattlas --help": [sys.executable, "-m", "wattlas", "--help"],
        "wattlas network": [
            *(sys.executable, "-m", "wattlas", "network", "--shape", "rectangle", "--depth", "4"),
            *("--size", "4096", "--inputs", "126", "--outputs", "3"),
        ],
    }.items():
        times = seconds(arguments)
        median = statistics.median(times)
        print(
            f"{name:18s} median {median:.3f} s  (min {times[0]:.3f}, max {times[-1]:.3f}; "
            f"{median - bare:+.3f} s over bare Python)"
        )
    code = f"import sys, wattlas; print([m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    print(f"heavy modules loaded by `import wattlas`: {loaded.strip()}")


if __name__ == "__main__":
    main()
