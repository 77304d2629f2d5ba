"""`wattlas compare`, as users type it, with a meter whose energy follows the command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wattlas.cli.compare_table import notes, verdict

WATTLAS = [sys.executable, "-m", "wattlas"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With the emulated meter installed as a plugin, which is then found without being named."""
    site = tmp_path / "site"
    about = site / "ledger-1.0.dist-info"
    about.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("ledger_meter.py"), site)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ledger\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[wattlas.meters]\nledger = ledger_meter:LedgerMeter\n")
    (tmp_path / "ledger").touch()
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {
        "PYTHONPATH": paths,
        "LEDGER": str(tmp_path / "ledger"),
        "WATTLAS_SYSFS_ROOT": str(tmp_path),
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WATTLAS, "compare", *arguments], capture_output=True, text=True, timeout=120, env=environment
    )


def takes(energy_j: float, sleep_s: float = 0.15) -> str:
    return f"echo {energy_j} >> $LEDGER; sleep {sleep_s}"


def document_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


FAST = ("--interval", "0.01", "--json")


def test_a_true_ratio_of_1_03_is_found(environment: dict[str, str], tmp_path: Path) -> None:
    document = document_of(run(environment, *FAST, "--seed", "5", "-n", "8", takes(100), takes(103)))
    assert document["lower"] > 1
    assert document["lower"] < 1.03 < document["upper"]
    assert document["ratio"] == document["b"]["mean_energy_j"] / document["a"]["mean_energy_j"]
    assert (document["runs"], document["more_runs_needed"], document["source"]) == (8, 0, "measured")
    assert document["a"]["mean_energy_j"] == pytest.approx(100, rel=0.01)
    # The meter's class of 5 % is in the energies, and cancels in the ratio.
    assert document["a"]["u"] == pytest.approx(5 / 3**0.5, rel=0.05)
    # Warm-up a, b; then the blocks as told.
    ran = ["a" if line == "100" else "b" for line in (tmp_path / "ledger").read_text().split()]
    assert "".join(ran) == "ab" + "".join(document["order"])
    assert len(set(document["order"])) == 2


def test_one_command_with_itself_does_not_differ(environment: dict[str, str]) -> None:
    document = document_of(run(environment, *FAST, "--seed", "5", "-n", "8", takes(100), takes(100)))
    assert document["lower"] < 1 < document["upper"]
    assert document["more_runs_needed"] != 0
    assert document["upper"] - document["lower"] < 0.05


def test_the_order_is_that_of_the_seed(environment: dict[str, str]) -> None:
    command = ("--meter", "fake", *FAST, "-n", "12", "--shell", "none", "true", "true")
    first, again, other = (
        document_of(run(environment, "--seed", seed, *command))["order"] for seed in ("1", "1", "2")
    )
    assert first == again != other
    assert set(first) == {"ab", "ba"}


def test_repeat_gives_the_energy_of_one_start(environment: dict[str, str], tmp_path: Path) -> None:
    document = document_of(
        run(environment, *FAST, "-n", "2", "--warmup", "0", "--repeat", "3", takes(50), takes(70))
    )
    assert len((tmp_path / "ledger").read_text().split()) == 2 * 2 * 3
    assert document["a"]["mean_energy_j"] == pytest.approx(50, rel=0.02)
    assert document["a"]["mean_duration_s"] == pytest.approx(0.15, abs=0.05)


def test_idle_is_taken_off_with_its_uncertainty(environment: dict[str, str]) -> None:
    # Constant power: everything is idle, and no ratio of what is left can be told.
    command = ("--meter", "fake", *FAST, "-n", "3", "--baseline", "0.5", "sleep 0.1", "sleep 0.2")
    document = document_of(run(environment, *command))
    assert document["baseline"]["power_w"] == pytest.approx(50)
    assert document["baseline"]["duration_s"] == pytest.approx(0.5, abs=0.2)
    assert document["b"]["mean_energy_j"] == pytest.approx(0, abs=1e-3)
    assert (document["lower"], document["upper"], document["differs"]) == (None, None, False)
    # Nothing but what the commands draw: nothing is taken off.
    other = document_of(run(environment, *FAST, "-n", "2", "--baseline", "0.2", takes(100), takes(200)))
    assert other["baseline"]["power_w"] == 0
    assert other["ratio"] == pytest.approx(2, rel=0.05)


def test_a_command_too_short_for_the_meter_is_told_what_to_do(environment: dict[str, str]) -> None:
    meter = ("--meter", "ledger?update_period_s=0.1")
    document = document_of(run(environment, *meter, *FAST, "-n", "2", takes(100, 0.2), takes(100, 0.2)))
    # Ten update periods are a second: five starts of 0.2 s, or more for the error of the edges.
    assert document["a"]["repeat_needed"] >= 4
    assert "too_short" in document["a"]["flags"]
    assert f"give --repeat {document['a']['repeat_needed']}" in " ".join(
        notes(document | {"stopped_by": None})
    )


def test_people_read_a_table_and_a_verdict(environment: dict[str, str]) -> None:
    done = run(environment, "--meter", "fake", "--interval", "0.02", "-n", "3", "sleep 0.05", "sleep 0.4")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "SIMULATED" in done.stdout
    assert "sleep 0.4" in done.stdout
    assert "50 W" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("B takes ")
    assert "more energy than A (95 %: " in done.stdout


def test_modelled_is_only_had_by_name_and_says_so(environment: dict[str, str]) -> None:
    without = {k: v for k, v in environment.items() if k != "PYTHONPATH"}
    refused = run(without, "true", "true")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "rapl: no RAPL zone" in refused.stderr
    done = run(without, "--meter", "modelled", "-n", "2", "--interval", "0.02", "sleep 0.1", "sleep 0.1")
    assert "These energies are MODELLED, not measured." in done.stdout


