"""Shapes, the size search, floating-point work and working sets of fully connected networks."""
