"""From judged points to anomaly groups."""