@pytest.mark.parametrize("warmup", ["0", "1"])
def test_a_command_that_fails_ends_it(environment: dict[str, str], warmup: str) -> None:
    done = run(environment, "--meter", "fake", "--warmup", warmup, "--json", "true", "echo gone >&2; exit 3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "wattlas: command B ended with exit status 3; see why with --show-output, "
        "or go on all the same with --ignore-failure\n"
    )


def test_failures_are_ignored_and_output_shown_where_asked(environment: dict[str, str]) -> None:
    done = run(
        environment,
        *("--meter", "fake", *FAST, "-n", "2", "--warmup", "1", "--ignore-failure", "--show-output"),
        *("echo out", "echo err >&2; exit 3"),
    )
    document = document_of(done)
    assert (document["a"]["failures"], document["b"]["failures"]) == (0, 3)
    assert sorted(done.stderr.split()) == ["err"] * 3 + ["out"] * 3


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--meter", "fake", "true"], 2, "Missing argument"),
        (["--meter", "fake", "true", "  "], 2, "empty"),
        (["--meter", "fake", "--shell", "none", "true", "echo 'a"], 2, "quote"),
        (["--meter", "fake", "--shell", "none", "true", "/no/such/command"], 1, "cannot run"),
        (["--meter", "fake", "--shell", "none", "true | true", "false"], 1, "command B ended"),
        (["--meter", "fake", "true", "/no/such/command"], 1, "command B ended with exit status 127"),
        (["--meter", "fake", "-n", "1", "true", "true"], 2, "x>=2"),
        (["--meter", "fake", "--interval", "0", "true", "true"], 2, "0.001 to 60"),
        (["--meter", "fake", "--baseline", "-3", "true", "true"], 2, "0.1 to 3600"),
        (["--meter", "fake", "--channel", "fake:nod", "true", "true"], 2, "did you mean 'fake:node'"),
        (["--meter", "fakr", "true", "true"], 2, "did you mean 'fake'"),
    ],
)
def test_errors_are_one_line(
    environment: dict[str, str], arguments: list[str], status: int, message: str
) -> None:
    done = run(environment, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_total_is_the_outermost_and_a_part_is_had_by_name(
    environment: dict[str, str], tmp_path: Path
) -> None:
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0/intel-rapl:0:0", "core")):
        folder = tmp_path / "class" / "powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text("99999999\n")
        (folder / "energy_uj").write_text("95000000\n")
    command = ("--meter", "rapl", *FAST, "-n", "2", "true", "true")
    assert document_of(run(environment, *command))["channel"] == "rapl:package-0"
    part = document_of(run(environment, "--channel", "rapl:core-0", *command))
    assert (part["channel"], part["domain"]) == ("rapl:core-0", "core-0")


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_and_what_is_complete_is_told(
    environment: dict[str, str], tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    # Six runs are three blocks; the seventh stays, and its shell waits for it.
    command = (
        "echo 1 >> $LEDGER; if test $(wc -l < $LEDGER) -ge 7; then sleep 60 & echo $! > $LEDGER.pid; wait; fi"
    )
    pid_file = tmp_path / "ledger.pid"
    with subprocess.Popen(
        [*WATTLAS, "compare", "--meter", "fake", *FAST, "--warmup", "0", command, command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        while not (pid_file.exists() and pid_file.read_text()):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(sent)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == status
    document = json.loads(out)
    assert (document["runs"], document["runs_planned"], document["stopped_by"]) == (3, 10, sent.name)
    # What the shell started in the background ignores SIGINT, as POSIX says; SIGTERM reaches all.
    if sent is signal.SIGTERM:
        assert _is_gone(int(pid_file.read_text()))
    else:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def _is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_signal_before_two_blocks_is_one_line(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*WATTLAS, "compare", "--meter", "fake", "--baseline", "60", "true", "true"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert err.startswith("wattlas: stopped by SIGTERM after 0 of 10 blocks; ")
    assert err.count("\n") == 1


SIDE: dict[str, Any] = {
    "mean_energy_j": 100.0,
    "flags": [],
    "unusual_runs": [],
    "failures": 0,
    "repeat_needed": None,
}


@pytest.mark.parametrize(
    ("told", "b_energy_j", "sentence"),
    [
        (
            {"ratio": 0.9, "lower": 0.88, "upper": 0.93, "differs": True},
            90.0,
            "B takes 10.00% less energy than A (95 %: 7.00% to 12.00%).",
        ),
        (
            {"ratio": 1.01, "lower": 0.99, "upper": 1.04, "differs": False, "more_runs_needed": 1200},
            101.0,
            "No difference is shown: B takes -1.00% to +4.00% more energy than A (95 %); were the difference "
            "the one seen, about 1,200 more runs of each would show it.",
        ),
        (
            {"ratio": None, "lower": None, "upper": None, "differs": False, "more_runs_needed": None},
            0.0,
            "No ratio can be told: the energy of A cannot be told from 0.",
        ),
        (
            {"ratio": None, "lower": None, "upper": None, "differs": True, "more_runs_needed": 0},
            300.0,
            "B takes more energy than A, by no ratio that could be told: A's is too near to 0.",
        ),
    ],
)
def test_verdicts(told: dict[str, Any], b_energy_j: float, sentence: str) -> None:
    assert verdict(told | {"a": SIDE, "b": SIDE | {"mean_energy_j": b_energy_j}}) == sentence
