"""Notification of anomaly groups: which alerts are due, their texts, and their delivery exactly once."""
