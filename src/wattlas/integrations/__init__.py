"""Callbacks and exporters for other tools."""
