"""Meters by name: the built-in ones, and those of installed packages (entry points in `wattlas.meters`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any
from urllib.parse import parse_qsl

from wattlas.core.clock import Clock, SystemClock
from wattlas.core.errors import MeterUnavailableError, UnknownNameError, UsageError
from wattlas.meters.base import Meter, MeterStatus

GROUP = "wattlas.meters"


@dataclass(frozen=True)
class _Entry:
    module: str
    attribute: str
    # Whether it reads an instrument: only such a meter is ever used without being asked for by name.
    real: bool


_BUILT_IN = {
    "rapl": _Entry("wattlas.meters.rapl", "RaplMeter", real=True),
    "modelled": _Entry("wattlas.meters.modelled", "open_modelled", real=False),
    "replay": _Entry("wattlas.meters.replay", "ReplayMeter", real=False),
    "fake": _Entry("wattlas.meters.fake", "FakeMeter", real=False),
}


def meter_names() -> tuple[str, ...]:
    """Every meter that can be asked for, here or not, without importing any."""
    return tuple(sorted({*_BUILT_IN, *_plugins()}))


def real_meter_names() -> tuple[str, ...]:
    """Those that read an instrument, in the order in which they are looked for. Plug-ins count as real."""
    return (
        *(name for name, entry in _BUILT_IN.items() if entry.real),
        *sorted(set(_plugins()) - set(_BUILT_IN)),
    )


def open_meter(url: str, clock: Clock | None = None) -> Meter:
    """Open the meter that `NAME` or `NAME?option=value&option=value` asks for.

    A meter is a callable of a module, called with the clock and the options as strings by keyword.

    Raises:
        UnknownNameError: no meter has this name.
        UsageError: an option that this meter does not have, or a value that it cannot take.
        MeterUnavailableError: it is not here, or may not be read.

    >>> open_meter("fake?power_w=40").channels()[0].id
    'fake:node'
    """
    name, _, query = url.partition("?")
    make = _factory(name)
    try:
        options = dict(parse_qsl(query, strict_parsing=True, keep_blank_values=True)) if query else {}
    except ValueError as error:
        raise UsageError(f"meter {url!r}: {error}; write NAME?option=value&option=value") from error
    _check_options(name, make, options)
    meter: Meter = make(clock or SystemClock(), **options)
    return meter


def find_meters(names: Iterable[str] | None = None) -> tuple[MeterStatus, ...]:
    """What is found when each real meter, or each of `names`, is looked for: what `doctor` shows."""
    found = []
    for name in real_meter_names() if names is None else names:
        try:
            meter = open_meter(name)
        except MeterUnavailableError as error:
            found.append(MeterStatus(name, error.state, error.reason, error.fix))
            continue
        found.append(MeterStatus(name, "available", channels=meter.channels()))
        meter.close()
    return tuple(found)


def open_available() -> list[Meter]:
    """Every real meter that this machine lets us read."""
    return [open_meter(status.name) for status in find_meters() if status.state == "available"]


def _factory(name: str) -> Any:
    if name in _BUILT_IN:
        return getattr(import_module(_BUILT_IN[name].module), _BUILT_IN[name].attribute)
    plugins = _plugins()
    if name not in plugins:
        raise UnknownNameError("meter", name, meter_names())
    return plugins[name].load()


def _check_options(name: str, make: Any, options: dict[str, str]) -> None:
    from inspect import Parameter, signature

    parameters = list(signature(make).parameters.values())[1:]
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        return
    known = [p.name for p in parameters]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of meter {name!r}", option, known)
    for parameter in parameters:
        if parameter.default is Parameter.empty and parameter.name not in options:
            raise UsageError(f"meter {name!r} needs {parameter.name}; write {name}?{parameter.name}=VALUE")


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
