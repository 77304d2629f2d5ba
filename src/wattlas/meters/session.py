"""`with wattlas.measure() as m:`: the energy of a stretch of a Python program, and of windows in it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType

from wattlas.core.clock import Clock, SystemClock
from wattlas.core.errors import MeterUnavailableError, SeriesError, UsageError
from wattlas.core.units import format_duration, format_energy_u
from wattlas.meters.base import Channel, Meter, MeterStatus
from wattlas.meters.characterised import with_characterisation
from wattlas.meters.registry import find_meters, open_available, open_meter
from wattlas.meters.sampling_process import SamplingProcess
from wattlas.power.energy import window_energy
from wattlas.power.samples import Samples
from wattlas.power.uncertainty import Energy


def open_chosen(names: Sequence[str] | None, clock: Clock | None = None) -> list[Meter]:
    """The meters of these names, or every real one that can be read.

    Each makes use of what `meter characterise` found of it.

    Raises:
        MeterUnavailableError: none can be read; the message lists what was tried and why each failed.
        DataError: what was found of one is damaged.
    """
    if names:
        return [with_characterisation(name, open_meter(name, clock)) for name in names]
    if meters := open_available():
        return [with_characterisation(meter.name, meter) for meter in meters]
    raise MeterUnavailableError(
        f"no meter can be read here: {tried(find_meters())}",
        "see 'wattlas doctor', or ask for modelled energies by name: --meter modelled",
    )


def tried(found: Sequence[MeterStatus]) -> str:
    """What was looked for and why it cannot be read, in one line."""
    return "; ".join(f"{s.name}: {s.reason}" for s in found if s.state != "available") or "no meter is known"


def longest_lag_s(channels: Sequence[Channel]) -> float:
    """How long after a window's end readings still tell of it: what to wait before the last of them."""
    return max((channel.instrument.lag_s for channel in channels), default=0.0)


def channel_energies(
    channels: Sequence[Channel], samples: Mapping[str, Samples], start_s: float, end_s: float
) -> tuple[dict[str, Energy], dict[str, str]]:
    """Energies of a window by channel, with each channel's own flags; and why a channel has none."""
    energies, missing = {}, {}
    for channel in channels:
        if channel.id not in samples:
            missing[channel.id] = f"channel {channel.id} gave no samples"
            continue
        try:
            energy = window_energy(samples[channel.id], start_s, end_s)
        except SeriesError as error:
            missing[channel.id] = str(error)
            continue
        energies[channel.id] = replace(energy, flags=(*channel.flags, *energy.flags))
    return energies, missing


@dataclass(frozen=True)
class Window:
    """A named stretch [start_s, end_s) of a measurement, monotonic seconds, and its energies by channel."""

    name: str
    start_s: float
    end_s: float
    energies: Mapping[str, Energy]
    missing: Mapping[str, str]

    @property
    def duration_s(self) -> float:
        """Length of the window."""
        return self.end_s - self.start_s


class Measurement:
    """The energy of a `with` block, by channel, and of the windows that were opened in it.

    Attributes:
        channels: what is metered, with domain and source; channels that contain each other are never to be
            summed.
        windows: those that ended, in order.
    """

    def __init__(self, process: SamplingProcess, clock: Clock) -> None:
        self._process, self._clock = process, clock
        self._spans: list[tuple[str, float, float]] = []
        self._whole: Window | None = None
        self.channels = process.channels
        self.windows: tuple[Window, ...] = ()
        process.sample_now()
        self._start_s = clock.monotonic_s()

    @contextmanager
    def window(self, name: str) -> Iterator[None]:
        """Open a window; its energies are in `windows` once the measurement has ended.

        A name may be used again and again (`m.window("epoch")`): every window is kept.
        """
        if self._whole is not None:
            raise UsageError(
                f"window {name!r} opened after the measurement had ended; open it inside the with block"
            )
        self._process.sample_now()
        start_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            end_s = self._clock.monotonic_s()
            self._process.sample_now()
            self._spans.append((name, start_s, end_s))

    @property
    def energies(self) -> Mapping[str, Energy]:
        """Energy of the whole block by channel id."""
        return self.total.energies

    @property
    def total(self) -> Window:
        """The whole block as a window.

        Raises:
            UsageError: the block has not ended.
        """
        if self._whole is None:
            raise UsageError("the measurement goes on; read its energies after the with block")
        return self._whole

    def end(self) -> None:
        """Close the measurement: what leaving the `with` block does."""
        end_s = self._clock.monotonic_s()
        try:
            self._clock.sleep(longest_lag_s(self.channels))
            self._process.sample_now()
            self.windows = tuple(self._told(*span) for span in self._spans)
            self._whole = self._told("total", self._start_s, end_s)
        finally:
            self._process.close()

    def _told(self, name: str, start_s: float, end_s: float) -> Window:
        samples = self._process.samples(start_s, end_s)
        return Window(name, start_s, end_s, *channel_energies(self.channels, samples, start_s, end_s))

    def __str__(self) -> str:
        if self._whole is None:
            return "a measurement that goes on"
        lines = [f"{format_duration(self._whole.duration_s)}"]
        for channel in self.channels:
            energy = self._whole.energies.get(channel.id)
            said = (
                self._whole.missing[channel.id]
                if energy is None
                else format_energy_u(energy.energy_j, energy.u_energy_j)
            )
            lines.append(f"{channel.id} ({channel.source}): {said}")
        return "\n".join(lines)


class measure:  # noqa: N801 - reads as the function it stands for
    """Measure a `with` block.

    A process of its own samples the meters, so that what is measured cannot starve it.

    Args:
        meters: names as on the command line (`rapl`, `modelled?idle_power_w=20&peak_power_w=60`); by default
            every real meter that can be read. A modelled figure is to be had by name only.
        interval_s: between samples.

    Raises:
        MeterUnavailableError: on entering, if no meter can be read; the message lists what was tried.

    >>> with measure(["fake?power_w=100"]) as m:
    ...     with m.window("epoch"):
    ...         pass
    >>> [window.name for window in m.windows], m.channels[0].source
    (['epoch'], 'simulated')
    """

    def __init__(self, meters: Sequence[str] | None = None, interval_s: float = 0.1) -> None:
        self._names, self._interval_s = meters, interval_s
        self._measurement: Measurement | None = None

    def __enter__(self) -> Measurement:
        self._measurement = Measurement(SamplingProcess(self._names, self._interval_s), SystemClock())
        return self._measurement

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._measurement is not None
        self._measurement.end()
