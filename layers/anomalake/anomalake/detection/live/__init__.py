"""A detector at work: one interval after another, with all that it keeps in the lake (docs/adr/0006)."""
