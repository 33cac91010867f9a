"""One listing of the records of all detectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from anomalake.records.about import is_about_key
from anomalake.records.backtests import parse_backtest_key
from anomalake.records.comments import parse_comment_key
from anomalake.records.deliveries import parse_undelivered_key
from anomalake.records.executions import parse_execution_key
from anomalake.records.feedback import parse_feedback_key
from anomalake.records.groups import parse_group_key
from anomalake.records.intervals import parse_interval_key
from anomalake.records.keys import DETECTION, parse_detector
from anomalake.records.snoozes import is_snooze_key
from anomalake.records.versions import parse_version_key
from anomalake.storage.store import ObjectStore


@dataclass(slots=True)
class DetectorRecords:
    """Keys of one detector's records.

    Attributes
    ----------
    name
        Name of the detector.
    intervals
        Starts of intervals, by version, in ascending order.
    groups, executions
        Pairs of an interval's start and a key, in ascending order.
    versions
        Keys by version.
    undelivered
        Number of intervals with alerts that were not delivered.
    backtest
        Names of the objects of the last backtest (`backtests.JUDGEMENT`, `backtests.GROUPS`).
    feedback, comments
        Pairs of the time at which it was given and a key, in ascending order.
    snoozes, about
        Keys.
    """

    name: str
    intervals: dict[str, list[datetime]] = field(default_factory=dict)
    groups: list[tuple[datetime, str]] = field(default_factory=list)
    executions: list[tuple[datetime, str]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    undelivered: int = 0
    backtest: set[str] = field(default_factory=set)
    feedback: list[tuple[datetime, str]] = field(default_factory=list)
    comments: list[tuple[datetime, str]] = field(default_factory=list)
    snoozes: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)


def list_records(store: ObjectStore) -> dict[str, DetectorRecords]:
    """List the records of all detectors, by detector name; raises `StoreError`.

    Other records of a detector, and keys that anomalake does not write, are left out.
    """
    detectors: dict[str, DetectorRecords] = {}
    for entry in store.list(DETECTION):
        detector = parse_detector(entry.key)
        if detector is not None:
            _add(detectors.setdefault(detector, DetectorRecords(detector)), entry.key)
    for records in detectors.values():
        records.groups.sort()
        records.executions.sort()
        records.feedback.sort()
        records.comments.sort()
        for starts in records.intervals.values():
            starts.sort()
    return detectors


def _add(records: DetectorRecords, key: str) -> None:
    # The third segment is the kind of record, so that each key is matched with one pattern.
    kind = key.split("/", 3)[2]
    if kind.startswith("version=") and (interval := parse_interval_key(key)):
        records.intervals.setdefault(interval.version, []).append(interval.start)
    elif kind == "groups" and (group := parse_group_key(key)):
        records.groups.append((group.start, key))
    elif kind == "executions" and (execution := parse_execution_key(key)):
        records.executions.append((execution.start, key))
    elif kind == "versions" and (version := parse_version_key(key)):
        records.versions[version.version] = key
    elif kind == "undelivered" and parse_undelivered_key(key):
        records.undelivered += 1
    elif kind == "backtest" and (backtest := parse_backtest_key(key)):
        records.backtest.add(backtest.name)
    elif kind == "feedback" and (given_at := parse_feedback_key(key)):
        records.feedback.append((given_at, key))
    elif kind == "comments" and (comment := parse_comment_key(key)):
        records.comments.append((comment.start, key))
    elif kind == "snoozes" and is_snooze_key(key):
        records.snoozes.append(key)
    elif is_about_key(key):
        records.about.append(key)
