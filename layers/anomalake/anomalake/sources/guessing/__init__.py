"""Guesses about tables without a description: how their bytes are read, and what their columns mean.

`samples.read_sample` reads the beginnings of files, `readings.read_columns` says what the columns are, and
`detector_text.detector_text` writes the detector file. Every guess has a confidence and the evidence for it.
"""
