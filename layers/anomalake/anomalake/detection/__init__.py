"""Finds anomalies in metrics: detector files, source data, the model, groups. Knows no AWS."""
