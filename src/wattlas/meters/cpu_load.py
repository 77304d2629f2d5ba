"""All CPUs that this process may use, busy and idle together, a process each."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from wattlas.core.errors import MeterError

_WAIT_S = 5.0


class CpuLoad:
    """A load for `run_trial`: every allowed CPU computes in the even intervals between the edges.

    It is arithmetic of an interpreter: far from idle, and less than the most that the machine can draw.
    """

    def __init__(self) -> None:
        self.n_cpus = len(os.sched_getaffinity(0))
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, edge_s: Sequence[float]) -> None:
        """Start a process a CPU; none of them computes before the first edge."""
        plan = json.dumps(list(edge_s))
        for cpu in sorted(os.sched_getaffinity(0)):
            process = subprocess.Popen(
                [sys.executable, "-m", "wattlas.meters.load_process", str(cpu), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._processes.append(process)
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # its exit status will say more
                process.stdin.write(plan)
                process.stdin.close()
            process.stdin = None

    def stop(self) -> tuple[NDArray[np.float64], float]:
        """The edges as they were, the mean over CPUs, and how far apart CPUs were (standard deviation).

        Raises:
            MeterError: a process did not keep to the plan.
        """
        told = []
        try:
            for process in self._processes:
                out, _ = process.communicate(timeout=_WAIT_S)
                if process.returncode != 0:
                    raise MeterError(
                        f"the load on a CPU ended by itself with status {process.returncode}; see what this "
                        f"process may use (taskset -p {os.getpid()}), and try again"
                    )
                told.append(json.loads(out))
        except subprocess.TimeoutExpired as error:
            raise MeterError(
                "the load did not end in time: this machine is too busy; stop what else runs and try again"
            ) from error
        finally:
            self.abort()
        edges_s = np.array(told)
        mean_s = np.maximum.accumulate(edges_s.mean(axis=0))
        return mean_s, float(np.sqrt(edges_s.var(axis=0).mean()))

    def abort(self) -> None:
        """End every process that is left."""
        for process in self._processes:
            process.kill()
            process.communicate()
        self._processes = []
