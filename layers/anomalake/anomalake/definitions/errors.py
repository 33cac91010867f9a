"""What a definition of source data raises."""

from __future__ import annotations

from anomalake.errors import AnomalakeError


class SourceError(AnomalakeError, ValueError):
    """A description of source data that nobody can read by."""
