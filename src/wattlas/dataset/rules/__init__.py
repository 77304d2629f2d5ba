"""The rules of a dataset, a module for each subject. A new rule is a decorated function in one of them."""

from wattlas.dataset.rules import (
    energy,
    experiments,
    files,
    keys,
    network,
    power,
    private,
    schema,
    time,
    values,
)
from wattlas.dataset.rules.rule import REGISTERED, Finding, Rule

_MODULES = (files, schema, values, keys, time, energy, power, network, experiments, private)
RULES: tuple[Rule, ...] = tuple(
    rule for module in _MODULES for rule in REGISTERED.values() if rule.check.__module__ == module.__name__
)

__all__ = ["RULES", "Finding", "Rule"]
