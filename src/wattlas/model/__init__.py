"""The energy model: readable coefficients, intervals, attribution and validation."""

from wattlas.model.energy_model import EnergyModel
from wattlas.model.evaluate import evaluate
from wattlas.model.model_file import load_model, shipped_models
from wattlas.model.points import read_points

__all__ = ["EnergyModel", "evaluate", "load_model", "read_points", "shipped_models"]
