"""What was characterised: kept, found again for the same device only, and made use of in energies."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wattlas.core.clock import ManualClock, SystemClock
from wattlas.core.errors import DataError, MeterError, MeterUnavailableError, UsageError
from wattlas.core.roots import data_root
from wattlas.meters.base import Channel, Reading
from wattlas.meters.characterised import Device, described, load, save, with_characterisation
from wattlas.meters.cpu_load import CpuLoad
from wattlas.meters.fake import FakeMeter
from wattlas.meters.recording import Recording
from wattlas.meters.session import open_chosen
from wattlas.meters.trial import random_edges, run_trial
from wattlas.power.characterise import Characterisation
from wattlas.power.energy import window_energy
from wattlas.power.instrument import Instrument
from wattlas.power.uncertainty import Energy
from wattlas.testing.sensor import EmulatedSensor, SensorSpec

FOUND = Characterisation(
    0.1, 1e-4, 1.0, 1e-6, 0.5, 2e-3, 0.2, 2e-3, 1.0, 0.0, idle_w=120.0, u_idle_w=0.3, loaded_w=310.0,
    u_loaded_w=0.3, noise_w=1.0,
)  # fmt: skip
UTC = "2026-11-25T10:00:00Z"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATTLAS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def device(url: str = "fake") -> Device:
    return Device.of(url, FakeMeter(SystemClock()).channels()[0])


def test_where_it_is_kept(data: Path) -> None:
    assert data_root() == data
    assert data_root({"XDG_DATA_HOME": "/x"}) == Path("/x/wattlas")
    assert data_root({}) == Path.home() / ".local" / "share" / "wattlas"
    assert save(device(), FOUND, UTC).parent == data / "meters"


def test_kept_and_found_again_by_the_same_device_only() -> None:
    assert load(device()) is None
    save(device("fake?power_w=40&kind=counter"), FOUND, UTC)
    assert load(device("fake?kind=counter&power_w=40")) == (FOUND, UTC)
    assert load(device()) is None
    assert load(replace(device("fake?kind=counter&power_w=40"), machine="elsewhere")) is None


def test_an_option_is_not_written_down() -> None:
    path = save(device("fake?power_w=secret"), FOUND, UTC)
    assert "secret" not in path.read_text()
    assert "secret" not in path.name


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"schema": "wattlas.characterisation/9"}, "characterisation_ignored:other_schema"),
        ({"device": {"machine": "elsewhere"}}, "characterisation_ignored:other_device"),
    ],
)
def test_what_is_of_something_else_is_ignored_and_said(change: dict[str, object], flag: str) -> None:
    path = save(device(), FOUND, UTC)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (channel,) = open_chosen(["fake"])[0].channels()
    assert channel.flags == (flag,)
    assert channel.instrument == FakeMeter(SystemClock()).channels()[0].instrument


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "\xff\xfe", '{"schema": "wattlas.characterisation/1"}'],
)
def test_a_damaged_file_is_one_line(content: str) -> None:
    path = save(device(), FOUND, UTC)
    path.write_text(content, encoding="latin-1")
    if content.startswith('{"schema"'):
        document = {"schema": "wattlas.characterisation/1", "device": device().__dict__}
        path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"damaged.*delete it") as error:
        open_chosen(["fake"])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [-1.0, "NaN", None, True, "0.1"])
def test_a_value_that_is_none_is_damage(value: object) -> None:
    path = save(device(), FOUND, UTC)
    document = json.loads(path.read_text())
    document["found"]["delay_s"] = float("nan") if value == "NaN" else value
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="delay_s"):
        load(device())


def test_a_meter_that_nobody_characterised_is_itself() -> None:
    meter = FakeMeter(SystemClock())
    assert with_characterisation("fake", meter) is meter


def test_the_instrument_as_found() -> None:
    declared = Instrument("gauge", 0.5, 0.3, 0.01)
    found = described(declared, FOUND, UTC)
    assert (found.update_period_s, found.delay_s, found.window_s) == (0.1, 0.5, 0.2)
    assert (found.quantum, found.accuracy_relative) == (1.0, 0.01)
    assert found.lag_s == pytest.approx(0.8)
    # What agrees with the declared period leaves it; a window of nothing is a spot value.
    close = described(replace(declared, update_period_s=0.10015), replace(FOUND, window_s=1e-3), UTC)
    assert close.update_period_s == 0.10015
    assert (close.averaging, close.window_s) == ("instantaneous", 0.0)
    assert declared.lag_s == 0


def energies(spec: SensorSpec, result: Characterisation) -> tuple[Energy, Energy, float]:
    """Energy of a window of load as declared, as characterised, and as it is."""
    clock = ManualClock()
    start_s = clock.now_s + 5
    edges = [start_s, start_s + 3.0]
    sensor = EmulatedSensor(clock, lambda: edges, spec)
    (plain,) = sensor.channels()
    declared = replace(plain, instrument=replace(plain.instrument, accuracy_relative=1e-3))
    better = replace(declared, instrument=described(declared.instrument, result, UTC))
    recordings = [Recording([declared]), Recording([better])]
    while clock.now_s < edges[1] + 5:
        readings = sensor.read()
        for recording in recordings:
            recording.add(readings)
        clock.sleep(0.02)
    told = [window_energy(r.samples(*edges, 0.02)[declared.id], *edges) for r in recordings]
    return told[0], told[1], 3.0 * spec.loaded_w


@pytest.mark.parametrize(
    "spec",
    [
        SensorSpec("gauge", 0.1, 1.0, 0.1),
        SensorSpec("gauge", 0.1, 0.5, 1.0),
        SensorSpec("gauge", 0.1, 0.5, 0.025),
        SensorSpec("gauge", 0.1, 0.5, 0.0),
        SensorSpec("counter", 0.1, 1.0, 0.0),
        SensorSpec("counter", 0.1, 0.5, 1.0),
        SensorSpec("counter", 0.1, 0.5, 0.025, part_time=True),
    ],
    ids=str,
)
def test_windows_are_moved_by_the_delay(spec: SensorSpec) -> None:
    counted = spec.kind == "counter"
    duty = spec.window_s / 0.1 if spec.part_time or not counted else 1.0
    result = replace(
        FOUND,
        delay_s=spec.delay_s,
        window_s=spec.window_s,
        resolution_w=0.0,
        duty_cycle=min(duty, 1.0),
    )
    before, after, true_j = energies(spec, result)
    assert abs(before.energy_j - true_j) > 60  # 190 W × a delay of 0.5 s and more
    # What a long window rounds off at each edge is lost: an eighth of step × window, and no more.
    assert abs(after.energy_j - true_j) < 15 + 190 * max(spec.window_s - 0.1, 0) / 4
    assert abs(after.energy_j - true_j) <= 3 * after.u_energy_j
    assert after.terms["response"] > 0
    assert "response" not in before.terms


def test_measurements_wait_for_late_readings() -> None:
    import wattlas

    save(device(), replace(FOUND, delay_s=0.4, window_s=0.0, update_period_s=0.01), UTC)
    with wattlas.measure(["fake"], interval_s=0.02) as m:
        time.sleep(0.05)
    energy = m.energies["fake:node"]
    assert "characterised" in energy.flags
    assert not {"uncovered_start", "uncovered_end"} & set(energy.flags)


def test_trials_take_a_sensible_time() -> None:
    with pytest.raises(UsageError, match="give 5 to"):
        run_trial(FakeMeter(SystemClock()), SystemClock(), CpuLoad(), 0.1)


def test_the_cpu_load_keeps_to_its_plan() -> None:
    import resource

    before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    now_s = time.monotonic()
    plan = now_s + 0.7 + np.array([0.0, 0.3, 0.5, 0.6])
    cpu_load = CpuLoad()
    cpu_load.start(plan.tolist())
    time.sleep(1.3)
    edges_s, u_s = cpu_load.stop()
    assert (edges_s >= plan - 1e-3).all()
    assert np.median(edges_s - plan) < 0.2  # other work may be in the way
    assert 0 <= u_s < 0.5
    used_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s
    assert used_s > 0.05 * cpu_load.n_cpus


def test_a_load_that_cannot_run_is_an_error() -> None:
    cpu_load = CpuLoad()
    cpu_load.start([1.0, 2.0, 3.0])  # no end to the last
    with pytest.raises(MeterError, match="ended by itself"):
        cpu_load.stop()


def test_no_load_is_left_by_a_trial_that_ends_early() -> None:
    class Lost(FakeMeter):
        def read(self) -> tuple[Reading, ...]:
            if cpu_load.started:
                raise MeterUnavailableError("gone", "look for it")
            return super().read()

    class Watched(CpuLoad):
        started: tuple[subprocess.Popen[str], ...] = ()

        def start(self, edge_s: Sequence[float]) -> None:
            super().start(edge_s)
            self.started = tuple(self._processes)

    cpu_load = Watched()
    with pytest.raises(MeterUnavailableError, match="gone"):
        run_trial(Lost(SystemClock()), SystemClock(), cpu_load, 5.0)
    assert len(cpu_load.started) == cpu_load.n_cpus
    assert all(process.poll() is not None for process in cpu_load.started)


def test_edges_are_random_and_end_off() -> None:
    edges_s = random_edges(np.random.default_rng(0), 100.0, 160.0, 2.0)
    assert len(edges_s) % 2 == 0
    assert edges_s[0] == 100.0
    assert edges_s[-1] < 160.0
    held_s = np.diff(edges_s)
    assert held_s.min() >= 0.1
    assert held_s.max() <= 2.0
    assert np.std(np.log(held_s)) > 0.5


def test_a_channel_is_told_from_its_twin() -> None:
    instrument = FakeMeter(SystemClock()).channels()[0].instrument
    paths = {
        Device.of("x", Channel(f"x:{name}", "node", instrument)).path() for name in ("a", "b", "a/b", "a-b")
    }
    assert len(paths) == 4
