"""Guesses about tables that nobody described: how their bytes are read, and what their columns mean.

`tables.read_tables` reads the beginnings of files (`texts`, `samples`), and `readings.read_columns` says what the columns
are. Every guess has a confidence and the evidence for it.
"""
