"""`wattlas meter characterise`, and `measure` after it, as users type them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wattlas.core.clock import SystemClock
from wattlas.meters.characterised import Device, save
from wattlas.meters.fake import FakeMeter
from wattlas.power.characterise import Characterisation

WATTLAS = [sys.executable, "-m", "wattlas"]
FIELDS = ("update_period_s", "resolution_w", "delay_s", "window_s", "duty_cycle", "idle_w", "loaded_w")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATTLAS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*WATTLAS, *arguments], capture_output=True, text=True, timeout=120)


def busy_share() -> float:
    """Of this machine's CPUs, over half a second."""

    def ticks() -> list[int]:
        return [int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]

    before = ticks()
    time.sleep(0.5)
    spent = [b - a for a, b in zip(before, ticks(), strict=True)]
    return 1 - (spent[3] + spent[4]) / max(sum(spent), 1)


@pytest.mark.slow
def test_the_modelled_meter_for_real(tmp_path: Path, data: Path) -> None:
    if not Path("/proc/stat").exists() or busy_share() > 0.2:
        pytest.skip("other work keeps this machine's CPUs busy (or it is no Linux): a load would not show")
    meter, out = "modelled?idle_power_w=20&peak_power_w=60", tmp_path / "c.json"
    done = run("meter", "characterise", meter, "--duration", "8", "--json", "-o", out)
    if "does not react" in done.stderr:
        pytest.skip("other work came in between: the load did not show")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document == json.loads(out.read_text())
    assert all(document[name] >= 0 and document[f"u_{name}"] >= 0 for name in FIELDS)
    assert (document["channel"], document["source"]) == ("modelled:node", "modelled")
    # It is told at once, from ticks of 10 ms; and power lies between what was declared.
    assert document["delay_s"] <= 0.05 + 3 * document["u_delay_s"]
    assert 18 < document["idle_w"] < document["loaded_w"] < 62
    assert [Path(document["kept_in"])] == list((data / "meters").iterdir())
    measured = tmp_path / "m.json"
    assert run("measure", "--meter", meter, "-o", measured, "--", "true").returncode == 0
    (channel,) = json.loads(measured.read_text())["channels"]
    assert "characterised" in channel["flags"]
    assert channel["characterised"]["delay_s"] == document["delay_s"]
    assert channel["characterised"]["characterised_utc"] == document["characterised_utc"]


def test_a_meter_that_does_not_react_is_one_line_and_kept_nowhere(data: Path) -> None:
    done = run("meter", "characterise", "fake", "--duration", "5", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "fake:node does not react to the load: 50 W idle and 50 W loaded" in done.stderr
    assert not data.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fake", "--duration", "1"), "give 5 to 7200 s"),
        (("fake", "--channel", "fake:gpu"), "unknown channel 'fake:gpu'"),
        (("fake", "-o", "there.json"), "there.json exists"),
        (("nothing",), "unknown meter 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_load(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.json").write_text("mine")
    done = run("meter", "characterise", *arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert Path("there.json").read_text() == "mine"


def kept(url: str) -> Path:
    found = Characterisation(0.01, 1e-5, 0.0, 0.0, 0.3, 1e-3, 0.0, 1e-3, 1.0, 0.0, 50.0, 0.1, 90.0, 0.1, 0.1)
    return save(Device.of(url, FakeMeter(SystemClock()).channels()[0]), found, "2026-11-25T10:00:00Z")


def test_measure_waits_for_a_late_meter_and_says_that_it_knows(tmp_path: Path) -> None:
    kept("fake")
    out = tmp_path / "m.json"
    done = run("measure", "--meter", "fake", "-o", out, "--", "sleep", "0.1")
    assert done.returncode == 0
    document = json.loads(out.read_text())
    (channel,) = document["channels"]
    assert document["duration_s"] < 0.3  # the wait is no part of the window
    assert channel["flags"] == ["characterised"]
    assert channel["energy_j"] == pytest.approx(50 * document["duration_s"], rel=1e-6)
    assert channel["characterised"]["delay_s"] == 0.3
    assert channel["u_terms_j"]["response"] >= 0
    # Another meter of the same kind was not characterised.
    run("measure", "--meter", "fake?power_w=51", "-o", out, "--force", "--", "true")
    (channel,) = json.loads(out.read_text())["channels"]
    assert (channel["flags"], channel["characterised"]) == ([], None)


def test_a_damaged_file_is_one_line_and_the_command_is_not_started(tmp_path: Path) -> None:
    path = kept("fake")
    path.write_text(path.read_text()[:100])
    done = run("measure", "--meter", "fake", "--", "touch", str(tmp_path / "ran"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{path} is damaged" in done.stderr
    assert not (tmp_path / "ran").exists()
    # Neither check nor characterise look at it.
    assert run("meter", "check", "fake").returncode == 0
    assert path.stat().st_size == 100
