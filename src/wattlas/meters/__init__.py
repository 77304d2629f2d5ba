"""Instruments: one module a backend, a sampler, and measuring sessions."""
