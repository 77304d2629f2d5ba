"""The driver's end of a worker process: start it, ask it to train, notice that it died."""

import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from tempfile import TemporaryFile
from typing import Any, TypeVar

from wattlas.campaign.messages import Compile, Compiled, Hello, Train, Trained, WorkerOptions
from wattlas.core.errors import EngineError
from wattlas.engines.base import TrainingResult

_LOG_TAIL_BYTES = 4000
# Of the worker's own end, after which the driver no longer waits for it.
_EXIT_S = 10.0
_Answer = TypeVar("_Answer")


class TrainerError(EngineError):
    """A training whose process died; `detail` is the end of its log, the traceback if it raised."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(message)
        self.detail = detail


class Trainer:
    """A worker process, started when first needed and again after it died or was closed."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._log = TemporaryFile()  # noqa: SIM115 - open as long as the trainer
        self.hello: Hello | None = None
        self.runs_since_start = 0

    @property
    def cpus(self) -> tuple[int, ...]:
        """CPUs that the worker is pinned to."""
        return self._options.cpus

    def compile(self, command: Compile) -> Compiled:
        """Make a training ready; raises `TrainerError`."""
        return self._ask(command, Compiled)

    def train(self, seed: int) -> TrainingResult:
        """Run what was compiled last; raises `TrainerError`."""
        self.runs_since_start += 1
        return self._ask(Train(seed), Trained).result

    def start(self) -> Hello:
        """Start the process if it does not run; raises `TrainerError` if the engine cannot be loaded."""
        if self.hello is None:
            self._spawn()
            self.hello = self._receive(Hello)
        return self.hello

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait(_EXIT_S)
        self._connection = self._process = self.hello = None

    def _spawn(self) -> None:
        self._log.seek(0)
        self._log.truncate()
        ours, theirs = socketpair()
        arguments = [str(theirs.fileno()), str(os.getpid()), self._options.engine, _join(self._options.cpus)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wattlas.campaign.worker", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                env=os.environ | self._options.environment,
                # Ctrl-C goes to the driver, which then ends the worker.
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        self.runs_since_start = 0

    def _ask(self, command: object, expected: type[_Answer]) -> _Answer:
        self.start()
        assert self._connection is not None
        try:
            self._connection.send(command)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._died() from error
        return self._receive(expected)

    def _receive(self, expected: type[_Answer]) -> _Answer:
        assert self._connection is not None
        try:
            answer: Any = self._connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._died() from error
        assert isinstance(answer, expected)
        return answer

    def _died(self) -> TrainerError:
        assert self._process is not None
        status = self._process.wait(_EXIT_S)
        cause = f"was killed by {signal.Signals(-status).name}" if status < 0 else "raised an error"
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL_BYTES))
        tail = self._log.read().decode(errors="replace")
        self.close()
        last = tail.strip().splitlines()[-1:] or [""]
        return TrainerError(
            f"the training process {cause}{': ' if last[0] else ''}{last[0]}", f"{cause}\n{tail}"
        )


def worker_options(engine: str, threads: int | None, cache: Path) -> WorkerOptions:
    """Pin a worker to the first `threads` CPUs that this process may use, all of them by default.

    `cache` is where compiled programs are kept, so that repetitions and resumed sweeps do not compile again.

    Raises:
        EngineError: this process may not use so many CPUs.
    """
    allowed = sorted(os.sched_getaffinity(0))
    count = threads or len(allowed)
    if count > len(allowed):
        raise EngineError(
            f"engine.threads is {count} but this process may use {len(allowed)} CPUs; give fewer"
        )
    environment = {
        "NPROC": str(count),
        "OMP_NUM_THREADS": str(count),
        "OPENBLAS_NUM_THREADS": str(count),
        "MKL_NUM_THREADS": str(count),
        "JAX_COMPILATION_CACHE_DIR": str(cache.absolute()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return WorkerOptions(engine, tuple(allowed[:count]), environment)


def _join(cpus: tuple[int, ...]) -> str:
    return ",".join(str(cpu) for cpu in cpus)
