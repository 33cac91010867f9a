"""The commands of ``anomalake``, one a module; cli.py puts them together."""
