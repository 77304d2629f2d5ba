"""Every error Wattlas raises on purpose.

    WattlasError                 exit status 1
    ├── UsageError               exit status 2: what was typed cannot be done
    │   └── UnknownNameError     a name that no registry has
    ├── SpecError                a sweep spec that does not validate
    ├── NetworkSizeError         no network of the shape meets the size
    ├── SeriesError              samples from which no energy can be told
    ├── MeterError
    │   ├── MeterUnavailableError  the meter is not here or may not be read: do not ask again
    │   ├── MeterRetryError        this read failed, the next may not
    │   └── MeterEndedError        a recorded or closed meter has no more samples
    ├── EngineError              training could not be started or went wrong
    ├── DataError                a file or table that cannot be read as what it should be
    ├── StoreError               a run store that cannot be read or written
    └── ModelError               an energy model that cannot be fitted, read or asked

A message says what happened and, after a semicolon, what to do next. The command line prints it as one line.
"""

import difflib
from collections.abc import Iterable
from typing import Literal


class WattlasError(Exception):
    """Base of every error that Wattlas raises on purpose."""

    exit_status = 1


class UsageError(WattlasError):
    """What was asked for cannot be done as it was typed."""

    exit_status = 2


class UnknownNameError(UsageError):
    """A name that no registry knows; the message lists the closest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        close = difflib.get_close_matches(name, self.known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        super().__init__(f"unknown {kind} {name!r}; {hint}known: {', '.join(self.known) or 'none'}")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.kind, self.name, self.known))


class SpecError(WattlasError):
    """A sweep spec that does not validate; the message names the file and the line or key."""


class NetworkSizeError(WattlasError):
    """No network of the shape and depth has a number of parameters near enough to the size."""


class SeriesError(WattlasError):
    """Samples from which the energy of a window cannot be told."""


class MeterError(WattlasError):
    """Base of what can go wrong with a meter."""


class MeterUnavailableError(MeterError):
    """The meter is not on this machine, or may not be read; asking again will not help.

    `state` is `unavailable` or `denied`, `reason` what was found, `fix` what to do about it.
    """

    def __init__(
        self, reason: str, fix: str, state: Literal["unavailable", "denied"] = "unavailable"
    ) -> None:
        self.state, self.reason, self.fix = state, reason, fix
        super().__init__(f"{reason}; {fix}" if fix else reason)

    def __reduce__(self) -> tuple[object, ...]:
        # It crosses process borders, and the default would give the message as the reason.
        return (type(self), (self.reason, self.fix, self.state))


class MeterRetryError(MeterError):
    """This read failed but the next may succeed: a time-out, a busy device."""


class MeterEndedError(MeterError):
    """The meter has no more samples: a recording came to its end, or it was closed."""


class EngineError(WattlasError):
    """Training could not be started, or stopped with an error."""


class DataError(WattlasError):
    """A file or table that cannot be read as what it should be; the message names it."""


class StoreError(WattlasError):
    """A run store or dataset directory that cannot be read or written."""


class ModelError(WattlasError):
    """An energy model that cannot be fitted, read or asked this."""
