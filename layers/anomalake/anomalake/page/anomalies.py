"""Groups in single intervals as columns: from records of groups, merged with those of alerts, cut, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from anomalake.groups.anomaly_group import Group
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


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyTable:
    """GroupIntervals with what was affected and what contributed, each column a row a moment, a metric, a contribution.

    Attributes
    ----------
    detector, measure, group
        Numbers; the group's is an index into `ids`.
    a_interval, c_interval
        Rows of moments, ascending.
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


_INTERVAL = ("detector", "group", "measure", "time", "score", "metrics", "alerted")
_AFFECTED = ("a_interval", "a_combination", "a_value", "a_expected", "a_lower", "a_upper")
_SHARES = ("c_interval", "c_dimension", "c_value", "c_share")


def from_groups(groups: Iterable[Group], lake_names: LakeNames) -> AnomalyTable:
    """GroupIntervals out of the groups' own records."""
    ids: dict[str, int] = {}
    moments: list[tuple[Any, ...]] = []
    affected: list[tuple[Any, ...]] = []
    shares: list[tuple[Any, ...]] = []
    for group in groups:
        names = lake_names.of(group.detector_arn)
        detector, measure = lake_names.number(group.detector_arn), names.measure(group.measure)
        number = ids.setdefault(group.group_id, len(ids))
        for one in group.intervals:
            at = len(moments)
            time = int(one.timestamp.timestamp())
            moments.append((detector, number, measure, time, one.score, len(one.affected), False))
            for some in one.affected:
                combination = names.combination(some.dimensions)
                lower = np.nan if some.lower is None else some.lower
                upper = np.nan if some.upper is None else some.upper
                affected.append((at, combination, some.value, some.expected, lower, upper))
            for share in one.contributions:
                dimension = names.dimension(share.dimension_name)
                value = names.value(dimension, share.dimension_value)
                shares.append((at, dimension, value, share.value_contribution))
    columns: dict[str, Any] = {}
    for fields, listed in ((_INTERVAL, moments), (_AFFECTED, affected), (_SHARES, shares)):
        for place, name in enumerate(fields):
            columns[name] = np.array([row[place] for row in listed], _TYPES.get(name, np.int64))
    return AnomalyTable(ids=tuple(ids), **columns)


_TYPES = dict.fromkeys(("score", "a_value", "a_expected", "a_lower", "a_upper"), np.float64) | {"alerted": np.bool_}


def merged(records: AnomalyTable, alerts: AnomalyTable) -> AnomalyTable:
    """Both together: one moment for each detector, group, measure and time; what its record says goes before alerts."""
    whole = joined(records, alerts)
    key = _keys(whole)
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    alerted = np.zeros(len(first), bool)
    np.logical_or.at(alerted, place, whole.alerted)
    kept = _taken(whole, np.sort(first))
    return _with(kept, alerted=alerted[np.argsort(first, kind="stable")])


def joined(one: AnomalyTable, two: AnomalyTable) -> AnomalyTable:
    """Both, the moments of the second behind those of the first."""
    return _joined(*_same_ids(one, two))


def most_severe(found: AnomalyTable, limits: Limits) -> tuple[AnomalyTable, AnomalyTable]:
    """The most severe moments with as much about them as the limits allow, and those beyond them."""
    ids = _ranks(found.ids)[found.group] if found.ids else found.group
    order = np.lexsort((ids, found.measure, found.detector, found.time, -found.score))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    listed = _taken(found, np.sort(order[: limits.group_intervals]))
    rest = _taken(found, np.sort(order[limits.group_intervals :]))
    rank_of = rank[np.sort(order[: limits.group_intervals])]
    a = _first(rank_of[listed.a_interval], limits.affected)
    c = _first(rank_of[listed.c_interval], limits.contributions)
    columns = {name: getattr(listed, name)[a] for name in _AFFECTED}
    columns |= {name: getattr(listed, name)[c] for name in _SHARES}
    return _with(listed, **columns), rest


