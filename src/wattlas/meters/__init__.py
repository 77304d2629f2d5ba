"""Meters: channels that are read, a sampler, and the measurement of a stretch of time."""
