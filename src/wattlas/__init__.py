"""Wattlas measures, maps and lowers the energy that training a neural network takes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattlas.meters.session import Measurement, measure

__version__ = "0.1.0"
__all__ = ["Measurement", "__version__", "measure"]

_LAZY = {"Measurement": "wattlas.meters.session", "measure": "wattlas.meters.session"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `import wattlas` stays light."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'wattlas' has no attribute {name!r}")
