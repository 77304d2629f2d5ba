"""Every example in a docstring runs."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import wattlas

MODULES = [module.name for module in pkgutil.walk_packages(wattlas.__path__, "wattlas.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    if name == "wattlas.__main__":
        pytest.skip("importing it runs the command line")
    if name in ("wattlas.engines.torch", "wattlas.readers.torch"):
        pytest.importorskip("torch", reason="torch is an extra: pip install torch==2.13.0")
    assert doctest.testmod(import_module(name)).failed == 0
