"""The error of a definition of source data."""

from __future__ import annotations

from anomalake.errors import AnomalakeError


class SourceError(AnomalakeError, ValueError):
    """An invalid definition of source data."""
