"""What `meter characterise` found, kept per device, and meters that make use of it.

A file a device under `<data>/meters/`: this machine, the meter as it was asked for, and the channel.
"""

import json
import math
import os
import platform
import re
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from wattlas.core.errors import DataError
from wattlas.core.ids import content_id
from wattlas.core.roots import data_root, proc_root, sysfs_root
from wattlas.meters.base import Channel, Meter, Reading
from wattlas.power.characterise import Characterisation
from wattlas.power.instrument import Instrument

SCHEMA = "wattlas.characterisation/1"
# Flags of a channel whose update period, delay and window were found, or were found for something else.
USED, OTHER_DEVICE, OTHER_SCHEMA = (
    "characterised",
    "characterisation_ignored:other_device",
    "characterisation_ignored:other_schema",
)
# A declared value this many standard uncertainties from the found one is kept.
_AGREES = 2.0


@dataclass(frozen=True)
class Device:
    """What a characterisation is of."""

    machine: str
    meter: str
    channel: str
    kind: str

    @classmethod
    def of(cls, url: str, channel: Channel) -> "Device":
        """The device behind a channel of the meter that `url` asks for, on this machine."""
        name, _, query = url.partition("?")
        # Not as they are: an option may be what nobody else should read.
        options = content_id({"options": sorted(parse_qsl(query, keep_blank_values=True))}) if query else ""
        roots = "".join(
            f" {root}"
            for root, usual in ((sysfs_root(), "/sys"), (proc_root(), "/proc"))
            if str(root) != usual
        )
        meter = f"{name}?{options}" if options else name
        return cls(platform.node() + roots, meter, channel.id, channel.instrument.kind)

    def path(self) -> Path:
        """Where its characterisation is kept. Names are for people, the digits tell devices apart."""
        name = "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", part)[:40] for part in (self.machine, self.channel))
        return data_root() / "meters" / f"{name}-{content_id(self.__dict__)}.json"


def save(device: Device, found: Characterisation, characterised_utc: str) -> Path:
    """Keep what was found; what was kept of the same device before is replaced."""
    path = device.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": SCHEMA,
        "device": device.__dict__,
        "characterised_utc": characterised_utc,
        "found": found.__dict__,
    }
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, indent=1) + "\n")
    Path(name).replace(path)
    return path


def load(device: Device) -> tuple[Characterisation, str] | str | None:
    """What was found of a device and when (UTC); the flag that says why it is ignored; None if there is none.

    Raises:
        DataError: the file is damaged.
    """
    path = device.path()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise _damaged(path, "no schema")
    if document["schema"] != SCHEMA:
        return OTHER_SCHEMA
    if document.get("device") != device.__dict__:
        return OTHER_DEVICE
    return _found(path, document.get("found")), str(document.get("characterised_utc", ""))


def _found(path: Path, values: Any) -> Characterisation:
    names = [field.name for field in fields(Characterisation)]
    if not isinstance(values, dict) or set(values) != set(names):
        raise _damaged(path, "not the fields of a characterisation")
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        # Powers may come out below 0 by noise; nothing else may.
        if not number or (value < 0 and name not in ("idle_w", "loaded_w")):
            raise _damaged(path, f"{name} is {value!r}")
    return Characterisation(**values)


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path} is damaged: {what}; delete it, or run 'wattlas meter characterise' again")


def described(instrument: Instrument, found: Characterisation, characterised_utc: str) -> Instrument:
    """An instrument as it was found to be. A declared update period that agrees with what was found stays."""
    off_s = abs(instrument.update_period_s - found.update_period_s)
    keep = off_s <= _AGREES * found.u_update_period_s
    period_s = instrument.update_period_s if keep else found.update_period_s
    step = found.resolution_w * (1.0 if instrument.kind == "gauge" else found.update_period_s)
    told = found.u_resolution_w < found.resolution_w / 10
    spot = instrument.kind == "gauge" and found.window_s <= _AGREES * found.u_window_s
    return replace(
        instrument,
        quantum=max(instrument.quantum, step) if told else instrument.quantum,
        update_period_s=period_s,
        averaging="instantaneous" if spot else "averaged",
        delay_s=found.delay_s,
        u_delay_s=found.u_delay_s,
        window_s=0.0 if spot else found.window_s,
        duty_cycle=found.duty_cycle,
        characterised_utc=characterised_utc,
    )


class CharacterisedMeter:
    """A meter whose channels' instruments are described by what was found of them; it reads as before."""

    def __init__(self, meter: Meter, channels: tuple[Channel, ...]) -> None:
        self.name = meter.name
        self._meter, self._channels = meter, channels

    def channels(self) -> tuple[Channel, ...]:
        """The meter's channels; those of which something was found have the flag `characterised`."""
        return self._channels

    def read(self) -> tuple[Reading, ...]:
        """What the meter reads."""
        return self._meter.read()

    def close(self) -> None:
        """Close the meter."""
        self._meter.close()


def with_characterisation(url: str, meter: Meter) -> Meter:
    """The meter that was opened as `url`, making use of what was found of its channels, if anything was.

    Raises:
        DataError: a file with what was found is damaged.
    """
    channels = tuple(_with_found(channel, load(Device.of(url, channel))) for channel in meter.channels())
    return meter if channels == meter.channels() else CharacterisedMeter(meter, channels)


def _with_found(channel: Channel, kept: tuple[Characterisation, str] | str | None) -> Channel:
    if kept is None:
        return channel
    if isinstance(kept, str):
        return replace(channel, flags=(*channel.flags, kept))
    instrument = described(channel.instrument, *kept)
    return replace(channel, instrument=instrument, flags=(*channel.flags, USED))
