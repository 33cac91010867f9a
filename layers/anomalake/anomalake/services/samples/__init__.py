"""Samples of source data: their rows, their format, and whether a metric set fits them."""
