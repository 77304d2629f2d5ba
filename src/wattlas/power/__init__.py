"""Samples in, joules with their uncertainty out."""
