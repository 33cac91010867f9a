"""What a definition of source data raises."""

from __future__ import annotations


class SourceError(ValueError):
    """A description of source data that nobody can read by."""
