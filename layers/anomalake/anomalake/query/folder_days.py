"""Bounds on the folders of days that hold a source's rows.

A row has the instant of its timestamp; its folder has the day of an interval, in the zone of the detector. The two days
differ by zones, and by rows that arrive late: queries allow for both. Rows in folders beyond that are not among the
answers of a query that has bounds on time; detection does not read them either.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from sqlglot import exp

from anomalake.definitions.day_folders import SOURCE_FOLDER_DAY, day_pattern, day_text
from anomalake.definitions.metric_set import MetricSet
from anomalake.query.bounds import Bounds

#: Days that a row's folder may be before the row's UTC day: one for zones, one for rows of the next interval.
EARLY_DAYS = 2
#: Days that a row's folder may be after the row's UTC day: one for zones, and a week for rows that arrive late.
LATE_DAYS = 8

#: Name of `SOURCE_FOLDER_DAY` in the ``_by_day`` form of live data.
FOLDER_DAY = "folder_day"


def folder_bounds(source: MetricSet, bounds: Bounds) -> tuple[str | None, str | None]:
    """Return the first and the last folder day, as text, that may have rows within bounds; None: no bound."""
    pattern = day_pattern(source)
    if pattern is None:
        return None, None
    first, last = _moved(bounds.first, -EARLY_DAYS), _moved(bounds.last, LATE_DAYS)
    return (
        day_text(pattern, first) if first is not None else None,
        day_text(pattern, last) if last is not None else None,
    )


def folder_condition(source: MetricSet, bounds: Bounds) -> exp.Expr | None:
    """Return bounds as a condition on the column of folder days; None if there are none.

    Rows whose folders have no day pass. Both sides are constants, so that an engine can leave out partitions.
    """
    first, last = folder_bounds(source, bounds)
    column = exp.column(SOURCE_FOLDER_DAY, quoted=True)
    parts: list[exp.Expr] = []
    if first is not None:
        parts.append(exp.GTE(this=column.copy(), expression=exp.Literal.string(first)))
    if last is not None:
        parts.append(exp.LTE(this=column.copy(), expression=exp.Literal.string(last)))
    return exp.or_(column.is_(exp.null()), exp.and_(*parts)) if parts else None


def holds_folder(source: MetricSet, bounds: Bounds) -> Callable[[str | None], bool]:
    """Return whether rows of a folder day may be within bounds; None is a folder without a day."""
    first, last = folder_bounds(source, bounds)
    return lambda day: day is None or ((first is None or day >= first) and (last is None or day <= last))


def _moved(day: date | None, days: int) -> date | None:
    try:
        return day + timedelta(days=days) if day is not None else None
    except OverflowError:
        return None
