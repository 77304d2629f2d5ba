"""Intel's and AMD's running average power limit (RAPL) energy counters, from the kernel's powercap tree.

Each zone is a folder with `name`, `energy_uj` and `max_energy_range_uj`. What a zone bounds follows from its
name: `psys` the platform, `package-N` a socket, and below a package `core`, `uncore` and `dram`. A package's
energy has its cores' and uncore's in it, not its memory's, though the memory's zone lies below it; `psys`
has all.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from wattlas.core.clock import Clock
from wattlas.core.errors import MeterEndedError, MeterRetryError, MeterUnavailableError
from wattlas.core.roots import sysfs_root
from wattlas.meters.base import Channel, Reading
from wattlas.power.instrument import Instrument

_JOULES_PER_UJ = 1e-6
# Energy unit 2^-14 J, the coarsest of those in use (Intel SDM vol. 3, MSR_RAPL_POWER_UNIT); also the step by
# which the register's span exceeds the greatest value that `max_energy_range_uj` gives.
_QUANTUM_J = 2.0**-14
# About once a millisecond (Intel SDM vol. 3, section on RAPL interfaces).
_UPDATE_PERIOD_S = 1e-3
_ACCURACY_RELATIVE = 0.05
_ACCURACY_SOURCE = (
    "assumed: vendors publish no accuracy class; half-width of 5 % of the reading, and compare "
    "with a node meter where it matters"
)
# A bound, not a rating: no zone draws more for as long as a polling interval.
_MAX_POWER_W = 2000.0
_ZONE = re.compile(r"intel-rapl(-mmio)?(:\d+)+")


@dataclass(frozen=True)
class _Zone:
    folder: Path
    path: str
    name: str
    range_j: float | None


class RaplMeter:
    """Every energy counter of the powercap tree that may be read.

    A counter whose span (`max_energy_range_uj`) cannot be read still gives energies; a wrap is then judged
    from the power before it, and flagged. A part of a package that may not be read is left out, and every
    channel then says so by a flag.

    Args:
        clock: tells the times around each read.
        root: folder of sysfs; by default `WATTLAS_SYSFS_ROOT`, else `/sys`.

    Raises:
        MeterUnavailableError: no zone is here, or a package or the platform may not be read: what is left
            would be taken for the whole.
    """

    name = "rapl"

    def __init__(self, clock: Clock, root: str | None = None) -> None:
        self._clock = clock
        self._files: list[tuple[str, int]] = []
        powercap = (Path(root) if root else sysfs_root()) / "class" / "powercap"
        zones = _zones(powercap)
        if not zones:
            raise MeterUnavailableError(
                f"no RAPL zone under {powercap}",
                "load the module intel_rapl_msr (modprobe intel_rapl_msr); a virtual machine has none: "
                "measure on the host, or ask for --meter modelled",
            )
        self._channels: tuple[Channel, ...] = ()
        self._open(zones)

    def channels(self) -> tuple[Channel, ...]:
        """One a zone: `rapl:psys`, `rapl:package-0`, `rapl:core-0`, `rapl:dram-0`, …"""
        return self._channels

    def read(self) -> tuple[Reading, ...]:
        """Every counter, in J.

        Raises `MeterRetryError` if a counter gave no number this time, `MeterUnavailableError` if a zone is
        gone or may no longer be read.
        """
        if not self._files:
            raise MeterEndedError("the RAPL meter is closed; open it again")
        readings = []
        for channel, descriptor in self._files:
            before_s = self._clock.monotonic_s()
            try:
                text = os.pread(descriptor, 32, 0)
            except PermissionError as error:
                raise _denied(channel, error) from error
            except OSError as error:
                raise MeterUnavailableError(
                    f"{channel} can no longer be read: {error.strerror}", "see 'wattlas doctor'"
                ) from error
            after_s = self._clock.monotonic_s()
            try:
                value = int(text) * _JOULES_PER_UJ
            except ValueError as error:
                raise MeterRetryError(f"{channel} gave {text!r}, which is no number") from error
            readings.append(Reading(channel, before_s, after_s, value))
        return tuple(readings)

    def close(self) -> None:
        """Close the counters' files."""
        for _, descriptor in self._files:
            os.close(descriptor)
        self._files = []

    def _open(self, zones: list[_Zone]) -> None:
        domains = {zone.path: _domain(zone, zones) for zone in zones}
        opened: list[_Zone] = []
        refused: list[tuple[_Zone, OSError]] = []
        for zone in zones:
            try:
                descriptor = os.open(zone.folder / "energy_uj", os.O_RDONLY | os.O_CLOEXEC)
                os.pread(descriptor, 32, 0)
            except OSError as error:
                refused.append((zone, error))
                continue
            opened.append(zone)
            self._files.append((f"rapl:{domains[zone.path]}", descriptor))
        for zone, refusal in refused:
            if _parent(zone, zones) is not None:
                continue
            self.close()
            file = zone.folder / "energy_uj"
            if isinstance(refusal, PermissionError):
                raise _denied(str(file), refusal) from refusal
            raise MeterUnavailableError(
                f"{file} cannot be read: {refusal.strerror}", "see what the kernel logged (dmesg)"
            ) from refusal
        self._channels = tuple(
            Channel(
                f"rapl:{domains[zone.path]}",
                domains[zone.path],
                Instrument(
                    kind="counter",
                    quantum=_QUANTUM_J,
                    update_period_s=_UPDATE_PERIOD_S,
                    accuracy_relative=_ACCURACY_RELATIVE,
                    range_j=zone.range_j,
                    max_power_w=_MAX_POWER_W,
                    accuracy_source=_ACCURACY_SOURCE,
                ),
                contained_in=_container(zone, opened, domains),
                flags=tuple(f"unreadable:{domains[zone.path]}" for zone, _ in refused),
            )
            for zone in opened
        )


