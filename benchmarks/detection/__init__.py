"""Quality and speed of anomaly detection, compared with common methods."""
