"""Benchmarks of anomalake: ``python -m benchmarks [NAME...] [--quick]``."""
