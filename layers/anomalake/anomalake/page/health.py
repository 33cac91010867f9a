"""How a detector's runs went, and what the lake set aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from anomalake.definitions.intervals import floor_to_starts, next_start, starts_between
from anomalake.definitions.metric_set import FREQUENCIES
from anomalake.lake.layout import SET_ASIDE
from anomalake.page.document import Runs
from anomalake.page.notes import read_each
from anomalake.records.executions import FAILED, LEARNING, SKIPPED, SUCCEEDED, Execution
from anomalake.storage.store import ObjectStore

#: At most so many warnings, and reasons, are shown.
MOST_LINES = 20
#: Of so many records that were set aside the reasons are read.
_READ = 50


def runs_of(
    executions: Sequence[Execution],
    arn: str,
    frequency: str | None,
    timezone: str,
    offset: int,
    undelivered: int,
    now: datetime,
) -> Runs | None:
    """How the runs of one detector went; None where it has none.

    Parameters
    ----------
    offset
        Seconds to wait after an interval's end.
    """
    last: dict[datetime, Execution] = {}
    for one in sorted(
        (one for one in executions if one.detector_arn == arn), key=lambda one: (one.timestamp, _began(one), one.run_id)
    ):
        last[one.timestamp] = one
    if not last:
        return None
    newest = last[max(last)]
    statuses = [one.status for one in last.values()]
    warnings = [(int(one.timestamp.timestamp()), line) for one in reversed(last.values()) for line in one.warnings]
    worked_at = newest.ended_at or newest.started_at
    return Runs(
        last_interval=int(newest.timestamp.timestamp()),
        last_run=int(worked_at.timestamp()) if worked_at is not None else None,
        last_status=newest.status,
        last_reason=newest.reason,
        looked_at=len(last),
        succeeded=statuses.count(SUCCEEDED),
        failed=statuses.count(FAILED),
        learning=statuses.count(LEARNING),
        skipped=statuses.count(SKIPPED),
        missing=_missing(sorted(last), frequency, timezone),
        late=_late(newest.timestamp, frequency, timezone, offset, now),
        rows=sum(one.rows for one in last.values()),
        bad_rows=sum(one.bad_rows for one in last.values()),
        undelivered=undelivered,
        warnings=tuple(warnings[:MOST_LINES]),
    )


def read_set_aside(store: ObjectStore, notes: list[str]) -> tuple[int, tuple[str, ...]]:
    """How many records the lake set aside, and why the newest of some of them were."""
    keys = sorted(one.key for one in store.list(SET_ASIDE))
    found = read_each(store, keys[:_READ], _aside, notes, "records that were set aside")
    newest = sorted(found, key=lambda one: one[0], reverse=True)
    return len(keys), tuple(reason for _, reason in newest[:MOST_LINES])


def _aside(body: bytes, place: str) -> tuple[str, str]:
    try:
        record = json.loads(body)
        return str(record["received_at"]), f"{record['received_at']}: {record['reason']}"[:300]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{place}: {error!r}; expected the record of what was set aside") from error


def _began(one: Execution) -> datetime:
    return one.started_at or datetime.min.replace(tzinfo=UTC)


def _missing(starts: list[datetime], frequency: str | None, timezone: str) -> int:
    if frequency not in FREQUENCIES:
        return 0
    first, last = (int(one.timestamp()) for one in (starts[0], starts[-1]))
    return max(0, len(starts_between(frequency, timezone, first, last)) - len(starts))


def _late(newest: datetime, frequency: str | None, timezone: str, offset: int, now: datetime) -> int | None:
    """Intervals after the newest that are over, their offset too."""
    if frequency not in FREQUENCIES:
        return None
    due = int(now.timestamp()) - offset
    after = int(next_start(newest, frequency, timezone).timestamp())
    # The interval that is running now is not over.
    running = int(floor_to_starts(np.array([due]), frequency, timezone)[0])
    return max(0, len(starts_between(frequency, timezone, after, running)) - 1)
