"""Measures what anomalake promises: ``python -m benchmarks [NAME...] [--quick]``."""
