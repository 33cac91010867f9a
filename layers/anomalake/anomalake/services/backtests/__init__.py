"""Backtests: one in one go, and jobs that run after the answer to a request (docs/adr/0014)."""