def _zones(powercap: Path) -> list[_Zone]:
    """Zones of the tree, however it nests them, each once; those of MMIO only where the MSR gives none."""
    # Links in sysfs lead round in circles: look at most two levels below.
    folders = [f for pattern in ("*", "*/*", "*/*/*") for f in powercap.glob(pattern)]
    by_path: dict[str, Path] = {}
    for folder in sorted(folders, key=lambda f: len(f.parts)):
        if _ZONE.fullmatch(folder.name) and (folder / "energy_uj").exists():
            by_path.setdefault(folder.name, folder)
    zones = []
    for path in sorted(by_path, key=_numbers):
        name = _text(by_path[path] / "name") or path
        zones.append(_Zone(by_path[path], path, name, _range_j(by_path[path])))
    msr_names = {zone.name for zone in zones if "-mmio" not in zone.path}
    return [zone for zone in zones if "-mmio" not in zone.path or zone.name not in msr_names]


def _numbers(path: str) -> tuple[bool, list[int]]:
    return "-mmio" in path, [int(n) for n in re.findall(r":(\d+)", path)]


def _range_j(folder: Path) -> float | None:
    text = _text(folder / "max_energy_range_uj")
    return int(text) * _JOULES_PER_UJ + _QUANTUM_J if text and text.isdigit() and int(text) > 0 else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None  # unreadable or absent, the fact is not known


def _parent(zone: _Zone, zones: list[_Zone]) -> _Zone | None:
    above = zone.path.rpartition(":")[0]
    return next((z for z in zones if z.path == above), None)


def _domain(zone: _Zone, zones: list[_Zone]) -> str:
    """`package-0`, `psys`; below a package its name and the package's number: `core-0`, `dram-1`."""
    above = _parent(zone, zones)
    domain = zone.name if above is None else f"{zone.name}-{above.name.removeprefix('package-')}"
    twins = [z for z in zones if z.name == zone.name and _parent(z, zones) is above]
    return domain if len(twins) == 1 else f"{domain}-{twins.index(zone)}"


def _container(zone: _Zone, opened: list[_Zone], domains: dict[str, str]) -> str | None:
    above = _parent(zone, opened)
    if above is not None and zone.name != "dram":
        return f"rapl:{domains[above.path]}"
    psys = next((z for z in opened if z.name == "psys"), None)
    return None if psys is None or zone is psys else f"rapl:{domains[psys.path]}"


def _denied(what: str, error: OSError) -> MeterUnavailableError:
    return MeterUnavailableError(
        f"{what} may not be read ({error.strerror}): current kernels let only root read these counters",
        "run as root, or let your group read them: sudo chgrp -R $(id -gn) "
        "/sys/devices/virtual/powercap && sudo chmod -R g+r /sys/devices/virtual/powercap (until the next "
        "boot)",
        state="denied",
    )
