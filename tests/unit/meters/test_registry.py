"""Meters by name, their options, recordings played again, and the conformance suite itself."""

from pathlib import Path

import pytest

from wattlas.core.clock import ManualClock
from wattlas.core.errors import DataError, MeterEndedError, UnknownNameError, UsageError
from wattlas.meters.fake import FakeMeter
from wattlas.meters.registry import find_meters, meter_names, open_meter, real_meter_names
from wattlas.testing.meters import check_meter

CSV = "channel,kind,before_s,after_s,value\n" + "".join(
    f"bmc:node,gauge,{t}.0,{t}.2,{100 + t}\nrapl:package-0,counter,{t}.0,{t}.0,{50 * t}\n" for t in range(10)
)


def test_only_instruments_are_looked_for() -> None:
    assert {"rapl", "modelled", "replay", "fake"} <= set(meter_names())
    assert "rapl" in real_meter_names()
    assert not {"modelled", "replay", "fake"} & {status.name for status in find_meters()}


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("rappl", UnknownNameError, "did you mean 'rapl'"),
        ("fake?power=3", UnknownNameError, "did you mean 'power_w'"),
        ("fake?power_w", UsageError, "NAME\\?option=value"),
        ("fake?power_w=-1", UsageError, "at least 0"),
        ("fake?kind=sine", UsageError, "counter or gauge"),
        ("replay", UsageError, "needs file"),
        ("replay?file=/nowhere.csv", UsageError, "no file"),
    ],
)
def test_bad_urls(url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_meter(url)


def test_a_recording_is_played_at_its_own_pace(tmp_path: Path) -> None:
    file = tmp_path / "power.csv"
    file.write_text(CSV)
    clock = ManualClock()
    meter = open_meter(f"replay?file={file}", clock)
    assert {c.id: (c.instrument.kind, c.source) for c in meter.channels()} == {
        "replay:node": ("gauge", "simulated"),
        "replay:package-0": ("counter", "simulated"),
    }
    clock.sleep(3.5)
    assert {r.channel: r.value for r in meter.read()} == {"replay:node": 103.0, "replay:package-0": 150.0}
    clock.sleep(100.0)
    with pytest.raises(MeterEndedError, match="at its end"):
        meter.read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.replace("kind,", "sort,"), "no column 'kind'"),
        (CSV.splitlines()[0] + "\n", "no rows"),
        (CSV.replace("gauge", "dial"), "write counter or gauge"),
        (CSV + "bmc:node,gauge,2.0,2.1,5\n", "do not rise"),
    ],
)
def test_bad_recordings(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "power.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        open_meter(f"replay?file={file}")


@pytest.mark.parametrize(
    "url", ["fake", "fake?kind=gauge", "fake?range_j=15", "modelled?idle_power_w=20&peak_power_w=60"]
)
def test_built_in_meters_conform(url: str) -> None:
    clock = ManualClock()
    assert [f for f in check_meter(open_meter(url, clock), clock) if not f.passed] == []


def test_the_suite_finds_a_meter_that_answers_after_closing_and_a_counter_that_falls() -> None:
    class Broken(FakeMeter):
        def read(self):  # type: ignore[no-untyped-def]
            self._closed = False
            self._power_w = -self._power_w
            return super().read()

    clock = ManualClock()
    failed = {f.check for f in check_meter(Broken(clock), clock) if not f.passed}
    assert failed == {"values are possible", "counters do not fall", "says so when read after closing"}
