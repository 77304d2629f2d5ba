"""The campaign's meters: which are used and why, and the energy of a window over all of their channels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattlas.campaign.spec import MeterTable
from wattlas.core.clock import Clock
from wattlas.core.errors import MeterUnavailableError, SeriesError
from wattlas.meters.base import Channel, Meter, MeterStatus
from wattlas.meters.registry import find_meters
from wattlas.meters.sampler import Sampler
from wattlas.meters.session import channel_energies, longest_lag_s, open_chosen, tried
from wattlas.power.energy import cumulative_energy
from wattlas.power.samples import Samples
from wattlas.power.uncertainty import Energy

_BEST_SOURCE_FIRST = ("measured", "simulated", "modelled")


@dataclass(frozen=True)
class ChosenMeters:
    """Open meters, what was found when they were looked for, and one sentence that says so."""

    meters: tuple[Meter, ...]
    found: tuple[MeterStatus, ...]
    sentence: str

    @property
    def source(self) -> str:
        """Where the energy of a run will come from."""
        return primary_channels([channel for meter in self.meters for channel in meter.channels()])[0].source


def choose_meters(table: MeterTable) -> ChosenMeters:
    """Open the meters of the spec: those it names, else every real one, else the fallback it asks for by
    name.

    Raises:
        MeterUnavailableError: none can be read and the spec names no fallback; what was tried is in the
        message.
    """
    if table.names:
        try:
            opened = tuple(open_chosen([_with_options(name, table) for name in table.names]))
            return ChosenMeters(opened, (), f"metering with {_channel_list(opened)}")
        except MeterUnavailableError as error:
            return _fall_back(table, (), f"{', '.join(table.names)}: {error}")
    found = tuple(find_meters())
    if any(status.state == "available" for status in found):
        opened = tuple(open_chosen(None))
        return ChosenMeters(opened, found, f"metering with {_channel_list(opened)}")
    return _fall_back(table, found, tried(found))


def _fall_back(table: MeterTable, found: tuple[MeterStatus, ...], why: str) -> ChosenMeters:
    if table.fallback != "modelled":
        raise MeterUnavailableError(
            f"no meter can be read here: {why}",
            "see 'wattlas doctor', or ask for modelled energies by name with [meter] fallback = \"modelled\"",
        )
    meters = tuple(open_chosen([table.modelled_url()]))
    sentence = (
        f"no meter can be read here ({why}); energies are MODELLED, not measured, because the spec asks "
        "for that fallback"
    )
    return ChosenMeters(meters, found, sentence)


def _with_options(name: str, table: MeterTable) -> str:
    return table.modelled_url() if name == "modelled" else name


def _channel_list(meters: Sequence[Meter]) -> str:
    return ", ".join(f"{c.id} ({c.source})" for meter in meters for c in meter.channels())


def primary_channels(channels: Sequence[Channel]) -> tuple[Channel, ...]:
    """The channels whose sum is the energy of a run, never two that overlap.

    The best source present decides (measured before simulated before modelled). Of it: a channel of the whole
    node if there is one, else of the platform (psys), else all of the outermost channels of the meter that
    has the most of them: packages beside each other, and what is beside them.
    """
    source = min((c.source for c in channels), key=_BEST_SOURCE_FIRST.index)
    outermost = [c for c in channels if c.source == source and c.contained_in is None]
    for whole in ("node", "psys"):
        if named := [c for c in outermost if c.domain == whole]:
            return (named[0],)
    meters = [c.id.split(":")[0] for c in outermost]
    chosen = max(dict.fromkeys(meters), key=meters.count)
    return tuple(c for c in outermost if c.id.split(":")[0] == chosen)


def add_energies(energies: Sequence[Energy]) -> Energy:
    """Sum of the energies of siblings over one window.

    Channels of one meter share its accuracy, so that term adds up; the others are independent (GUM 5.2.2).
    """
    names = dict.fromkeys(name for energy in energies for name in energy.terms)
    terms = {
        name: (math.fsum if name == "accuracy" else _hypot)([e.terms.get(name, 0.0) for e in energies])
        for name in names
    }
    flags = tuple(dict.fromkeys(flag for energy in energies for flag in energy.flags))
    total = math.fsum(energy.energy_j for energy in energies)
    return Energy(total, terms, flags, energies[0].start_s, energies[0].end_s)


def _hypot(values: Sequence[float]) -> float:
    return math.hypot(*values)


@dataclass(frozen=True)
class WindowEnergies:
    """Energy of a window by channel id, the samples it was told from, and the flags of channels that had
    none."""

    by_channel: Mapping[str, Energy]
    samples: Mapping[str, Samples]
    missing: tuple[str, ...]


class Metering:
    """A sampler over the campaign's meters, and the energies it can tell."""

    def __init__(self, meters: Sequence[Meter], interval_s: float, clock: Clock) -> None:
        self.channels = tuple(channel for meter in meters for channel in meter.channels())
        self.primary = primary_channels(self.channels)
        self._sampler = Sampler(meters, interval_s, clock)
        self._meters = meters
        self._clock = clock

    @property
    def source(self) -> str:
        """Where the energy of a run comes from: measured, simulated or modelled."""
        return self.primary[0].source

    @property
    def channel_id(self) -> str:
        """The primary channel, or the primary channels joined by '+'."""
        return "+".join(channel.id for channel in self.primary)

    @property
    def domain(self) -> str:
        """What the energy of a run bounds."""
        return "+".join(channel.domain for channel in self.primary)

    def start(self) -> None:
        """Begin to sample."""
        self._sampler.start()

    def stop(self) -> None:
        """End sampling and close the meters."""
        self._sampler.stop()
        for meter in self._meters:
            meter.close()

    def sample_now(self) -> None:
        """Take one sample at the edge of a window."""
        self._sampler.sample_now()

    def window(self, start_s: float, end_s: float) -> WindowEnergies:
        """Energies of [start_s, end_s) of every channel that has samples for it.

        Waits for readings that are still to come of a meter that is known to report late.
        """
        if (wait_s := end_s + longest_lag_s(self.channels) - self._clock.monotonic_s()) > 0:
            self._clock.sleep(wait_s)
            self._sampler.sample_now()
        samples = self._sampler.samples(start_s, end_s)
        energies, missing = channel_energies(self.channels, samples, start_s, end_s)
        return WindowEnergies(energies, samples, tuple(f"no_samples:{name}" for name in missing))

    def forget(self, before_s: float) -> None:
        """Drop samples that no window from `before_s` on needs, so that a long campaign does not grow."""
        self._sampler.forget(before_s)

    def primary_energy(self, window: WindowEnergies) -> Energy:
        """The energy of a run.

        Raises:
            SeriesError: a primary channel has no samples in the window, or its counter is stuck.
        """
        silent = [c.id for c in self.primary if c.id not in window.by_channel]
        if silent:
            raise SeriesError(f"{', '.join(silent)} gave no samples during the run; see 'wattlas doctor'")
        energies = [window.by_channel[channel.id] for channel in self.primary]
        frozen = [c.id for c, e in zip(self.primary, energies, strict=True) if "frozen" in e.flags]
        if frozen:
            raise SeriesError(f"{', '.join(frozen)} did not move during the run; see 'wattlas doctor'")
        return add_energies(energies)

    def cumulative(
        self, window: WindowEnergies, start_s: float, times_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Energy of the run from `start_s` to each of `times_s`, and its standard uncertainty.

        Uncertainties of several primary channels are added, which is their upper bound. NaN where a time is
        NaN: an epoch that a diverged training did not reach.
        """
        reached = np.isfinite(times_s)
        energy, u_energy = np.full(len(times_s), np.nan), np.full(len(times_s), np.nan)
        parts = [cumulative_energy(window.samples[c.id], start_s, times_s[reached]) for c in self.primary]
        energy[reached] = np.sum([e for e, _ in parts], axis=0)
        u_energy[reached] = np.sum([u for _, u in parts], axis=0)
        return energy, u_energy
