"""The house as DESIGN describes it: public names, light imports, no reading of reference data."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import wattlas

SOURCE = Path(wattlas.__file__).parent


def test_public_names() -> None:
    assert sorted(wattlas.__all__) == ["Measurement", "__version__", "measure"]
    for name in wattlas.__all__:
        assert getattr(wattlas, name) is not None


def test_import_is_light() -> None:
    code = (
        "import sys, wattlas; "
        "heavy = {'numpy', 'polars', 'pyarrow', 'pandas', 'jax', 'altair', 'scipy'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def test_every_package_says_what_it_is_for() -> None:
    for init in SOURCE.rglob("__init__.py"):
        name = ".".join(("wattlas", *init.parent.relative_to(SOURCE).parts))
        assert import_module(name).__doc__, f"{name} has no docstring"


def test_the_product_reads_nothing_beside_the_checkout() -> None:
    for module in SOURCE.rglob("*.py"):
        assert "shared/" not in module.read_text(), f"{module} names the reference data"
