"""Anomaly groups and feedback in Lookout for Metrics' terms."""
