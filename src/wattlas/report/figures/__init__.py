"""Figures: each a table computed from the data, then a drawing of that table, and a sentence from it.

A figure is one module with `FIGURE = Figure(...)`; adding one is adding a module and its name to `MODULES`.
One in the package `paper` is named `paper-…`.
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
    "paper.energy_per_epoch",
    "paper.energy_by_size",
    "paper.energy_by_flops",
    "paper.energy_by_depth",
    "paper.working_sets",
    "paper.iso_loss",
    "paper.iso_loss_aggregate",
    "paper.minima",
    "paper.model_error",
    "paper.trend",
    "paper.qc_run_time",
    "paper.qc_deviation",
    "paper.qc_energy",
)
_NAMED = {module.replace(".", "-").replace("_", "-"): module for module in MODULES}


def figure_names() -> tuple[str, ...]:
    """Names of all figures, in the order of the report."""
    return tuple(_NAMED)


def load_figure(name: str) -> Figure:
    """The figure of a name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in _NAMED:
        raise UnknownNameError("figure", name, figure_names())
    figure = import_module(f"{__name__}.{_NAMED[name]}").FIGURE
    assert isinstance(figure, Figure)
    return figure
