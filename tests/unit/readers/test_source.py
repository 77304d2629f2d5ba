"""MODULE.py:FUNCTION: what may be wrong with it is one clear line."""

from pathlib import Path

import pytest

from wattlas.core.errors import DataError, UsageError, WattlasError
from wattlas.readers.read import read_made, read_own_model
from wattlas.readers.source import make_model


def write(directory: Path, text: str, name: str = "mine.py") -> str:
    path = directory / name
    path.write_text(text)
    return str(path)


def test_modules_beside_the_file_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["/nowhere"])
    write(tmp_path, "width = 7", "own_helper_of_a_test.py")
    target = write(tmp_path, "import own_helper_of_a_test as h\ndef make(): return h.width")
    assert make_model(f"{target}:make") == 7


def test_a_file_may_have_the_name_of_a_library(tmp_path: Path) -> None:
    import json

    assert make_model(write(tmp_path, "def make(): return 3", "json.py") + ":make") == 3
    assert json.loads("4") == 4


@pytest.mark.parametrize(
    ("text", "function", "error", "said"),
    [
        ("def a(): ...\nb = 1\ndef _c(): ...\nclass D: ...", "e", UsageError, "has no 'e'; it has a, D"),
        ("from math import sin", "e", UsageError, "it has no functions"),
        ("import wattlas_is_not_this", "e", DataError, "needs wattlas_is_not_this, which is not installed"),
        ("def broken(:", "e", DataError, "failed: SyntaxError"),
        ("\n1 / 0", "e", DataError, r"failed: ZeroDivisionError: division by zero \(mine.py, line 2\)"),
        ("import sys; sys.exit(3)", "e", DataError, "failed: SystemExit: 3"),
        (
            "def e():\n raise KeyError('k')",
            "e",
            DataError,
            r"e\(\) of .* failed: KeyError: 'k' \(mine.py, line 2\)",
        ),
        ("def e(width): ...", "e", DataError, "is called without arguments"),
        ("e = 5", "e", UsageError, "'e' in .* is a int"),
    ],
)
def test_what_goes_wrong_in_the_file(
    tmp_path: Path, text: str, function: str, error: type[WattlasError], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        make_model(f"{write(tmp_path, text)}:{function}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("target", ["mine.py", ":make", "mine.py:", "no/such/mine.py:make"])
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(UsageError, match=r"MODULE\.py:FUNCTION"):
        make_model(target)


@pytest.mark.parametrize("made", [None, 7, {"model": 1}, (1, 2), (1, 2, 3)])
def test_what_is_no_model(made: object) -> None:
    with pytest.raises(UsageError, match=r"return a torch\.nn\.Module"):
        read_made(made)


def test_a_function_that_returns_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="returned a int"):
        read_own_model(write(tmp_path, "def make(): return 7") + ":make")
