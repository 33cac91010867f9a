"""Reading of one detector's records: groups, executions, intervals and the last backtest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from anomalake.groups.anomaly_group import Group
from anomalake.page.contents import DetectorContents, UserRecords
from anomalake.page.definitions import Definition, read_definitions
from anomalake.page.limits import Limits, records_each, runs_each
from anomalake.page.notes import attempt, read_each
from anomalake.page.user_records import read_user_records
from anomalake.records import about as about_records
from anomalake.records import executions as execution_records
from anomalake.records import groups as group_records
from anomalake.records import intervals as interval_records
from anomalake.records.backtests import (
    GROUPS,
    JUDGEMENT,
    TestedPoints,
    backtest_key,
    groups_from_lines,
    judgement_from_parquet,
)
from anomalake.records.executions import Execution
from anomalake.records.intervals import IntervalRecord, interval_key
from anomalake.records.listing import DetectorRecords
from anomalake.storage.store import ObjectStore

#: Most points of intervals that are read of one detector: fewer intervals where each has many points.
MOST_POINTS: Final = 3_000_000

_COLUMNS: Final = ("measure", "combination", "value", "expected", "lower", "upper", "severity")
_ABOUT: Final = ("dimension_names", "frequency", "timezone")


def read_detectors(
    store: ObjectStore, records: dict[str, DetectorRecords], limits: Limits, notes: list[str]
) -> dict[str, DetectorContents]:
    """Read the records of all detectors, by name; the newest ones, shared out among the detectors."""
    groups = records_each(limits.groups, sum(bool(detector.groups) for detector in records.values()))
    runs = runs_each(limits, sum(bool(detector.executions) for detector in records.values()))
    intervals = records_each(limits.intervals, sum(bool(detector.intervals) for detector in records.values()))
    return {name: _read_detector(store, records[name], groups, runs, intervals, notes) for name in sorted(records)}


def _read_detector(
    store: ObjectStore, records: DetectorRecords, groups: int, runs: int, intervals: int, notes: list[str]
) -> DetectorContents:
    name = records.name
    definitions = attempt(notes, dict[str, Definition](), lambda: read_definitions(store, records, notes), name)
    executions = attempt(notes, list[Execution](), lambda: _executions(store, records, runs, notes), name)
    live_groups = attempt(notes, list[Group](), lambda: _live_groups(store, records, groups, notes), name)
    backtest_groups = attempt(notes, list[Group](), lambda: _backtest_groups(store, records, notes), name)
    tested = attempt(notes, None, lambda: _tested_points(store, records, notes), name)
    # Without a version of the detector file, nothing but the name says whose an interval is.
    versions: dict[str, Sequence[str]] = {arn: definition.versions for arn, definition in definitions.items()}
    versions = versions or {"": sorted(records.intervals)}
    by_arn = {arn: _intervals(store, records, versions[arn], intervals, notes) for arn in versions}
    user_records = attempt(notes, UserRecords(), lambda: read_user_records(store, records, notes), name)
    about = dict(read_each(store, records.about, about_records.from_json, notes, f"{name}: owner, runbook and note"))
    return DetectorContents(
        records,
        definitions,
        tested,
        merge_groups(live_groups, backtest_groups),
        executions,
        by_arn,
        user_records,
        about,
    )


def _executions(store: ObjectStore, records: DetectorRecords, most: int, notes: list[str]) -> list[Execution]:
    """Read the executions of the newest intervals, in the order of their keys."""
    newest = set(sorted({start for start, _ in records.executions})[-most:])
    keys = [key for start, key in records.executions if start in newest]
    return read_each(store, keys, execution_records.from_json, notes, f"{records.name}: records of runs")


def _live_groups(store: ObjectStore, records: DetectorRecords, most: int, notes: list[str]) -> list[Group]:
    """Read the groups of the live detector, from their newest parts."""
    keys = [key for _, key in records.groups]
    if len(keys) > most:
        notes.append(
            f"{records.name}: of {len(keys):,} records of groups the newest {most:,} were read; "
            "of older anomalies the alerts alone are shown."
        )
    parts = read_each(store, keys[-most:], group_records.from_json, notes, f"{records.name}: records of groups")
    return join_parts(parts)


def _backtest_groups(store: ObjectStore, records: DetectorRecords, notes: list[str]) -> list[Group]:
    if GROUPS not in records.backtest:
        return []

    def read(body: bytes, place: str) -> list[Group]:
        return list(groups_from_lines(body, place))

    key = backtest_key(records.name, GROUPS)
    return next(iter(read_each(store, [key], read, notes, f"{records.name}: the backtest's groups")), [])


def _tested_points(store: ObjectStore, records: DetectorRecords, notes: list[str]) -> TestedPoints | None:
    if JUDGEMENT not in records.backtest:
        return None
    key = backtest_key(records.name, JUDGEMENT)
    what = f"{records.name}: the backtest's judgement"
    return next(iter(read_each(store, [key], judgement_from_parquet, notes, what)), None)


def _intervals(
    store: ObjectStore, records: DetectorRecords, versions: Sequence[str], most: int, notes: list[str]
) -> list[IntervalRecord]:
    """Read the newest intervals.

    Parameters
    ----------
    versions
        Versions of the detector file, newest first: an interval is read of the newest version that has it.
    """
    version_of: dict[datetime, str] = {}
    for version in versions:
        for start in records.intervals.get(version, ()):
            version_of.setdefault(start, version)
    newest = sorted(version_of)[-most:]

    def read(starts: Iterable[datetime]) -> list[IntervalRecord]:
        keys = [interval_key(records.name, version_of[start], start) for start in starts]
        return read_each(store, keys, _interval, notes, f"{records.name}: intervals")

    last = read(newest[-1:])
    n_points = max((record.table.num_rows for record in last), default=0)
    n_intervals = max(1, MOST_POINTS // max(1, n_points))
    if n_intervals < len(newest):
        notes.append(f"{records.name}: what was expected is shown of the newest {n_intervals:,} intervals.")
    return [*read(newest[-n_intervals:][:-1]), *last]


def _interval(body: bytes, place: str) -> IntervalRecord:
    record = interval_records.from_parquet(body, place)
    absent = [name for name in _ABOUT if name not in record.about]
    if absent:
        raise ValueError(f"{place}: {absent[0]}: absent from the metadata")
    return replace(record, table=record.table.select(list(_COLUMNS)))


def join_parts(parts: Iterable[Group]) -> list[Group]:
    """Join parts of groups, of single intervals, to groups; of several parts of an interval the last one counts."""
    groups: dict[tuple[str, str, str], dict[datetime, Group]] = {}
    for part in parts:
        by_time = groups.setdefault((part.detector_arn, part.group_id, part.measure), {})
        for interval in part.intervals:
            by_time[interval.timestamp] = replace(part, intervals=(interval,))
    return [
        replace(next(iter(by_time.values())), intervals=tuple(by_time[time].intervals[0] for time in sorted(by_time)))
        for by_time in groups.values()
    ]


def merge_groups(live: Iterable[Group], backtest: Iterable[Group]) -> list[Group]:
    """Return the groups of both; of equal ones that of the live detector."""
    groups = {(group.detector_arn, group.group_id, group.measure): group for group in (*backtest, *live)}
    return [groups[key] for key in sorted(groups)]
