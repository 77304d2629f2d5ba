"""The formats: run records in, tables out."""
