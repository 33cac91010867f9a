"""Anomaly groups of a detector: their list with statistics, and one of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from anomalake.alerts import Contribution
from anomalake.definitions.resource_errors import ResourceNotFoundError
from anomalake.groups.anomaly_group import Group, RelatedMeasure
from anomalake.groups.contributions import shares_of
from anomalake.notify.alert_json import MOST_SCORE
from anomalake.records.backtests import read_backtest_group
from anomalake.records.group_index import GroupEntry, GroupIndex, entries, find_entry, read_index
from anomalake.records.groups import read_group
from anomalake.services.definitions.known_detectors import KnownDetector
from anomalake.services.workspace import Workspace

_ID: Final = re.compile(r"[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}")


@dataclass(frozen=True, slots=True)
class GroupList:
    """Groups of a detector.

    Attributes
    ----------
    entries
        The groups, newest first.
    evaluated_from
        Start of the first interval that is known to have been judged; None where there is none.
    groups_by_measure
        Number of groups of each measure, the most first.
    """

    entries: Sequence[GroupEntry]
    evaluated_from: datetime | None
    groups_by_measure: tuple[tuple[str, int], ...]


def list_groups(workspace: Workspace, detector: KnownDetector, least_score: float) -> GroupList:
    """List the groups with a least score; raises `StoreError`."""
    index = _index(workspace, detector)
    groups = entries(index, detector.arn)
    starts = [start for start in (index.first_tested, groups[-1].start if groups else None) if start is not None]
    wanted = [group for group in groups if score_of(group) >= least_score]
    counts = Counter(group.measure for group in wanted)
    by_measure = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return GroupList(wanted, min(starts, default=None), tuple(by_measure))


def find_group(workspace: Workspace, detector: KnownDetector, group_id: str) -> Group:
    """Return a group of a detector, live or of its last backtest.

    Raises
    ------
    ResourceNotFoundError
        There is no such group.
    RecordError, StoreError
    """
    group = _read(workspace, detector, group_id) if _ID.fullmatch(group_id) else None
    if group is None or group.detector_arn != detector.arn:
        raise unknown_group(group_id)
    return group


def unknown_group(group_id: str) -> ResourceNotFoundError:
    """Return the error of a group that is not there."""
    message = f"AnomalyGroupId {group_id}: the detector has no such anomaly group"
    return ResourceNotFoundError(message, group_id, "AnomalyGroup")


def score_of(group: Group | GroupEntry) -> float:
    """Return the score of a group as alerts have it."""
    return min(round(group.score, 2), MOST_SCORE)


def contributions_of(group: Group) -> tuple[Contribution, ...]:
    """Return the shares of dimension values in the deviation of a group in all its intervals (`shares_of`)."""
    return shares_of(part for interval in group.intervals for metric in interval.affected for part in metric.parts)


def related_groups(workspace: Workspace, detector: KnownDetector, group: Group) -> list[RelatedMeasure]:
    """Return the groups of other measures that overlap with a group and are there; raises `StoreError`."""
    if not group.related:
        return []
    index = _index(workspace, detector)
    return [related for related in group.related if find_entry(index, detector.arn, related.group_id) is not None]


def _read(workspace: Workspace, detector: KnownDetector, group_id: str) -> Group | None:
    group = read_group(workspace.store, detector.name, group_id)
    if group is not None:
        return group
    entry = find_entry(_index(workspace, detector), detector.arn, group_id)
    return read_backtest_group(workspace.store, detector.name, group_id, entry.place) if entry is not None else None


def _index(workspace: Workspace, detector: KnownDetector) -> GroupIndex:
    return read_index(workspace.store, detector.name, workspace.now())
