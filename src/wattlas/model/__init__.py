"""The energy model: size, compute and memory hierarchy to joules."""
