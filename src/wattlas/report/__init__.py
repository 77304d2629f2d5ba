"""Figures as tables, their drawings, and the one-file HTML report."""
