"""How well and how fast anomalies are found, beside the methods that people use otherwise."""
