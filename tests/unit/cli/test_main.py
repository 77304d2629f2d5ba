"""The command group: exit statuses, one-line errors, lazy imports."""

import os
import subprocess
import sys

import pytest

from wattlas.cli.main import COMMANDS, group, main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wattlas", *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in output


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--version"], 0), (["no-such-command"], 2), (["--no-such-option"], 2), ([], 2)],
)
def test_exit_status(arguments: list[str], status: int) -> None:
    assert main(arguments) == status


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["network", "--depth", "four"], ["sweep", "plan"]]
)
def test_usage_errors_are_one_line_on_stderr(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("wattlas: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = subprocess.run(
        [sys.executable, "-m", "wattlas", "network", "--help"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(write_end)
    assert process.returncode == 0
    assert process.stderr == b""


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "wattlas " + name in capsys.readouterr().out.replace("Usage: wattlas", "")


def test_the_group_is_light() -> None:
    code = (
        "import sys; from wattlas.cli.main import main; main(['--help']); "
        "heavy = {'numpy', 'polars', 'pyarrow', 'pydantic', 'rich', 'scipy', 'jax'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def test_group_names_match_their_modules() -> None:
    assert set(group.list_commands(None)) == set(COMMANDS)  # type: ignore[arg-type]
