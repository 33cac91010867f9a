"""Group intervals as columns: read from the records of groups, merged, cut and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from anomalake.groups.anomaly_group import Group
from anomalake.page.columns import unique_rows
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
from anomalake.page.names import Names

DAY: Final = 86_400


class DetectorNumbers:
    """Numbers of all detectors, with their `Names`."""

    def __init__(self, all_: Iterable[Names] = ()) -> None:
        self.names: list[Names] = []
        self._numbers: dict[str, int] = {}
        for one in all_:
            self._numbers[one.arn] = len(self.names)
            self.names.append(one)

    def number(self, arn: str) -> int:
        """Number of a detector; an unknown one is added."""
        if arn not in self._numbers:
            self._numbers[arn] = len(self.names)
            self.names.append(Names(arn))
        return self._numbers[arn]

    def of(self, arn: str) -> Names:
        """Names of a detector."""
        return self.names[self.number(arn)]


@dataclass(frozen=True, slots=True, eq=False)
class FoundGroups:
    """Columns of group intervals, of their affected metrics (``a_``) and of their contributions (``c_``).

    Attributes
    ----------
    detector, measure, group
        Numbers; the group's is an index into `ids`.
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


_INTERVAL = ("detector", "group", "measure", "time", "score", "metrics", "alerted")
_AFFECTED = ("a_interval", "a_combination", "a_value", "a_expected", "a_lower", "a_upper")
_SHARES = ("c_interval", "c_dimension", "c_value", "c_share")


def from_groups(groups: Iterable[Group], detectors: DetectorNumbers) -> FoundGroups:
    """Group intervals out of the groups' own records."""
    ids: dict[str, int] = {}
    group_intervals: list[tuple[Any, ...]] = []
    affected: list[tuple[Any, ...]] = []
    shares: list[tuple[Any, ...]] = []
    for group in groups:
        names = detectors.of(group.detector_arn)
        detector, measure = detectors.number(group.detector_arn), names.measure(group.measure)
        number = ids.setdefault(group.group_id, len(ids))
        for one in group.intervals:
            at = len(group_intervals)
            time = int(one.timestamp.timestamp())
            group_intervals.append((detector, number, measure, time, one.score, len(one.affected), False))
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
    for fields, listed in ((_INTERVAL, group_intervals), (_AFFECTED, affected), (_SHARES, shares)):
        for place, name in enumerate(fields):
            columns[name] = np.array([row[place] for row in listed], _TYPES.get(name, np.int64))
    return FoundGroups(ids=tuple(ids), **columns)


_TYPES = dict.fromkeys(("score", "a_value", "a_expected", "a_lower", "a_upper"), np.float64) | {"alerted": np.bool_}


def merged(records: FoundGroups, alerts: FoundGroups) -> FoundGroups:
    """Merge group intervals by detector, group, measure and time; records take precedence over alerts."""
    whole = joined(records, alerts)
    key = _keys(whole)
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    alerted = np.zeros(len(first), bool)
    np.logical_or.at(alerted, place, whole.alerted)
    kept = _taken(whole, np.sort(first))
    return _with(kept, alerted=alerted[np.argsort(first, kind="stable")])


def joined(one: FoundGroups, two: FoundGroups) -> FoundGroups:
    """Concatenate group intervals."""
    return _joined(*_same_ids(one, two))


def without(one: FoundGroups, two: FoundGroups) -> FoundGroups:
    """Group intervals of the first that the second does not have."""
    one, two = _same_ids(one, two)
    key = _keys(_joined(one, two))
    return _taken(one, np.flatnonzero(~np.isin(key[: len(one)], key[len(one) :])))


def within(one: FoundGroups, two: FoundGroups) -> FoundGroups:
    """Group intervals of the first that the second has too."""
    one, two = _same_ids(one, two)
    key = _keys(_joined(one, two))
    return _taken(one, np.flatnonzero(np.isin(key[: len(one)], key[len(one) :])))


def most_severe(found: FoundGroups, limits: Limits) -> tuple[FoundGroups, FoundGroups]:
    """The most severe group intervals within the limits, and the others."""
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


def counted(found: FoundGroups) -> dict[tuple[int, int, int, int], int]:
    """Group intervals by detector, measure, start of the UTC day, and class of score."""
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


def shown(
    found: FoundGroups, known: Mapping[tuple[int, str], Group]
) -> tuple[Groups, GroupIntervals, Affected, Contributions]:
    """Groups, group intervals, affected metrics and contributions, in the document's order.

    Parameters
    ----------
    known
        Groups with records of their own, by detector and id.
    """
    ids = _ranks(found.ids)[found.group] if found.ids else found.group
    measures = found.measure
    first, place = unique_rows(found.detector, found.group, measures)
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
    group_intervals = GroupIntervals(
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
    return groups, group_intervals, affected, contributions


def _same_ids(one: FoundGroups, two: FoundGroups) -> tuple[FoundGroups, FoundGroups]:
    ids = tuple(dict.fromkeys((*one.ids, *two.ids)))
    number = {id_: at for at, id_ in enumerate(ids)}
    made = []
    for found in (one, two):
        own = np.array([number[id_] for id_ in found.ids], np.int64)
        made.append(_with(found, ids=ids, group=own[found.group]))
    return made[0], made[1]


def _joined(one: FoundGroups, two: FoundGroups) -> FoundGroups:
    columns = {
        name: np.concatenate([getattr(one, name), getattr(two, name)]) for name in (*_INTERVAL, *_AFFECTED, *_SHARES)
    }
    columns["a_interval"][len(one.a_interval) :] += len(one)
    columns["c_interval"][len(one.c_interval) :] += len(one)
    return FoundGroups(ids=one.ids, **columns)


def _taken(found: FoundGroups, rows: Integers) -> FoundGroups:
    """Select group intervals in ascending order, with their metrics and contributions."""
    place = np.full(len(found), -1, np.int64)
    place[rows] = np.arange(len(rows))
    columns: dict[str, Any] = {name: getattr(found, name)[rows] for name in _INTERVAL}
    for fields in (_AFFECTED, _SHARES):
        kept = place[getattr(found, fields[0])]
        there = kept >= 0
        columns[fields[0]] = kept[there]
        columns |= {name: getattr(found, name)[there] for name in fields[1:]}
    return FoundGroups(ids=found.ids, **columns)


def _with(found: FoundGroups, **changes: Any) -> FoundGroups:
    columns = {name: getattr(found, name) for name in ("ids", *_INTERVAL, *_AFFECTED, *_SHARES)}
    return FoundGroups(**{**columns, **changes})


def _keys(found: FoundGroups) -> Integers:
    """One number for each detector, group, measure and time."""
    _, place = unique_rows(found.detector, found.group, found.measure)
    return unique_rows(place, found.time)[1]


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
