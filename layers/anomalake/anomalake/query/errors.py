"""Errors of queries."""

from __future__ import annotations

from anomalake.definitions.errors import SourceError as SourceError
from anomalake.errors import AnomalakeError


class QueryError(AnomalakeError, ValueError):
    """A query that is invalid or cannot be answered."""


class SourceElsewhereError(QueryError):
    """Source data that this engine does not read; the error names the engine that does."""


class LakeChangedError(AnomalakeError):
    """A file was deleted between listing and reading; the same query reads its replacement when it is run again."""
