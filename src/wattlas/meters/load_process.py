"""One CPU kept busy at given times: `python -m wattlas.meters.load_process CPU PARENT`.

Times to go on, off, on, … come as a JSON list on stdin, on the monotonic clock; those at which it really did
are printed. No NumPy here, and no threads: there is one such process a CPU.
"""

import json
import os
import signal
import sys
import time

from wattlas.core.parent import die_with_parent

# What measures comes first: a busy CPU that wakes it late would show as a late meter.
_NICENESS = 5
_ROUND = range(200)


def main(arguments: list[str]) -> int:
    """Follow the plan, and say how it went."""
    cpu, parent = map(int, arguments)
    if not die_with_parent(parent):
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    os.sched_setaffinity(0, {cpu})
    os.nice(_NICENESS)
    planned_s = json.load(sys.stdin)
    edges_s = []
    for on_s, off_s in zip(planned_s[::2], planned_s[1::2], strict=True):
        while (now_s := _now_s()) < on_s:
            time.sleep(on_s - now_s)
        edges_s.append(now_s)
        while (now_s := _now_s()) < off_s:
            for i in _ROUND:
                i * i
        edges_s.append(now_s)
    sys.stdout.write(json.dumps(edges_s))
    return 0


def _now_s() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