def counted(found: AnomalyTable) -> dict[tuple[int, int, int, int], int]:
    """GroupIntervals by detector, measure, start of the UTC day, and class of score."""
    if not len(found):
        return {}
    table = np.stack([found.detector, found.measure, found.time // DAY * DAY, score_class(found.score)], axis=1)
    keys, numbers = np.unique(table, axis=0, return_counts=True)
    return {(k[0], k[1], k[2], k[3]): n for k, n in zip(keys.tolist(), numbers.tolist(), strict=True)}


def score_class(score: Numbers) -> Integers:
    """Lower end of a class ten wide, 0 to 90."""
    return np.clip(np.floor(score / 10).astype(np.int64) * 10, 0, 90)


def counts_of(numbers: Mapping[tuple[int, int, int, int], int]) -> AnomalyCounts:
    """As columns, in order."""
    rows = [(*key, number) for key, number in sorted(numbers.items()) if number > 0]
    columns = np.array(rows, np.int64).reshape(len(rows), 5).T
    return AnomalyCounts(columns[0], columns[1], columns[2], columns[3], columns[4])


def document_columns(
    found: AnomalyTable, known: Mapping[tuple[int, str], Group]
) -> tuple[Groups, GroupIntervals, Affected, Contributions]:
    """Groups, their moments, and what is about these, in the document's order.

    Parameters
    ----------
    known
        Groups with records of their own, by detector and id.
    """
    ids = _ranks(found.ids)[found.group] if found.ids else found.group
    measures = found.measure
    first, place = first_of_equal_rows(found.detector, found.group, measures)
    n = len(first)
    start, end = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(start, place, found.time)
    np.maximum.at(end, place, found.time)
    score = np.zeros(n)
    np.maximum.at(score, place, found.score)
    detector, measure = found.detector[first], measures[first]
    names = [found.ids[at] for at in found.group[first].tolist()]
    records = [known.get(one) for one in zip(detector.tolist(), names, strict=True)]
    for at, record in enumerate(records):
        if record is not None:
            start[at] = min(start[at], int(record.start.timestamp()))
            end[at] = max(end[at], int(record.end.timestamp()))
            score[at] = max(score[at], record.score)
    order = np.lexsort((ids[first], measure, detector, start))
    new = np.empty(n, np.int64)
    new[order] = np.arange(n)
    index = {(int(detector[at]), names[at]): int(new[at]) for at in range(n) if records[at] is not None}
    related: list[tuple[Related, ...]] = []
    for at in order.tolist():
        record = records[at]
        found_ = () if record is None else tuple(
            Related(
                index.get((int(detector[at]), one.group_id), -1),
                one.measure, one.relationship, one.contribution_percentage,
            )
            for one in record.related
        )  # fmt: skip
        related.append(found_)
    groups = Groups(
        id=tuple(names[at] for at in order.tolist()),
        detector=detector[order],
        measure=measure[order],
        start=start[order],
        end=end[order],
        score=score[order],
        known=np.array([records[at] is not None for at in order.tolist()], np.int64),
        related=tuple(related),
    )
    group = new[place]
    by_time = np.lexsort((group, found.time))
    moments = GroupIntervals(
        group=group[by_time],
        time=found.time[by_time],
        score=found.score[by_time],
        alerted=found.alerted[by_time].astype(np.int64),
        metrics=found.metrics[by_time],
    )
    row = np.empty(len(by_time), np.int64)
    row[by_time] = np.arange(len(by_time))
    a, c = row[found.a_interval], row[found.c_interval]
    a_order, c_order = np.argsort(a, kind="stable"), np.argsort(c, kind="stable")
    affected = Affected(
        a[a_order],
        *(getattr(found, name)[a_order] for name in _AFFECTED[1:]),
    )
    contributions = Contributions(c[c_order], *(getattr(found, name)[c_order] for name in _SHARES[1:]))
    return groups, moments, affected, contributions


def _same_ids(one: AnomalyTable, two: AnomalyTable) -> tuple[AnomalyTable, AnomalyTable]:
    ids = tuple(dict.fromkeys((*one.ids, *two.ids)))
    number = {id_: at for at, id_ in enumerate(ids)}
    made = []
    for found in (one, two):
        own = np.array([number[id_] for id_ in found.ids], np.int64)
        made.append(_with(found, ids=ids, group=own[found.group]))
    return made[0], made[1]


def _joined(one: AnomalyTable, two: AnomalyTable) -> AnomalyTable:
    columns = {
        name: np.concatenate([getattr(one, name), getattr(two, name)]) for name in (*_INTERVAL, *_AFFECTED, *_SHARES)
    }
    columns["a_interval"][len(one.a_interval) :] += len(one)
    columns["c_interval"][len(one.c_interval) :] += len(one)
    return AnomalyTable(ids=one.ids, **columns)


def _taken(found: AnomalyTable, rows: Integers) -> AnomalyTable:
    """Some moments, in ascending order, with what is about them."""
    place = np.full(len(found), -1, np.int64)
    place[rows] = np.arange(len(rows))
    columns: dict[str, Any] = {name: getattr(found, name)[rows] for name in _INTERVAL}
    for fields in (_AFFECTED, _SHARES):
        kept = place[getattr(found, fields[0])]
        there = kept >= 0
        columns[fields[0]] = kept[there]
        columns |= {name: getattr(found, name)[there] for name in fields[1:]}
    return AnomalyTable(ids=found.ids, **columns)


def _with(found: AnomalyTable, **changes: Any) -> AnomalyTable:
    columns = {name: getattr(found, name) for name in ("ids", *_INTERVAL, *_AFFECTED, *_SHARES)}
    return AnomalyTable(**{**columns, **changes})


def _keys(found: AnomalyTable) -> Integers:
    """One number for each detector, group, measure and time."""
    _, place = first_of_equal_rows(found.detector, found.group, found.measure)
    return first_of_equal_rows(place, found.time)[1]


def _ranks(texts: Sequence[str]) -> Integers:
    """Places in sorted order."""
    order = sorted(range(len(texts)), key=lambda at: texts[at])
    ranks = np.empty(len(texts), np.int64)
    ranks[order] = np.arange(len(texts))
    return ranks


def _first(rank: Integers, most: int) -> Integers:
    """Rows of the best ranks, at most so many, in their order."""
    if len(rank) <= most:
        return np.arange(len(rank))
    return np.sort(np.argsort(rank, kind="stable")[:most])
