"""A sampler in a process of its own, which neither the interpreter lock nor the cores of a training can
starve.

Parent and child talk over a pair of sockets: a tuple (command, arguments…) one way, an answer or an error
the other.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from socket import socketpair
from typing import Any

from wattlas.core.errors import MeterError, WattlasError
from wattlas.core.parent import die_with_parent
from wattlas.meters.base import Channel
from wattlas.power.samples import Samples

_EXIT_S = 5.0


class SamplingProcess:
    """The parent's side: opens the meters in a new process and samples them until `stop`.

    Args:
        meters: as `open_meter` takes them; None for every real one that can be read.
        interval_s: between samples.

    Raises:
        MeterUnavailableError: no meter can be read.
        UsageError: a meter that there is none of.
    """

    def __init__(self, meters: Sequence[str] | None, interval_s: float) -> None:
        ours, theirs = socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "wattlas.meters.sampling_process",
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Ctrl-C is for the program that is measured.
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        try:
            self.channels: tuple[Channel, ...] = self._ask("open", meters, interval_s)
        except WattlasError:
            self.close()
            raise

    def sample_now(self) -> None:
        """Take one extra sample of each meter, at the edge of a window."""
        self._ask("sample")

    def samples(self, start_s: float, end_s: float) -> Mapping[str, Samples]:
        """Samples of the window and their neighbours on both sides, by channel."""
        found: Mapping[str, Samples] = self._ask("samples", start_s, end_s)
        return found

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        try:
            self._process.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, *command: object) -> Any:
        try:
            self._connection.send(command)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise MeterError(
                "the sampling process ended by itself, and its samples with it; see its output, begin again"
            ) from error
        if isinstance(answer, BaseException):
            raise answer
        return answer


def main(arguments: list[str]) -> int:
    """The child's side: serve commands until the parent closes the connection."""
    if not die_with_parent(int(arguments[1])):
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from wattlas.core.clock import SystemClock
    from wattlas.meters.sampler import Sampler
    from wattlas.meters.session import open_chosen

    with Connection(int(arguments[0])) as connection:
        _, names, interval_s = connection.recv()
        clock = SystemClock()
        try:
            meters = open_chosen(names, clock)
            sampler = Sampler(meters, interval_s, clock)
            sampler.start()
        except WattlasError as error:
            connection.send(error)
            return 1
        connection.send(tuple(channel for meter in meters for channel in meter.channels()))
        while True:
            try:
                command, *rest = connection.recv()
            except EOFError:
                break
            if command == "sample":
                sampler.sample_now()
                connection.send(None)
            else:
                connection.send(sampler.samples(*rest))
        sampler.stop()
        for meter in meters:
            meter.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
