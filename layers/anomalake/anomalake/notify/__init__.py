"""Tells of anomaly groups: which to tell of, in what words, and that each is told once. Knows no AWS."""
