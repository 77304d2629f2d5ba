"""Commands run one after the other, with the signals that end them."""

import os
import shlex
import signal
import time
from collections.abc import Sequence

# Signals that are for the command.
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def split_command(command: str, shell: str) -> list[str]:
    """Arguments of a command line that a shell runs, or that is split here where the shell is 'none'.

    Raises:
        UsageError: there is nothing to run, or quotes that do not close.
    """
    from wattlas.core.errors import UsageError

    try:
        words, program = shlex.split(command), shlex.split(shell)
    except ValueError as error:
        raise UsageError(f"command {command!r}, shell {shell!r}: {error}; close what is quoted") from error
    if not command.strip() or not program:
        raise UsageError("a command is empty; give two commands, each in quotes: 'CMD A' 'CMD B'")
    return words if shell == "none" else [*program, "-c", command]


class Children:
    """Runs commands in process groups of their own, so that signals reach all that a shell has started.

    Block `PASSED_ON` and SIGCHLD first, in every thread. A signal is passed on to the command that runs; the
    caller asks `stopped_by` before it starts the next.

    Args:
        mask: signals that are blocked in the commands.
        show_output: let their output through, to stderr; it is thrown away otherwise. Their input is empty.
    """

    def __init__(self, mask: set[int], *, show_output: bool) -> None:
        self._mask = mask
        out = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        self._files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, 2, 1) if show_output else out,
            *(() if show_output else ((os.POSIX_SPAWN_DUP2, 1, 2),)),
        ]
        self.stopped_by: signal.Signals | None = None

    def run(self, cmd: Sequence[str]) -> int:
        """Run a command to its end and return its exit status, 128 + n if signal n ended it.

        Raises:
            WattlasError: it cannot be started.
        """
        from wattlas.core.errors import WattlasError

        try:
            child = os.posix_spawnp(
                cmd[0], list(cmd), os.environ, file_actions=self._files, setpgroup=0, setsigmask=self._mask
            )
        except OSError as error:
            raise WattlasError(
                f"cannot run {cmd[0]!r}: {error.strerror}; give a command that is on this machine"
            ) from error
        while True:
            # Looked for once a second too, should another thread of this process have taken the signal.
            info = signal.sigtimedwait({*PASSED_ON, signal.SIGCHLD}, 1.0)
            pid, status = os.waitpid(child, os.WNOHANG)
            if info and info.si_signo in PASSED_ON:
                self.stopped_by = signal.Signals(info.si_signo)
                if pid != child:
                    os.killpg(child, info.si_signo)
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code

    def pause(self, duration_s: float) -> None:
        """Wait, or return when a signal says to stop."""
        end_s = time.monotonic() + duration_s
        while self.stopped_by is None and (left_s := end_s - time.monotonic()) > 0:
            if info := signal.sigtimedwait(PASSED_ON, left_s):
                self.stopped_by = signal.Signals(info.si_signo)
