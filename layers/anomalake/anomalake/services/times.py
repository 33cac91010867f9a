"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from anomalake.errors import AnomalakeError


class UsageError(AnomalakeError, ValueError):
    """Options that contradict each other, or a time that is none."""


def instant_of(text: str, zone: tzinfo = UTC) -> datetime:
    """The instant of a time: ISO 8601, or as an alert prints it; in `zone` where it names none.

    Raises
    ------
    UsageError
        It is none.
    """
    from anomalake.alerts.timestamps import parse_zoned

    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_zoned(text).utc.replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"time {text!r}: expected one such as 2021-02-17T11:00 or 2021-02-17T11:00Z") from error
