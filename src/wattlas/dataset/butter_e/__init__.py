"""The published BUTTER-E files: read, joined, checked, standardised. Their column names stay in here."""
