"""The command line: parsing and printing only; everything it calls can be called from Python."""
