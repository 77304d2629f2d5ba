"""Modelled energy: idle power, busy CPUs, bounds, and what it refuses."""

from pathlib import Path

import pytest

from wattlas.core.clock import ManualClock
from wattlas.core.errors import MeterUnavailableError, UsageError
from wattlas.meters.modelled import open_modelled
from wattlas.meters.registry import open_meter


@pytest.fixture
def stat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATTLAS_PROC_ROOT", str(tmp_path))
    turn(tmp_path / "stat", 0)
    return tmp_path / "stat"


def turn(stat: Path, busy_ticks: int) -> None:
    """Two CPUs, busy for so many ticks of 10 ms together; what is idle or stolen does not count."""
    stat.write_text(f"cpu {busy_ticks} 0 0 777 55 0 0 99 0 0\ncpu0 1 0 0 0\ncpu1 1 0 0 0\nintr 5\n")


def test_idle_plus_share_of_busy_cpus(stat: Path) -> None:
    clock = ManualClock()
    meter = open_modelled(clock, "20", "60")
    clock.sleep(10.0)
    assert meter.read()[0].value == pytest.approx(200.0)
    turn(stat, 1000)  # of 2 CPUs x 10 s = 2000 ticks: half busy
    clock.sleep(10.0)
    assert meter.read()[0].value == pytest.approx(200.0 + 10 * 40.0)


def test_power_never_leaves_idle_to_loaded(stat: Path) -> None:
    clock = ManualClock()
    meter = open_modelled(clock, "20", "60")
    turn(stat, 4)  # 20 ms of both CPUs, all at once
    clock.sleep(0.005)
    first = meter.read()[0].value
    assert first == pytest.approx(60 * 0.005)
    clock.sleep(0.1)
    # The rest of the ticks is counted after, and only once.
    assert meter.read()[0].value == pytest.approx(20 * 0.105 + 40 * 0.02)


def test_its_source_and_its_flag_say_what_it_is() -> None:
    channel = open_meter("modelled").channels()[0]
    assert channel.source == "modelled"
    assert channel.flags == ("power_scaled_from_eagle_cpu",)
    assert channel.instrument.accuracy_relative == pytest.approx(0.5 * 3**0.5)
    assert open_meter("modelled?machine=eagle-cpu").channels()[0].flags == ()


@pytest.mark.parametrize(
    "url",
    [
        "modelled?idle_power_w=20",
        "modelled?idle_power_w=60&peak_power_w=20",
        "modelled?idle_power_w=x&peak_power_w=1",
    ],
)
def test_powers_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="modelled"):
        open_meter(url)


def test_without_a_proc_stat(stat: Path) -> None:
    stat.write_text("nothing here\n")
    with pytest.raises(MeterUnavailableError, match="does not tell how busy"):
        open_modelled(ManualClock(), "20", "60")
    stat.unlink()
    with pytest.raises(MeterUnavailableError, match="No such file"):
        open_modelled(ManualClock(), "20", "60")
