"""The blizzard of February 2013 in what a live detector keeps of its intervals and groups."""

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
#: Hours to show, on the airports' wall clock: from before the airports closed until they were open again.
BEGAN: Final = datetime(2013, 2, 8, 12, tzinfo=ZONE)
ENDED: Final = datetime(2013, 2, 9, 18, tzinfo=ZONE)

COLUMNS: Final = ("hour", "cancelled", "expected", "flown", "expected", "carriers", "airports", "score", "alerts")
#: A contribution that rounds to less says little.
LEAST_SHARE: Final = 1

Row = tuple[str, int, float | None, int, float | None, int, int, float | None, int]


def hours(records: Iterable[IntervalRecord], groups: Sequence[Group], alerts: Counter[datetime]) -> Iterator[Row]:
    """Rows of `COLUMNS`, for hours that have data: what all metrics came to, and how much of it was anomalous.

    Parameters
    ----------
    alerts
        How many were sent about an interval, by its start in UTC.

    Yields
    ------
    Observed and expected totals; how many carriers and airports had an anomaly; the worst score of a group, None
    where there is none.
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
    """Contributions to a measure's anomalies over the whole storm, in whole per cent, without the smallest."""
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
    """Sum of a measure, and of what was expected of the same metrics; None where nothing was."""
    table = record.table
    seen = table.filter(pc.and_(pc.equal(table["measure"].cast("string"), measure), pc.is_valid(table["value"])))
    expected = pc.sum(seen["expected"]).as_py()
    return int(pc.sum(seen["value"]).as_py() or 0), None if expected is None else round(expected, 1)
