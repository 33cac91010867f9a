"""Errors of stored records."""

from __future__ import annotations

from anomalake.errors import AnomalakeError


class RecordError(AnomalakeError, ValueError):
    """A stored record is invalid: which, and what was expected."""


class RecordInputError(AnomalakeError, ValueError):
    """A value for a new record, or a name for its key, is invalid: which, and what was expected."""


class CorruptError(RecordError):
    """The bytes of a binary record are not those that were written."""
