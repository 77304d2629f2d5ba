"""A dataset as one HTML file, or one figure of it as a file."""

from wattlas.report.data import ReportData, load_report_data
from wattlas.report.figures import figure_names, load_figure

__all__ = ["ReportData", "figure_names", "load_figure", "load_report_data"]
