"""Finds out what the machine at hand is, from sysfs."""
