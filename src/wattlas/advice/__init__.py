"""From a dataset of runs to the design that reaches a target for the fewest joules."""

from wattlas.advice.advise import Advice, advise
from wattlas.advice.baselines import Baseline
from wattlas.advice.design import Design
from wattlas.advice.target import Limits, Target

__all__ = ["Advice", "Baseline", "Design", "Limits", "Target", "advise"]
