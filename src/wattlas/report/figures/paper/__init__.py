"""The figures of the paper, of any dataset: Tripp et al., arXiv 2403.08151, and its supplement.

What was published is drawn beside them, dashed, where a report is given it (`report.published`).
"""
