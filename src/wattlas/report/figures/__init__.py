"""Figures: each a table computed from the data, then a drawing of that table, and a sentence from it.

A figure is one module with `FIGURE = Figure(...)`; adding one is adding a module and its name to `MODULES`.
"""

from importlib import import_module

from wattlas.core.errors import UnknownNameError
from wattlas.report.figures.figure import Figure

__all__ = ["MODULES", "Figure", "figure_names", "load_figure"]

# In the order of the report.
MODULES = (
    "energy_per_datum",
    "working_set",
    "loss_energy",
    "model_error",
    "attribution",
    "drift",
    "uncertainty",
)


def figure_names() -> tuple[str, ...]:
    """Names of all figures, in the order of the report."""
    return tuple(name.replace("_", "-") for name in MODULES)


def load_figure(name: str) -> Figure:
    """The figure of a name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in figure_names():
        raise UnknownNameError("figure", name, figure_names())
    figure = import_module(f"{__name__}.{name.replace('-', '_')}").FIGURE
    assert isinstance(figure, Figure)
    return figure
