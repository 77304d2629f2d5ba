"""RAPL on trees of files: which zones there are, what contains what, and what happens when one goes wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wattlas.core.clock import ManualClock
from wattlas.core.errors import MeterEndedError, MeterRetryError, MeterUnavailableError
from wattlas.meters.rapl import RaplMeter
from wattlas.meters.recording import Recording
from wattlas.power.energy import window_energy


class Powercap:
    """A tree as the kernel lays it: zones under `<root>/class/powercap`, flat as the kernel links them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "class" / "powercap"
        self.folder.mkdir(parents=True)

    def zone(self, path: str, name: str, energy_uj: int = 0, range_uj: int | None = 262143328850) -> Path:
        folder = self.folder / path
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
        if range_uj is not None:
            (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
        return folder / "energy_uj"


def containers(meter: RaplMeter) -> dict[str, str | None]:
    return {c.id: c.contained_in for c in meter.channels()}


def test_two_sockets_with_everything(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    for socket in (0, 1):
        tree.zone(f"intel-rapl:{socket}", f"package-{socket}")
        tree.zone(f"intel-rapl:{socket}:0", "core")
        tree.zone(f"intel-rapl:{socket}:1", "dram", range_uj=65712999613)
    tree.zone("intel-rapl:2", "psys")
    meter = RaplMeter(ManualClock(), str(tmp_path))
    assert containers(meter) == {
        "rapl:package-0": "rapl:psys",
        "rapl:core-0": "rapl:package-0",
        "rapl:dram-0": "rapl:psys",
        "rapl:package-1": "rapl:psys",
        "rapl:core-1": "rapl:package-1",
        "rapl:dram-1": "rapl:psys",
        "rapl:psys": None,
    }
    ranges = {c.id: c.instrument.range_j for c in meter.channels()}
    assert ranges["rapl:package-0"] == pytest.approx(262143.32885 + 2**-14)
    assert ranges["rapl:dram-0"] == pytest.approx(65712.999613 + 2**-14)


def test_memory_is_not_part_of_its_package(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0")
    tree.zone("intel-rapl:0:0", "dram")
    assert containers(RaplMeter(ManualClock(), str(tmp_path))) == {
        "rapl:package-0": None,
        "rapl:dram-0": None,
    }


def test_a_package_that_mmio_shows_again_is_counted_once(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0", 5_000_000)
    tree.zone("intel-rapl-mmio:0", "package-0", 7_000_000)
    meter = RaplMeter(ManualClock(), str(tmp_path))
    assert [(r.channel, r.value) for r in meter.read()] == [("rapl:package-0", 5.0)]


def test_nested_folders_as_under_devices(tmp_path: Path) -> None:
    nested = tmp_path / "class" / "powercap" / "intel-rapl" / "intel-rapl:0" / "intel-rapl:0:0"
    nested.mkdir(parents=True)
    for folder, name in ((nested.parent, "package-0"), (nested, "core")):
        (folder / "name").write_text(name)
        (folder / "energy_uj").write_text("1000000")
    meter = RaplMeter(ManualClock(), str(tmp_path))
    assert containers(meter) == {"rapl:package-0": None, "rapl:core-0": "rapl:package-0"}


def test_no_zone_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MeterUnavailableError, match=r"no RAPL zone.*modprobe intel_rapl_msr"):
        RaplMeter(ManualClock(), str(tmp_path))


@pytest.mark.skipif(os.getuid() != 0, reason="takes root to become a user who may not read")
def test_an_unreadable_counter_is_denied(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0").chmod(0o400)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    program = (
        "import os, sys; os.setuid(65534)\n"
        "from wattlas.core.clock import ManualClock\n"
        "from wattlas.core.errors import MeterUnavailableError\n"
        "from wattlas.meters.rapl import RaplMeter\n"
        "try: RaplMeter(ManualClock(), sys.argv[1])\n"
        "except MeterUnavailableError as error: print(error.state, '|', error.reason, '|', error.fix)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import wattlas.meters.rapl, wattlas.power.instrument\n{program}", tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    state, reason, fix = done.stdout.split(" | ")
    assert state == "denied", done.stderr
    assert "energy_uj may not be read" in reason
    assert "chmod" in fix


def test_a_package_that_cannot_be_read_is_not_left_out_silently(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0")
    tree.zone("intel-rapl:0:0", "core")
    broken = tree.zone("intel-rapl:1", "package-1")
    broken.unlink()
    broken.mkdir()  # opens, and fails to be read
    with pytest.raises(MeterUnavailableError, match="intel-rapl:1/energy_uj cannot be read"):
        RaplMeter(ManualClock(), str(tmp_path))


def test_a_part_that_cannot_be_read_is_flagged(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0")
    broken = tree.zone("intel-rapl:0:0", "core")
    broken.unlink()
    broken.mkdir()
    channels = RaplMeter(ManualClock(), str(tmp_path)).channels()
    assert [(c.id, c.flags) for c in channels] == [("rapl:package-0", ("unreadable:core-0",))]


def test_an_unreadable_range_leaves_the_wrap_to_be_judged(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    file = tree.zone("intel-rapl:0", "package-0", 260_000_000_000, range_uj=None)
    clock = ManualClock()
    meter = RaplMeter(clock, str(tmp_path))
    recording = Recording(meter.channels())
    # 50 W, read ten times a second, and the register starts again in the middle.
    for i in range(41):
        energy_uj = 260_000_000_000 + i * 5_000_000
        file.write_text(str(energy_uj if i < 20 else energy_uj - 260_099_000_000))
        recording.add(meter.read())
        clock.sleep(0.1)
    energy = window_energy(recording.samples(1000.0, 1004.0, 0.1)["rapl:package-0"], 1000.0, 1004.0)
    assert energy.energy_j == pytest.approx(200.0, abs=2 * energy.u_energy_j)
    assert energy.energy_j == pytest.approx(200.0, rel=0.05)
    assert energy.flags


def test_a_wrap_is_told_to_the_quantum(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    span_uj = 262143328850
    file = tree.zone("intel-rapl:0", "package-0", range_uj=span_uj)
    clock = ManualClock()
    meter = RaplMeter(clock, str(tmp_path))
    recording = Recording(meter.channels())
    for i in range(41):
        file.write_text(str((span_uj - 100_000_000 + i * 5_000_000) % (span_uj + 61)))
        recording.add(meter.read())
        clock.sleep(0.1)
    energy = window_energy(recording.samples(1000.0, 1004.0, 0.1)["rapl:package-0"], 1000.0, 1004.0)
    assert energy.energy_j == pytest.approx(200.0, abs=0.06)
    assert "wrap" in energy.flags


def test_reads_that_go_wrong(tmp_path: Path) -> None:
    tree = Powercap(tmp_path)
    file = tree.zone("intel-rapl:0", "package-0", 1_000_000)
    meter = RaplMeter(ManualClock(), str(tmp_path))
    file.write_text("garbage\n")
    with pytest.raises(MeterRetryError, match="no number"):
        meter.read()
    file.write_text("3000000\n")
    assert meter.read()[0].value == 3.0
    meter.close()
    with pytest.raises(MeterEndedError):
        meter.read()
