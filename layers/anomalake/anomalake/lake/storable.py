"""Rows of alerts, without those that cannot be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa

from anomalake.alerts import Alert
from anomalake.alerts.bounds import MAX_ROW_BYTES
from anomalake.errors import first_line
from anomalake.lake import csv_rows, rows

#: Characters of an alert whose row may be too large. A row is at most a hundred times as large as its alert.
LARGE = MAX_ROW_BYTES // 128

_ROW_ERRORS = (pa.ArrowException, ArithmeticError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Unstorable:
    """An alert that no row can hold: what was found in it, and what was expected."""

    alert: Alert
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some alerts.

    Attributes
    ----------
    table
        The rows.
    alerts
        The alerts that have a row, in the order of the rows.
    unstorable
        The others.
    """

    table: pa.Table
    alerts: list[Alert]
    unstorable: list[Unstorable]


def rows_of(alerts: Sequence[Alert]) -> Rows:
    """Make rows of alerts. An alert that cannot be stored has no effect on the others."""
    if any(map(_is_large, alerts)):
        runs = [(large, list(run)) for large, run in groupby(alerts, _is_large)]
        return _join([part for large, run in runs for part in (map(_large_row, run) if large else [rows_of(run)])])
    try:
        return Rows(rows.table_of(alerts), list(alerts), [])
    except _ROW_ERRORS as error:
        if len(alerts) == 1:
            return _unstorable(alerts[0], f"a value that its column cannot hold ({first_line(error)[:200]})")
        middle = len(alerts) // 2
        return _join([rows_of(alerts[:middle]), rows_of(alerts[middle:])])


def _is_large(alert: Alert) -> bool:
    return len(alert.original) > LARGE


def _large_row(alert: Alert) -> Rows:
    try:
        table = rows.table_of([alert])
        size = len(csv_rows.to_csv(table)) - len(csv_rows.HEADER)
    except _ROW_ERRORS as error:
        return _unstorable(alert, f"a value that its column cannot hold ({first_line(error)[:200]})")
    if size > MAX_ROW_BYTES:
        return _unstorable(alert, f"a row of {size:,} bytes as CSV", f"at most {MAX_ROW_BYTES:,}")
    return Rows(table, [alert], [])


def _unstorable(alert: Alert, found: str, expected: str = "values that fit the columns of a lake's table") -> Rows:
    return Rows(rows.SCHEMA.empty_table(), [], [Unstorable(alert, found, expected)])


def _join(parts: Sequence[Rows]) -> Rows:
    return Rows(
        pa.concat_tables([part.table for part in parts]),
        [alert for part in parts for alert in part.alerts],
        [item for part in parts for item in part.unstorable],
    )
