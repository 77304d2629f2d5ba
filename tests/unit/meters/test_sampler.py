"""The sampler: edges, gaps, meters that fail, and the process that samples for `wattlas.measure`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import wattlas
from wattlas.core.clock import SystemClock
from wattlas.core.errors import MeterError, MeterRetryError, MeterUnavailableError, SeriesError, UsageError
from wattlas.meters.base import Meter, Reading
from wattlas.meters.fake import FakeMeter
from wattlas.meters.recording import Recording
from wattlas.meters.sampler import EDGE_WAIT_S, Sampler
from wattlas.power.energy import window_energy

CLOCK = SystemClock()


def sampled(meter: Meter, duration_s: float, interval_s: float = 0.01) -> tuple[Sampler, float, float]:
    sampler = Sampler([meter], interval_s, CLOCK)
    sampler.start()
    start_s = CLOCK.monotonic_s()
    time.sleep(duration_s)
    end_s = CLOCK.monotonic_s()
    sampler.sample_now()
    sampler.stop()
    return sampler, start_s, end_s


def test_constant_power_comes_out_exactly() -> None:
    sampler, start_s, end_s = sampled(FakeMeter(CLOCK, "80"), 0.2)
    energy = window_energy(sampler.samples(start_s, end_s)["fake:node"], start_s, end_s)
    assert energy.energy_j == pytest.approx(80 * (end_s - start_s), rel=1e-9)
    report = sampler.reports()[0]
    assert report.n_reads > 5
    assert (report.n_failed, report.ended) == (0, "")
    assert 0 <= report.mean_late_s <= report.max_late_s


def test_a_wrapping_counter_in_a_window_of_many_wraps() -> None:
    sampler, start_s, end_s = sampled(FakeMeter(CLOCK, "80", range_j="4"), 0.3)
    energy = window_energy(sampler.samples(start_s, end_s)["fake:node"], start_s, end_s)
    assert energy.energy_j == pytest.approx(80 * (end_s - start_s), rel=1e-6)
    assert "wrap" in energy.flags


class Shaky(FakeMeter):
    """Fails as it is told, from the second read on."""

    def __init__(self, error: Exception | None, delay_s: float = 0.0) -> None:
        super().__init__(CLOCK)
        self.reads, self.error, self.delay_s = 0, error, delay_s

    def read(self) -> tuple[Reading, ...]:
        self.reads += 1
        if self.reads > 1:
            time.sleep(self.delay_s)
            if self.error is not None:
                raise self.error
        return super().read()


def test_a_read_to_be_tried_again_leaves_a_gap_and_goes_on() -> None:
    meter = Shaky(MeterRetryError("busy"))
    sampler, start_s, end_s = sampled(meter, 0.1)
    assert meter.reads > 5
    assert sampler.reports()[0].n_failed == meter.reads - 1
    # One reading is left, and a counter's energy is a difference of two.
    with pytest.raises(SeriesError, match="1 usable counter readings"):
        window_energy(sampler.samples(start_s, end_s)["fake:node"], start_s, end_s)


def test_a_lost_meter_is_left_alone_and_reported() -> None:
    meter = Shaky(MeterUnavailableError("unplugged", "plug it in"))
    sampler, _, _ = sampled(meter, 0.1)
    assert meter.reads == 2
    assert sampler.reports()[0].ended == "unplugged; plug it in"


def test_a_broken_meter_raises_what_it_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        sampled(Shaky(ZeroDivisionError("a bug")), 0.1)


def test_a_slow_meter_delays_the_edge_by_no_more_than_it_may() -> None:
    sampler = Sampler([Shaky(None, delay_s=1.5)], 0.01, CLOCK)
    sampler.start()
    time.sleep(0.05)
    begin_s = time.monotonic()
    sampler.sample_now()
    assert time.monotonic() - begin_s < EDGE_WAIT_S + 0.5
    sampler.stop()


def test_what_is_forgotten_is_what_no_later_window_needs() -> None:
    meter = FakeMeter(CLOCK)
    recording = Recording(meter.channels())
    recording.add(Reading("fake:node", t, t, 50 * t) for t in (float(i) for i in range(100)))
    whole = recording.samples(60.0, 70.0, 1.0)["fake:node"]
    assert whole.before_s[0] < 60.0 - 1.0
    assert whole.before_s[-1] > 70.0 + 1.0
    recording.forget(80.0)
    kept = recording.samples(0.0, 99.0, 1.0)["fake:node"]
    assert 70.0 < kept.before_s[0] < 80.0
    recording.add([Reading("fake:node", 100.0, 100.0, 5000.0)])
    assert recording.samples(80.0, 100.0, 1.0)["fake:node"].before_s[-1] == 100.0


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="interval"):
        Sampler([], 0.0, CLOCK)


def test_windows_of_a_measurement_add_up() -> None:
    with wattlas.measure(["fake?power_w=100"], interval_s=0.01) as m:
        for _ in range(3):
            with m.window("epoch"):
                time.sleep(0.05)
        with pytest.raises(UsageError, match="goes on"):
            _ = m.energies
    assert [w.name for w in m.windows] == ["epoch"] * 3
    for window in (*m.windows, m.total):
        assert window.energies["fake:node"].energy_j == pytest.approx(100 * window.duration_s, rel=1e-6)
    assert "fake:node (simulated)" in str(m)
    with pytest.raises(UsageError, match="ended"), m.window("late"):
        pass


def test_no_meter_is_an_error_before_the_block(tmp_path_factory: pytest.TempPathFactory) -> None:
    code = "import wattlas\nwith wattlas.measure(): print('ran')"
    environment = os.environ | {"WATTLAS_SYSFS_ROOT": str(tmp_path_factory.mktemp("empty"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.stdout == ""
    assert "no meter can be read here: rapl: no RAPL zone" in done.stderr.splitlines()[-1]


def test_the_sampling_process_ends_with_its_parent() -> None:
    code = (
        "import wattlas, sys, time\n"
        "with wattlas.measure(['fake']) as m:\n"
        "    print(m._process._process.pid, flush=True)\n"
        "    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        sampling = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    for _ in range(100):
        try:
            state = Path(f"/proc/{sampling}/stat").read_text().split()[2]
        except FileNotFoundError:
            break
        if state == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the sampling process outlived its parent")


def test_a_sampling_process_that_is_killed_is_an_error_not_a_zero() -> None:
    measurement = wattlas.measure(["fake"])
    os.kill(measurement.__enter__()._process._process.pid, signal.SIGKILL)
    with pytest.raises(MeterError, match="ended by itself"):
        measurement.__exit__(None, None, None)
