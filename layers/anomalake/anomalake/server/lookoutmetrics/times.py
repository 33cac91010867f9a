"""Times in the API: texts (`TimestampString`) and epoch seconds (`Timestamp`)."""

from __future__ import annotations

from datetime import UTC, datetime

from anomalake.alerts.timestamps import parse_zoned


def timestamp_text(instant: datetime) -> str:
    """Return an aware instant as L4M sent it, to the minute: ``2021-02-17T11:00Z[UTC]``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ[UTC]")


def parse_timestamp_text(text: str) -> datetime:
    """Read a time with its zone or offset, with or without seconds, as UTC; raises ValueError."""
    try:
        return parse_zoned(text).utc.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def epoch_seconds(instant: datetime) -> int | float:
    """Return an aware instant in seconds since 1970, with milliseconds: ``1612994728.528``."""
    milliseconds = round(instant.timestamp() * 1_000)
    return milliseconds // 1_000 if milliseconds % 1_000 == 0 else milliseconds / 1_000
