"""Results of a detector's runs, and records that the lake set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from anomalake.definitions.intervals import floor_to_starts, next_start, starts_between
from anomalake.frequencies import FREQUENCIES
from anomalake.lake.layout import SET_ASIDE, n_set_aside
from anomalake.lake.set_aside import reasons_of
from anomalake.page.document import Runs
from anomalake.page.notes import read_each
from anomalake.records.executions import FAILED, LEARNING, SKIPPED, SUCCEEDED, Execution
from anomalake.storage.store import ObjectStore

# Most warnings and most reasons that are shown.
_MOST_LINES: Final = 20
# Most records that were set aside whose reasons are read.
_MOST_RECORDS: Final = 50


def runs_of(
    executions: Sequence[Execution],
    arn: str,
    frequency: str | None,
    timezone: str,
    offset: int,
    undelivered: int,
    now: datetime,
) -> Runs | None:
    """Return the results of a detector's runs; None where it has none. Of several runs of an interval the last counts.

    Parameters
    ----------
    offset
        Seconds to wait after an interval's end.
    """
    of_detector = (execution for execution in executions if execution.detector_arn == arn)
    last = {execution.timestamp: execution for execution in sorted(of_detector, key=_order)}
    if not last:
        return None
    newest = last[max(last)]
    statuses = [execution.status for execution in last.values()]
    warnings = [
        (int(execution.timestamp.timestamp()), line)
        for execution in reversed(last.values())
        for line in execution.warnings
    ]
    ran_at = newest.ended_at or newest.started_at
    return Runs(
        last_interval=int(newest.timestamp.timestamp()),
        last_run=int(ran_at.timestamp()) if ran_at is not None else None,
        last_status=newest.status,
        last_reason=newest.reason,
        intervals=len(last),
        succeeded=statuses.count(SUCCEEDED),
        failed=statuses.count(FAILED),
        learning=statuses.count(LEARNING),
        skipped=statuses.count(SKIPPED),
        missing=_missing(sorted(last), frequency, timezone),
        late=late_intervals(newest.timestamp, frequency, timezone, offset, now),
        rows=sum(execution.rows for execution in last.values()),
        bad_rows=sum(execution.bad_rows for execution in last.values()),
        undelivered=undelivered,
        warnings=tuple(warnings[:_MOST_LINES]),
    )


def read_set_aside(store: ObjectStore, notes: list[str]) -> tuple[int, tuple[str, ...]]:
    """Return the number of records that the lake set aside, and the reasons of some of them, newest first."""
    keys = sorted(entry.key for entry in store.list(SET_ASIDE))
    reasons = read_each(store, keys[:_MOST_RECORDS], _reasons, notes, "records that were set aside")
    newest = sorted(reasons, key=lambda item: item[0], reverse=True)
    lines = [f"{at}: {reason}"[:300] for at, found in newest for reason in found]
    return sum(map(n_set_aside, keys)), tuple(lines[:_MOST_LINES])


def _reasons(body: bytes, place: str) -> tuple[str, list[str]]:
    try:
        at, reasons = reasons_of(body)
        return at, reasons[:_MOST_LINES]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{place}: {error!r}; expected a record that was set aside") from error


def _order(execution: Execution) -> tuple[datetime, datetime, str]:
    return execution.timestamp, execution.started_at or datetime.min.replace(tzinfo=UTC), execution.run_id


def _missing(starts: list[datetime], frequency: str | None, timezone: str) -> int:
    """Return the number of intervals between the first and the last that were not run."""
    if frequency not in FREQUENCIES:
        return 0
    first, last = int(starts[0].timestamp()), int(starts[-1].timestamp())
    return max(0, len(starts_between(frequency, timezone, first, last)) - len(starts))


def late_intervals(newest: datetime, frequency: str | None, timezone: str, offset: int, now: datetime) -> int | None:
    """Return the number of intervals after the newest one whose end and offset have passed; None for unknown."""
    if frequency not in FREQUENCIES:
        return None
    due = int(now.timestamp()) - offset
    after = int(next_start(newest, frequency, timezone).timestamp())
    # The current interval has not ended.
    current = int(floor_to_starts(np.array([due]), frequency, timezone)[0])
    return max(0, len(starts_between(frequency, timezone, after, current)) - 1)
