"""The conformance suite of meters: what every meter must do, built in or of a third party."""

import math
from dataclasses import dataclass
from itertools import pairwise

from wattlas.core.clock import Clock
from wattlas.core.errors import MeterEndedError, MeterRetryError
from wattlas.meters.base import Meter, Reading

_READS = 20
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Finding:
    """One check, whether it passed, and what was seen."""

    check: str
    passed: bool
    detail: str


def check_meter(meter: Meter, clock: Clock) -> list[Finding]:
    """Read a freshly opened meter for half a second, close it, and say what it does right and wrong."""
    findings = [*_check_channels(meter)]
    begin_s = clock.monotonic_s()
    reads: list[tuple[Reading, ...]] = []
    retries = 0
    for _ in range(_READS):
        try:
            reads.append(meter.read())
        except MeterRetryError:
            retries += 1
        except MeterEndedError:
            break
        clock.sleep(_PAUSE_S)
    end_s = clock.monotonic_s()
    findings += _check_reads(meter, reads, begin_s, end_s, retries)
    meter.close()
    findings.append(_check_closed(meter))
    return findings


def _check_channels(meter: Meter) -> list[Finding]:
    channels = meter.channels()
    ids = [c.id for c in channels]
    known = set(ids)
    contained = {c.id: c.contained_in for c in channels}
    lost = [c for c in contained.values() if c is not None and c not in known]
    loops = [start for start in ids if _goes_round(start, contained)]
    unnamed = [c.id for c in channels if not c.id.startswith(f"{meter.name}:") or not c.domain]
    return [
        Finding("has channels", bool(channels), f"{len(channels)} channels"),
        Finding("ids are unique", len(known) == len(ids), ", ".join(ids)),
        Finding(
            "ids are METER:NAME and domains named", not unnamed, f"wrong: {unnamed}" if unnamed else "all are"
        ),
        Finding("containers are channels", not lost, f"not channels: {lost}" if lost else "all are, or none"),
        Finding("containment ends", not loops, f"goes round: {loops}" if loops else "it does"),
    ]


def _goes_round(start: str, contained: dict[str, str | None]) -> bool:
    seen, at = {start}, contained.get(start)
    while at is not None:
        if at in seen:
            return True
        seen.add(at)
        at = contained.get(at)
    return False


def _check_reads(
    meter: Meter, reads: list[tuple[Reading, ...]], begin_s: float, end_s: float, retries: int
) -> list[Finding]:
    channels = {c.id: c for c in meter.channels()}
    readings = [reading for read in reads for reading in read]
    strange = sorted({r.channel for r in readings} - set(channels))
    untimed = [r for r in readings if not begin_s <= r.before_s <= r.after_s <= end_s]
    impossible, back = [], []
    for channel in channels.values():
        values = [r.value for r in readings if r.channel == channel.id]
        instrument = channel.instrument
        limit = instrument.max_power_w if instrument.kind == "gauge" else instrument.range_j
        impossible += [
            v for v in values if not (math.isfinite(v) and 0 <= v <= (math.inf if limit is None else limit))
        ]
        falls = sum(b < a - instrument.quantum for a, b in pairwise(values))
        # One fall in half a second may be a wrap.
        allowed = 0 if instrument.range_j is None else 1
        if instrument.kind == "counter" and falls > allowed:
            back.append(channel.id)
    silent = sorted(set(channels) - {r.channel for r in readings})
    return [
        Finding("answers", bool(reads), f"{len(reads)} reads, {retries} to be tried again"),
        Finding("every channel answers", not silent, f"silent: {silent}" if silent else "all do"),
        Finding("reads only its channels", not strange, f"strange: {strange}" if strange else "it does"),
        Finding(
            "times lie around the read, on the monotonic clock",
            not untimed,
            f"{len(untimed)} of {len(readings)} do not" if untimed else "all do",
        ),
        Finding(
            "values are possible",
            not impossible,
            f"impossible: {impossible[:3]}" if impossible else "all are",
        ),
        Finding("counters do not fall", not back, f"fall: {back}" if back else "none does"),
    ]


def _check_closed(meter: Meter) -> Finding:
    try:
        meter.read()
    except MeterEndedError:
        return Finding("says so when read after closing", True, "MeterEndedError")
    return Finding("says so when read after closing", False, "it answered")
