"""The network that reaches a loss for the fewest joules, and the Pareto front."""
