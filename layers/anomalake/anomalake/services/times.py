"""Times and spans of times that a user gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from anomalake.errors import AnomalakeError


class UsageError(AnomalakeError, ValueError):
    """Arguments that contradict each other, or an invalid time."""


@dataclass(frozen=True, slots=True)
class Span:
    """The intervals to detect in: up to an instant with those missed before it, or all of a range.

    Attributes
    ----------
    at
        An instant in the last interval; None: the latest complete interval.
    first, last
        Instead of `at`: instants in the first and the last interval; `last` None: the latest complete one.
    """

    at: datetime | None = None
    first: datetime | None = None
    last: datetime | None = None


def instant_of(time: datetime | str, zone: tzinfo = UTC) -> datetime:
    """Convert a time to UTC.

    Parameters
    ----------
    time
        A text in ISO 8601 or in the form of an alert's timestamp, or a datetime.
    zone
        Of a time without a zone.

    Raises
    ------
    UsageError
        The text is not a time.
    """
    from anomalake.alerts.timestamps import parse_zoned

    try:
        instant = datetime.fromisoformat(time) if isinstance(time, str) else time
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_zoned(str(time)).utc.replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"time {str(time)!r}: expected one such as 2021-02-17T11:00 or 2021-02-17T11:00Z") from error


def span_of(
    at: datetime | str | None,
    first: datetime | str | None,
    last: datetime | str | None,
    zone: tzinfo,
    names: tuple[str, str, str] = ("at", "first", "last"),
) -> Span:
    """Read a span; times without a zone are in `zone`.

    Parameters
    ----------
    names
        Names of the arguments in messages.

    Raises
    ------
    UsageError
        The arguments contradict each other, or a text is not a time.
    """
    if at is not None and (first is not None or last is not None):
        raise UsageError(f"{names[0]} is given beside {names[1]} or {names[2]}: expected one or the other")
    if last is not None and first is None:
        raise UsageError(f"{names[2]} is given without {names[1]}: expected both")
    instants = (instant_of(time, zone) if time is not None else None for time in (at, first, last))
    return Span(*instants)
