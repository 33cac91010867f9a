"""Documents of anomalake itself, with a field ``record``: withdrawals and causes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from anomalake.alerts.documents import UNPARSED, AlertDocument, Refusal
from anomalake.alerts.fields import InvalidField
from anomalake.alerts.strict_json import StrictJsonError, canonical, parse
from anomalake.alerts.timestamps import ZonedTimestamp

T = TypeVar("T")


def read_record(document: AlertDocument, record: str, read: Callable[[dict[str, Any], str, str], T]) -> T | None:
    """Read a document of anomalake itself; None for any other document.

    Parameters
    ----------
    record
        Value of its field ``record``.
    read
        Reads its fields; called with them, with the SHA-256 of its canonical JSON, and with its text.

    Raises
    ------
    Refusal
    """
    value = document.value
    if document.refusal is not None:
        return None
    if value is UNPARSED:
        # Most texts are alerts, which need not be parsed here.
        if not isinstance(document.body, str) or record not in document.body:
            return None
        try:
            value = parse(document.text())
        except StrictJsonError:
            return None
    if not isinstance(value, dict) or value.get("record") != record:
        return None
    text = document.text()
    try:
        return read(value, hashlib.sha256(canonical(value)).hexdigest(), text)
    except StrictJsonError as error:
        raise Refusal(document.place, "$", error.value, error.expected) from error
    except InvalidField as invalid:
        raise Refusal(document.place, invalid.field, invalid.value, invalid.expected) from invalid


def zoned_text(timestamp: ZonedTimestamp) -> str:
    """Write a timestamp as documents have it."""
    fraction = timestamp.instant.partition(".")[2].rstrip("0")
    return f"{timestamp.utc:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z[{timestamp.timezone}]"
