"""Engines by name."""

import sys
from pathlib import Path

import pytest

from wattlas.core.errors import EngineError, UnknownNameError
from wattlas.engines.registry import engine_names, load_engine


def add_plugin(directory: Path, code: str) -> None:
    module = "wattlas_test_plugin_engine"
    (directory / f"{module}.py").write_text(code)
    about = directory / "plugin-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[wattlas.engines]\nmine = {module}:Mine\n")


def test_built_in_engines_are_known_whether_installed_or_not() -> None:
    assert {"jax", "numpy", "torch"} <= set(engine_names())


def test_an_unknown_engine_is_named_with_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="unknown engine 'numpie'; did you mean 'numpy'"):
        load_engine("numpie")


def test_an_engine_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wattlas.engines.torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match=r"needs torch, .*pip install 'wattlas\[torch\]'"):
        load_engine("torch")


def test_a_plugin_is_an_engine_like_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_plugin(tmp_path, "class Mine:\n    name = 'mine'\n    def compile(self, *_): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wattlas_test_plugin_engine", raising=False)
    assert "mine" in engine_names()
    assert load_engine("mine").name == "mine"


def test_a_plugin_that_makes_no_engine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_plugin(tmp_path, "class Mine: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wattlas_test_plugin_engine", raising=False)
    with pytest.raises(EngineError, match="plugin 'wattlas_test_plugin_engine:Mine' makes no engine"):
        load_engine("mine")
