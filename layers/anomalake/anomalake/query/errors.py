"""What the catalog and the engines raise."""

from __future__ import annotations

from anomalake.definitions.errors import SourceError as SourceError
from anomalake.errors import AnomalakeError


class QueryError(AnomalakeError, ValueError):
    """A query that cannot be answered, in one line: what, where, what was expected."""


class LakeChangedError(AnomalakeError):
    """A file vanished between listing and reading; the same query, asked again, finds what replaced it."""
