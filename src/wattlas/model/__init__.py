"""The energy model: readable coefficients, intervals, attribution and validation."""

from wattlas.model.energy_model import EnergyModel, load_model, shipped_models
from wattlas.model.evaluate import evaluate
from wattlas.model.points import read_points
from wattlas.model.train import fit_model

__all__ = ["EnergyModel", "evaluate", "fit_model", "load_model", "read_points", "shipped_models"]
