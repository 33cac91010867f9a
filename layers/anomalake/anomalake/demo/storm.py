"""The blizzard of February 2013 in the interval records and groups of a live detector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow.compute as pc

from anomalake.alerts import Contribution
from anomalake.demo.flights import TIMEZONE
from anomalake.groups.contributions import contributions
from anomalake.groups.grouping import Group
from anomalake.records.intervals import IntervalRecord

ZONE: Final = ZoneInfo(TIMEZONE)
#: Hours to show, in local time: from before the airports closed until they were open again.
BEGAN: Final = datetime(2013, 2, 8, 12, tzinfo=ZONE)
ENDED: Final = datetime(2013, 2, 9, 18, tzinfo=ZONE)

COLUMNS: Final = ("hour", "cancelled", "expected", "flown", "expected", "carriers", "airports", "score", "alerts")
#: Smallest contribution that is shown, in per cent.
LEAST_SHARE: Final = 1

Row = tuple[str, int, float | None, int, float | None, int, int, float | None, int]


def hours(records: Iterable[IntervalRecord], groups: Sequence[Group], alerts: Counter[datetime]) -> Iterator[Row]:
    """Rows of `COLUMNS` for hours with data: totals of all metrics, and the extent of the anomalies.

    Parameters
    ----------
    alerts
        Number of alerts by the start of the interval, in UTC.

    Yields
    ------
    Observed and expected totals, numbers of carriers and airports with an anomaly, and the highest score of a group
    (None if there is none).
    """
    for record in records:
        if not BEGAN <= record.start <= ENDED or not record.table.num_rows:
            continue
        now = [interval for group in groups for interval in group.intervals if interval.timestamp == record.start]
        hit = [dict(metric.dimensions) for item in now for metric in item.affected]
        yield (
            f"{record.start.astimezone(ZONE):%d %b %H:%M}",
            *_totals(record, "cancelled"),
            *_totals(record, "flights"),
            len({entry["carrier"] for entry in hit}),
            len({element["origin"] for element in hit}),
            round(max(member.score for member in now), 1) if now else None,
            alerts[record.start],
        )


def shares(groups: Iterable[Group], measure: str) -> tuple[Contribution, ...]:
    """Contributions to the anomalies of a measure during the storm, in whole per cent, without the smallest."""
    affected = [
        (metric.dimensions, metric.deviation)
        for group in groups
        if group.measure == measure
        for interval in group.intervals
        if BEGAN <= interval.timestamp <= ENDED
        for metric in interval.affected
    ]
    return tuple(
        contribution for contribution in contributions(affected) if contribution.value_contribution >= LEAST_SHARE
    )


def _totals(record: IntervalRecord, measure: str) -> tuple[int, float | None]:
    """Sums of the observed and expected values of a measure; None without expected values."""
    table = record.table
    seen = table.filter(pc.and_(pc.equal(table["measure"].cast("string"), measure), pc.is_valid(table["value"])))
    expected = pc.sum(seen["expected"]).as_py()
    return int(pc.sum(seen["value"]).as_py() or 0), None if expected is None else round(expected, 1)
