"""`wattlas measure`, `doctor` and `meter`, as users type them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WATTLAS = [sys.executable, "-m", "wattlas"]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WATTLAS, *arguments], capture_output=True, text=True, timeout=60, env=os.environ | environment
    )


def test_streams_and_exit_status_are_the_commands_own(tmp_path: Path) -> None:
    out = tmp_path / "m.json"
    done = run(
        "measure", "--meter", "fake?power_w=40", "-o", out, "--", "sh", "-c", "echo out; echo err >&2; exit 7"
    )
    assert done.returncode == 7
    assert done.stdout == "out\n"
    assert done.stderr.startswith("err\n")
    document = json.loads(out.read_text())
    assert document["exit_status"] == 7
    assert document["start_utc"].endswith("Z")
    channel = document["channels"][0]
    assert channel["energy_j"] == pytest.approx(40 * document["duration_s"], rel=1e-6)
    assert channel["u_energy_j"] >= 0
    wanted = {
        "id",
        "domain",
        "kind",
        "energy_j",
        "u_energy_j",
        "mean_power_w",
        "source",
        "flags",
        "contained_in",
    }
    assert wanted <= set(channel)
    assert channel["source"] == "simulated"


def test_without_a_meter_the_command_is_not_started(tmp_path: Path) -> None:
    done = run("measure", "--", "touch", str(tmp_path / "ran"), WATTLAS_SYSFS_ROOT=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "rapl: no RAPL zone" in done.stderr
    assert "--meter modelled" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_modelled_says_so(tmp_path: Path) -> None:
    done = run("measure", "--meter", "modelled", "-o", tmp_path / "m.json", "--", "true")
    assert done.returncode == 0
    assert "MODELLED" in done.stderr
    assert json.loads((tmp_path / "m.json").read_text())["channels"][0]["source"] == "modelled"


def test_rapl_from_a_tree_that_moves_and_wraps(tmp_path: Path) -> None:
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "max_energy_range_uj").write_text("99999999\n")
    (zone / "energy_uj").write_text("95000000\n")
    # 30 W for a second, and a register of 100 J that wraps after 5 J.
    script = (
        "import time\nt0=time.monotonic()\n"
        f"f=open({str(zone / 'energy_uj')!r},'r+')\n"
        "while (t:=time.monotonic()-t0)<1.0:\n"
        " f.seek(0); f.write(f'{int(95000000+30e6*t)%100000061:<12}'); f.flush(); time.sleep(0.0005)\n"
    )
    out = tmp_path / "m.json"
    done = run(
        *("measure", "--meter", "rapl", "--interval", "0.01", "-o", out, "--", sys.executable, "-c", script),
        WATTLAS_SYSFS_ROOT=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    channel = json.loads(out.read_text())["channels"][0]
    assert channel["id"] == "rapl:package-0"
    assert channel["source"] == "measured"
    assert channel["energy_j"] == pytest.approx(30.0, abs=0.5)
    assert "wrap" in channel["flags"]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_goes_to_the_command_and_the_energy_is_still_written(
    tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    out = tmp_path / "m.json"
    with subprocess.Popen(
        [*WATTLAS, "measure", "--meter", "fake", "-o", out, "--", "sh", "-c", "echo go; exec sleep 60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(0.1)
        process.send_signal(sent)
        assert process.wait(timeout=20) == status
    document = json.loads(out.read_text())
    assert document["exit_status"] == status
    assert document["channels"][0]["energy_j"] > 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["measure", "--meter", "rappl", "--", "true"], 2, "did you mean 'rapl'"),
        (["measure", "--meter", "fake"], 2, "Missing argument"),
        (["measure", "--meter", "fake", "--", "/no/such/command"], 1, "cannot run"),
        (["measure", "--meter", "fake", "--interval", "0", "--", "true"], 2, "0.001 to 60"),
        (
            ["measure", "--meter", "fake", "-o", "/no/such/folder/m.json", "--", "true"],
            2,
            "cannot be written",
        ),
        (["meter", "check", "rappl"], 2, "did you mean 'rapl'"),
    ],
)
def test_errors_are_one_line(arguments: list[str], status: int, message: str) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_result_is_not_overwritten_unasked(tmp_path: Path) -> None:
    out = tmp_path / "m.json"
    out.write_text("precious")
    done = run("measure", "--meter", "fake", "-o", out, "--", "touch", str(tmp_path / "ran"))
    assert done.returncode == 2
    assert "exists" in done.stderr
    assert out.read_text() == "precious"
    assert not (tmp_path / "ran").exists()
    assert run("measure", "--meter", "fake", "-o", out, "--force", "--", "true").returncode == 0
    assert json.loads(out.read_text())["exit_status"] == 0


def test_doctor_and_meter_list(tmp_path: Path) -> None:
    document = json.loads(run("doctor", "--json", WATTLAS_SYSFS_ROOT=str(tmp_path)).stdout)
    assert {"name", "processors", "caches", "memory_bytes", "gpus", "virtual"} <= set(document["machine"])
    rapl = next(m for m in document["meters"] if m["name"] == "rapl")
    assert (rapl["state"], rapl["channels"]) == ("unavailable", [])
    assert rapl["reason"]
    assert rapl["fix"]
    names = [m["name"] for m in json.loads(run("meter", "list", "--json").stdout)["meters"]]
    assert {"rapl", "modelled", "replay", "fake"} <= set(names)
    assert run("doctor").returncode == run("meter", "list").returncode == 0


def test_meter_check() -> None:
    done = run("meter", "check", "fake", "--json")
    assert done.returncode == 0
    assert all(check["passed"] for check in json.loads(done.stdout)["checks"])
