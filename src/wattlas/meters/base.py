"""What a meter is: channels that can be read, each with what it bounds and how well."""

from dataclasses import dataclass
from typing import Literal, Protocol

from wattlas.power.instrument import Instrument

Source = Literal["measured", "modelled", "simulated"]
State = Literal["available", "unavailable", "denied"]


@dataclass(frozen=True)
class Channel:
    """One quantity that a meter reports.

    Attributes:
        id: unique on the node, `<meter>:<name>`, as in `rapl:package-0`.
        domain: what the energy bounds: `node`, `psys`, `package-0`, `core-0`, `dram-0`, `gpu-0`, …
        instrument: kind (counter or gauge), quantum, update period and accuracy.
        source: `measured`, `modelled` or `simulated`; decides how every figure from it is labelled.
        contained_in: id of the channel whose domain contains this one, or None; never sum the two.
        flags: what a reader of any energy from this channel must know.
    """

    id: str
    domain: str
    instrument: Instrument
    source: Source = "measured"
    contained_in: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One value of one channel, in J (counter) or W (gauge), with the times around the read."""

    channel: str
    before_s: float
    after_s: float
    value: float
    device_s: float | None = None


@dataclass(frozen=True)
class MeterStatus:
    """What was found when a meter was looked for: the row that `doctor` and `meter list` show."""

    name: str
    state: State
    reason: str = ""
    fix: str = ""
    channels: tuple[Channel, ...] = ()


class Meter(Protocol):
    """A meter. Constructing one opens it, or raises `MeterUnavailableError` with reason, fix and state."""

    name: str

    def channels(self) -> tuple[Channel, ...]:
        """The channels it has, fixed for its lifetime."""
        ...

    def read(self) -> tuple[Reading, ...]:
        """One reading a channel, now.

        Raises `MeterRetryError` if the next read may succeed, `MeterEndedError` after the last sample,
        `MeterUnavailableError` if the meter is lost for good.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections; reading afterwards raises `MeterEndedError`."""
        ...
