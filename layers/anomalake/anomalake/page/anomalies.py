"""Groups in single intervals as columns: from records of groups, merged with those of alerts, cut, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from anomalake.causes.texts import describe
from anomalake.groups.anomaly_group import Group
from anomalake.notify.plain import shown
from anomalake.page.document import (
    Affected,
    AnomalyCounts,
    Contributions,
    GroupIntervals,
    Groups,
    Integers,
    Numbers,
    Related,
)
from anomalake.page.limits import Limits
from anomalake.page.numbering import LakeNames, first_of_equal_rows

DAY: Final = 86_400
# Root causes that are shown of a group.
_CAUSES: Final = 3

#: Number of group intervals by numbers of detector and measure, start of the UTC day, and class of scores.
Counts = dict[tuple[int, int, int, int], int]


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyTable:
    """Group intervals, with their affected metrics (columns ``a_``) and contributions (columns ``c_``).

    Attributes
    ----------
    ids
        anomalyGroupId of each group.
    detector, measure, group
        Numbers (`LakeNames`); that of the group is an index into `ids`.
    metrics
        Number of affected metrics.
    alerted
        Whether the lake has an alert.
    a_interval, c_interval
        Rows of group intervals, ascending.
    """

    ids: tuple[str, ...]
    detector: Integers
    group: Integers
    measure: Integers
    time: Integers
    score: Numbers
    metrics: Integers
    alerted: npt.NDArray[np.bool_]
    a_interval: Integers
    a_combination: Integers
    a_value: Numbers
    a_expected: Numbers
    a_lower: Numbers
    a_upper: Numbers
    c_interval: Integers
    c_dimension: Integers
    c_value: Integers
    c_share: Integers

    def __len__(self) -> int:
        return len(self.time)


_INTERVAL: Final = ("detector", "group", "measure", "time", "score", "metrics", "alerted")
_AFFECTED: Final = ("a_interval", "a_combination", "a_value", "a_expected", "a_lower", "a_upper")
_SHARES: Final = ("c_interval", "c_dimension", "c_value", "c_share")
_TYPES = dict.fromkeys(("score", "a_value", "a_expected", "a_lower", "a_upper"), np.float64) | {"alerted": np.bool_}


def from_groups(groups: Iterable[Group], lake_names: LakeNames) -> AnomalyTable:
    """Return the group intervals of records."""
    ids: dict[str, int] = {}
    intervals: list[tuple[Any, ...]] = []
    affected: list[tuple[Any, ...]] = []
    shares: list[tuple[Any, ...]] = []
    for group in groups:
        names = lake_names.of(group.detector_arn)
        detector, measure = lake_names.number(group.detector_arn), names.measure(group.measure)
        number = ids.setdefault(group.group_id, len(ids))
        for interval in group.intervals:
            row = len(intervals)
            time = int(interval.timestamp.timestamp())
            intervals.append((detector, number, measure, time, interval.score, len(interval.affected), False))
            for metric in interval.affected:
                combination = names.combination(metric.dimensions)
                lower = np.nan if metric.lower is None else metric.lower
                upper = np.nan if metric.upper is None else metric.upper
                affected.append((row, combination, metric.value, metric.expected, lower, upper))
            for share in interval.contributions:
                dimension = names.dimension(share.dimension_name)
                value = names.value(dimension, share.dimension_value)
                shares.append((row, dimension, value, share.value_contribution))
    columns: dict[str, Any] = {}
    for fields, rows in ((_INTERVAL, intervals), (_AFFECTED, affected), (_SHARES, shares)):
        for index, name in enumerate(fields):
            columns[name] = np.array([row[index] for row in rows], _TYPES.get(name, np.int64))
    return AnomalyTable(ids=tuple(ids), **columns)


def merged(records: AnomalyTable, alerts: AnomalyTable) -> AnomalyTable:
    """Return the group intervals of both, each once: that of the record where there is one; no alert is repeated."""
    if not len(records):
        return alerts
    both = joined(records, alerts)
    _, first, place = np.unique(_keys(both), return_index=True, return_inverse=True)
    alerted = np.zeros(len(first), bool)
    np.logical_or.at(alerted, place, both.alerted)
    return replace(_rows(both, np.sort(first)), alerted=alerted[np.argsort(first, kind="stable")])


def joined(first: AnomalyTable, second: AnomalyTable) -> AnomalyTable:
    """Return the group intervals of the first table, then those of the second."""
    first, second = _with_same_ids(first, second)
    columns = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in (*_INTERVAL, *_AFFECTED, *_SHARES)
    }
    columns["a_interval"][len(first.a_interval) :] += len(first)
    columns["c_interval"][len(first.c_interval) :] += len(first)
    return AnomalyTable(ids=first.ids, **columns)


def most_severe(table: AnomalyTable, limits: Limits) -> tuple[AnomalyTable, AnomalyTable]:
    """Return the most severe group intervals, with as many rows as the limits allow, and all other group intervals."""
    ids = _ranks(table.ids)[table.group] if table.ids else table.group
    order = np.lexsort((ids, table.measure, table.detector, table.time, -table.score))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    listed_rows = np.sort(order[: limits.group_intervals])
    listed = _rows(table, listed_rows)
    others = _rows(table, np.sort(order[limits.group_intervals :]))
    rank_of = rank[listed_rows]
    affected = _lowest(rank_of[listed.a_interval], limits.affected)
    shares = _lowest(rank_of[listed.c_interval], limits.contributions)
    columns = {name: getattr(listed, name)[affected] for name in _AFFECTED}
    columns |= {name: getattr(listed, name)[shares] for name in _SHARES}
    return replace(listed, **columns), others


def counted(table: AnomalyTable) -> Counts:
    """Count group intervals."""
    if not len(table):
        return {}
    rows = np.stack([table.detector, table.measure, table.time // DAY * DAY, score_class(table.score)], axis=1)
    keys, numbers = np.unique(rows, axis=0, return_counts=True)
    return {(key[0], key[1], key[2], key[3]): n for key, n in zip(keys.tolist(), numbers.tolist(), strict=True)}


def score_class(score: Numbers) -> Integers:
    """Return the lower ends of classes ten wide, 0 to 90."""
    return np.clip(np.floor(score / 10).astype(np.int64) * 10, 0, 90)


def counts_of(counts: Mapping[tuple[int, int, int, int], int]) -> AnomalyCounts:
    """Return counts as columns, sorted."""
    rows = [(*key, number) for key, number in sorted(counts.items()) if number > 0]
    columns = np.array(rows, np.int64).reshape(len(rows), 5).T
    return AnomalyCounts(columns[0], columns[1], columns[2], columns[3], columns[4])


def document_columns(
    table: AnomalyTable, records: Mapping[tuple[int, str], Group]
) -> tuple[Groups, GroupIntervals, Affected, Contributions]:
    """Return groups, their intervals and the rows of these, in the document's order.

    Parameters
    ----------
    records
        Groups that have records, by number of the detector and id.
    """
    groups, number_of = _groups(table, records)
    by_time = np.lexsort((number_of, table.time))
    group_intervals = GroupIntervals(
        group=number_of[by_time],
        time=table.time[by_time],
        score=table.score[by_time],
        alerted=table.alerted[by_time].astype(np.int64),
        metrics=table.metrics[by_time],
    )
    index = np.empty(len(by_time), np.int64)
    index[by_time] = np.arange(len(by_time))
    of_affected, of_shares = index[table.a_interval], index[table.c_interval]
    affected_order, shares_order = np.argsort(of_affected, kind="stable"), np.argsort(of_shares, kind="stable")
    affected = Affected(of_affected[affected_order], *(getattr(table, name)[affected_order] for name in _AFFECTED[1:]))
    contributions = Contributions(
        of_shares[shares_order], *(getattr(table, name)[shares_order] for name in _SHARES[1:])
    )
    return groups, group_intervals, affected, contributions


def _groups(table: AnomalyTable, records: Mapping[tuple[int, str], Group]) -> tuple[Groups, Integers]:
    """Return the groups, and the index of the group of each group interval."""
    first, place = first_of_equal_rows(table.detector, table.group, table.measure)
    n = len(first)
    start, end = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(start, place, table.time)
    np.maximum.at(end, place, table.time)
    score = np.zeros(n)
    np.maximum.at(score, place, table.score)
    detector, measure = table.detector[first], table.measure[first]
    ids = [table.ids[number] for number in table.group[first].tolist()]
    record_of = [records.get(key) for key in zip(detector.tolist(), ids, strict=True)]
    for k, record in enumerate(record_of):
        if record is not None:
            start[k] = min(start[k], int(record.start.timestamp()))
            end[k] = max(end[k], int(record.end.timestamp()))
            score[k] = max(score[k], record.score)
    id_ranks = _ranks(table.ids)[table.group[first]] if table.ids else table.group[first]
    order = np.lexsort((id_ranks, measure, detector, start))
    index = np.empty(n, np.int64)
    index[order] = np.arange(n)
    index_of = {(int(detector[k]), ids[k]): int(index[k]) for k in range(n) if record_of[k] is not None}
    groups = Groups(
        id=tuple(ids[k] for k in order.tolist()),
        detector=detector[order],
        measure=measure[order],
        start=start[order],
        end=end[order],
        score=score[order],
        known=np.array([record_of[k] is not None for k in order.tolist()], np.int64),
        related=tuple(_related(record_of[k], int(detector[k]), index_of) for k in order.tolist()),
        causes=tuple(_causes(record_of[k]) for k in order.tolist()),
    )
    return groups, index[place]


def _causes(record: Group | None) -> tuple[str, ...]:
    """Return the first root causes of the worst interval that has some, in words."""
    intervals = [interval for interval in record.intervals if interval.causes] if record is not None else []
    worst = max(intervals, key=lambda interval: interval.score, default=None)
    return tuple(describe(cause, shown) for cause in worst.causes[:_CAUSES]) if worst is not None else ()


def _related(record: Group | None, detector: int, index_of: Mapping[tuple[int, str], int]) -> tuple[Related, ...]:
    if record is None:
        return ()
    return tuple(
        Related(
            index_of.get((detector, other.group_id), -1),
            other.measure,
            other.relationship,
            other.contribution_percentage,
        )
        for other in record.related
    )


def _with_same_ids(first: AnomalyTable, second: AnomalyTable) -> tuple[AnomalyTable, AnomalyTable]:
    ids = tuple(dict.fromkeys((*first.ids, *second.ids)))
    number_of = {id_: number for number, id_ in enumerate(ids)}

    def numbered(table: AnomalyTable) -> AnomalyTable:
        numbers = np.array([number_of[id_] for id_ in table.ids], np.int64)
        return replace(table, ids=ids, group=numbers[table.group])

    return numbered(first), numbered(second)


def _rows(table: AnomalyTable, rows: Integers) -> AnomalyTable:
    """Return some group intervals, in ascending order, with their affected metrics and contributions."""
    if len(rows) == len(table):
        return table
    new_row = np.full(len(table), -1, np.int64)
    new_row[rows] = np.arange(len(rows))
    columns: dict[str, Any] = {name: getattr(table, name)[rows] for name in _INTERVAL}
    for interval, *others in (_AFFECTED, _SHARES):
        row_of = new_row[getattr(table, interval)]
        columns[interval] = row_of[row_of >= 0]
        columns |= {name: getattr(table, name)[row_of >= 0] for name in others}
    return AnomalyTable(ids=table.ids, **columns)


def _keys(table: AnomalyTable) -> Integers:
    """Return one number for each detector, group, measure and time."""
    _, place = first_of_equal_rows(table.detector, table.group, table.measure)
    return first_of_equal_rows(place, table.time)[1]


def _ranks(texts: Sequence[str]) -> Integers:
    """Return the rank of each text in sorted order."""
    order = sorted(range(len(texts)), key=lambda k: texts[k])
    ranks = np.empty(len(texts), np.int64)
    ranks[order] = np.arange(len(texts))
    return ranks


def _lowest(rank: Integers, most: int) -> Integers | slice:
    """Return the indices of the lowest ranks, at most so many, in ascending order."""
    if len(rank) <= most:
        return slice(None)
    return np.sort(np.argsort(rank, kind="stable")[:most])
