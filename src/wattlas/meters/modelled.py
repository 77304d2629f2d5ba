"""Not a meter: node energy from the machine's idle and loaded power and how busy its CPUs were.

E(t) = P_idle·t + (P_loaded − P_idle)·(busy CPU seconds)/(number of CPUs)

It is used only where it is asked for by name, and every energy from it is `modelled`.
"""

import os
import re
from pathlib import Path

from wattlas.core.clock import Clock
from wattlas.core.errors import MeterEndedError, MeterRetryError, MeterUnavailableError, UsageError
from wattlas.core.roots import proc_root, sysfs_root
from wattlas.hardware.catalogue import load_machine
from wattlas.hardware.machine import Machine, Processor
from wattlas.hardware.power_scale import SCALED_U_RELATIVE, ModelledPower, modelled_power
from wattlas.meters.base import Channel, Reading
from wattlas.meters.options import number
from wattlas.power.instrument import Instrument

# The kernel counts CPU time in ticks of USER_HZ, 10 ms on every architecture that Linux still has.
_TICK_S = 0.01
# Of a line of /proc/stat: user, nice, system, irq, softirq. Guests are in user; stolen time others used.
_BUSY_FIELDS = (1, 2, 3, 6, 7)


def open_modelled(
    clock: Clock,
    idle_power_w: str | None = None,
    peak_power_w: str | None = None,
    u_power_relative: str | None = None,
    machine: str | None = None,
) -> "ModelledMeter":
    """The modelled meter with declared powers, those of a machine of the catalogue, or scaled ones.

    Args:
        clock: tells the time of each reading.
        idle_power_w: node power at idle; give `peak_power_w` too.
        peak_power_w: node power with every CPU busy.
        u_power_relative: relative standard uncertainty of both; 0.5 by default.
        machine: a machine's name in the catalogue, or its TOML file.

    Raises:
        UsageError: one power without the other, or values that are none.
    """
    if (idle_power_w is None) != (peak_power_w is None):
        raise UsageError("meter 'modelled': idle_power_w and peak_power_w go together; give both or neither")
    if idle_power_w is not None and peak_power_w is not None:
        idle_w = number("modelled", "idle_power_w", idle_power_w)
        loaded_w = number("modelled", "peak_power_w", peak_power_w, idle_w)
        power = ModelledPower(idle_w, loaded_w, SCALED_U_RELATIVE, "declared")
    else:
        power = modelled_power(_this_machine() if machine is None else load_machine(machine))
    if u_power_relative is not None:
        u_relative = number("modelled", "u_power_relative", u_power_relative)
        power = ModelledPower(power.idle_w, power.peak_w, u_relative, power.provenance, power.flags)
    return ModelledMeter(clock, power)


class ModelledMeter:
    """A counter of modelled joules of the node, from its opening on.

    Raises:
        MeterUnavailableError: `/proc/stat` does not tell how busy the CPUs are.
    """

    name = "modelled"

    def __init__(self, clock: Clock, power: ModelledPower) -> None:
        self._clock, self._power = clock, power
        self._descriptor: int | None = None
        path = proc_root() / "stat"
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._n_cpus = max(len(re.findall(r"^cpu\d", path.read_text(), re.MULTILINE)), 1)
            self._seen_busy_s = self._busy_s()
        except (OSError, MeterRetryError) as error:
            self.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise MeterUnavailableError(
                f"{path} does not tell how busy the CPUs are: {reason}", "set WATTLAS_PROC_ROOT to a procfs"
            ) from error
        self._last_s = clock.monotonic_s()
        self._energy_j = self._owed_s = 0.0
        instrument = Instrument(
            kind="counter",
            # All CPUs may tick at once. The idle part goes on between ticks, so no value is an old one.
            quantum=(power.peak_w - power.idle_w) * _TICK_S,
            update_period_s=0.0,
            # A rectangular half-width of √3·u has the standard deviation u.
            accuracy_relative=power.u_relative * 3**0.5,
            accuracy_source=power.provenance,
        )
        self._channel = Channel("modelled:node", "node", instrument, source="modelled", flags=power.flags)

    def channels(self) -> tuple[Channel, ...]:
        """One channel of the node."""
        return (self._channel,)

    def read(self) -> tuple[Reading, ...]:
        """Modelled energy since the meter was opened."""
        if self._descriptor is None:
            raise MeterEndedError("the modelled meter is closed; open it again")
        before_s = self._clock.monotonic_s()
        busy_s = self._busy_s()
        after_s = self._clock.monotonic_s()
        now_s = (before_s + after_s) / 2
        elapsed_s = now_s - self._last_s
        # Ticks come in lumps. What would be more than every CPU busy since the last read belongs to the time
        # after it, as far as that goes: power stays between idle and loaded.
        self._owed_s += busy_s - self._seen_busy_s
        taken_s = min(self._owed_s, elapsed_s * self._n_cpus)
        self._owed_s -= taken_s
        self._energy_j += self._power.idle_w * elapsed_s
        self._energy_j += (self._power.peak_w - self._power.idle_w) * taken_s / self._n_cpus
        self._seen_busy_s, self._last_s = busy_s, now_s
        return (Reading(self._channel.id, before_s, after_s, self._energy_j),)

    def close(self) -> None:
        """Close `/proc/stat`."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def _busy_s(self) -> float:
        """CPU seconds that were used by anything on this node since it booted."""
        assert self._descriptor is not None
        fields = os.pread(self._descriptor, 256, 0).partition(b"\n")[0].split()
        try:
            return sum(int(fields[i]) for i in _BUSY_FIELDS) * _TICK_S
        except (IndexError, ValueError) as error:
            raise MeterRetryError(f"/proc/stat begins with {fields!r}") from error


def _this_machine() -> Machine:
    """As much as scaling power takes: how many physical cores there are."""
    cpu = sysfs_root() / "devices" / "system" / "cpu"
    siblings = {_text(path) for path in cpu.glob("cpu[0-9]*/topology/thread_siblings_list")} - {""}
    cores = len(siblings) or os.cpu_count() or 1
    return Machine("this machine", (Processor("unknown", 1, cores),), (), None)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # an offline CPU has no siblings
