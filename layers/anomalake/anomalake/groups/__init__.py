"""Anomaly groups: the anomalous metrics of one measure in successive intervals, with scores and contributions."""
