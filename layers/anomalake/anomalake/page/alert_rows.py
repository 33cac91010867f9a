"""Rows of alerts: the queries that ask for them, and their conversion to columns of the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from anomalake.groups.anomaly_group import Group
from anomalake.page.anomalies import DAY, AnomalyTable, score_class
from anomalake.page.contents import AlertSummary, CountKey, GroupIntervalKey
from anomalake.page.document import Integers
from anomalake.page.limits import Limits
from anomalake.page.numbering import (
    LakeNames,
    codes,
    first_of_equal_rows,
    floats,
    indices,
    integers,
    largest,
    ranked_codes,
    seconds,
)
from anomalake.query import templates

#: Answers a query in Athena's dialect.
Ask = Callable[[str], pa.Table]

# Columns of page_most_severe.sql that its limits are compared with.
_RANK: Final = "severity_rank"
_ROWS: Final = "rows_before"
_SAFE_ID = re.compile(r"[A-Za-z0-9_:/.-]{1,200}")


def sql_of(name: str) -> str:
    """Return the query of a file."""
    return templates.template(name).sql(templates.DIALECT)


def most_severe_sql(limits: Limits) -> str:
    """Return the query for the most severe group intervals."""
    query = templates.template("page_most_severe")
    _set_bound(query, _RANK, limits.group_intervals)
    _set_bound(query, _ROWS, _most_rows(limits))
    return query.sql(templates.DIALECT)


def less_severe_sql(ids: Collection[str], limits: Limits) -> str:
    """Return the query for the first rows of the group intervals of some groups that are beyond the most severe ones.

    Ids with characters that no group of anomalake has are left out (`is_safe_id`).
    """
    query = templates.template("page_most_severe")
    literals = [exp.Literal.string(id_) for id_ in ids if is_safe_id(id_)] or [exp.Literal.string("")]
    condition = exp.and_(
        exp.column(_RANK, "n") > limits.group_intervals,
        exp.column("i", "s").eq(1),
        exp.column("group_id", "n").isin(*literals),
    )
    select = _bound(query, _RANK).find_ancestor(exp.Select)
    assert select is not None
    select.where(condition, append=False, copy=False)
    return query.sql(templates.DIALECT)


def is_safe_id(group_id: str) -> bool:
    """Whether queries may name a group by this id."""
    return _SAFE_ID.fullmatch(group_id) is not None


def _most_rows(limits: Limits) -> int:
    return max(limits.affected, limits.contributions)


def _bound(query: exp.Query, column: str) -> exp.Expr:
    """Return the comparison of a column with its bound."""
    return next(node for node in query.find_all(exp.LT, exp.LTE) if node.this.name == column)


def _set_bound(query: exp.Query, column: str, number: int) -> None:
    _bound(query, column).set("expression", exp.Literal.number(number))


def within_limits(rows: pa.Table, limits: Limits) -> pa.Table:
    """Return what page_most_severe.sql would have answered with other limits, at most those that it had."""
    first = pc.equal(rows["i"], 1)
    mask = pc.and_(
        pc.less_equal(rows[_RANK], limits.group_intervals), pc.or_(first, pc.less(rows[_ROWS], _most_rows(limits)))
    )
    return rows.filter(mask)


def less_severe(rows: pa.Table, limits: Limits) -> pa.Table:
    """Return the first rows of the group intervals that are beyond the most severe ones."""
    return rows.filter(pc.and_(pc.greater(rows[_RANK], limits.group_intervals), pc.equal(rows["i"], 1)))


def first_rows(rows: pa.Table) -> pa.Table:
    """Return the first row of each alert."""
    return rows.filter(pc.equal(rows["i"], 1))


def keys_of(rows: pa.Table) -> list[GroupIntervalKey]:
    """Return the key of each group interval, from first rows of alerts."""
    columns = [rows[name].to_pylist() for name in ("detector_arn", "group_id", "metric_name")]
    return list(zip(*columns, seconds(rows["timestamp"]).tolist(), strict=True))


def record_keys(groups: Iterable[Group]) -> frozenset[GroupIntervalKey]:
    """Return the key of each group interval, from records of groups that queries may name."""
    return frozenset(
        (group.detector_arn, group.group_id, group.measure, int(interval.timestamp.timestamp()))
        for group in groups
        if is_safe_id(group.group_id)
        for interval in group.intervals
    )


def counts_of_rows(rows: pa.Table) -> dict[CountKey, int]:
    """Count group intervals as page_counts.sql does, from first rows of alerts."""
    days = (seconds(rows["timestamp"]) // DAY * DAY).tolist()
    scores = score_class(floats(rows["anomaly_score"])).tolist()
    return Counter(zip(rows["detector_arn"].to_pylist(), rows["metric_name"].to_pylist(), days, scores, strict=True))


def counts_of_answer(rows: pa.Table) -> dict[CountKey, int]:
    """Return the answer to page_counts.sql."""
    counts: Counter[CountKey] = Counter()
    for row in rows.to_pylist():
        key = (row["detector_arn"], row["metric_name"], _epoch(row["day"]), int(row["score"]))
        counts[key] += int(row["group_intervals"])
    return counts


def summaries_of_answer(rows: pa.Table) -> dict[str, AlertSummary]:
    """Return the answer to page_detectors.sql, by ARN."""
    return {
        row["detector_arn"]: AlertSummary(
            int(row["alerts"]),
            _epoch(row["first_alert"]),
            _epoch(row["last_alert"]),
            row["timezone"],
            int(row["clashes"]),
        )
        for row in rows.to_pylist()
    }


def _epoch(instant: Any) -> int:
    """Return epoch seconds of a date or time in UTC, as answers have it."""
    return int(np.datetime64(instant, "s").astype(np.int64))


def from_alerts(table: pa.Table, lake_names: LakeNames) -> tuple[AnomalyTable, dict[str, AlertSummary]]:
    """Moments out of the answer to page_anomalies.sql or page_most_severe.sql, and the alerts of each detector.

    Of several bodies of an alert the one with the lowest digest counts; of several alerts about one moment the one with
    most metrics, then the most severe one.
    """
    i = integers(table["i"])
    alert = first_of_equal_rows(codes(table["detector"]), codes(table["alert_id"]))[1]
    digest = ranked_codes(table["digest"])
    order = np.lexsort((i, digest, alert))
    # The lowest digest of each alert, and each of its rows once.
    lowest = digest[order][np.searchsorted(alert[order], alert[order])]
    before = np.concatenate([[-1], order[:-1]]) if len(order) else order
    again = (alert[order] == alert[before]) & (digest[order] == digest[before]) & (i[order] == i[before])
    if len(again):
        again[0] = False
    bodies = order[(i[order] == 1) & ~again]
    shown_rows = order[(digest[order] == lowest) & ~again]
    heads = shown_rows[i[shown_rows] == 1]
    columns = ["detector_arn", "group_id", "timestamp", "timezone", "metric_name", "anomaly_score", "alert_id"]
    some = table.select(columns).take(pa.array(heads))
    time, score, metrics = seconds(some["timestamp"]), floats(some["anomaly_score"]), integers(table["metrics"])
    arns = some["detector_arn"].combine_chunks().dictionary_encode()
    numbered = {arn: lake_names.number(arn) for arn in sorted(arns.dictionary.to_pylist())}
    detector = np.array([numbered[arn] for arn in arns.dictionary.to_pylist()], np.int64)[indices(arns)]
    ids = some["group_id"].combine_chunks().dictionary_encode()
    group = indices(ids)
    measure = np.empty(len(heads), np.int64)
    for one in np.unique(detector):
        at = np.flatnonzero(detector == one)
        measure[at] = lake_names.names[one].measures_of(some["metric_name"].take(pa.array(at)))
    alerts = _summaries(detector, time, some["timezone"], alert[heads], alert[bodies], lake_names)
    moment = first_of_equal_rows(detector, group, measure, time)[1]
    best = np.lexsort((ranked_codes(some["alert_id"]), -score, -metrics[heads], moment))
    kept = np.sort(best[np.searchsorted(moment[best], np.unique(moment))])
    row_of = np.full(largest(alert) + 1, -1, np.int64)
    row_of[alert[heads[kept]]] = np.arange(len(kept))
    rows = shown_rows[row_of[alert[shown_rows]] >= 0]
    a_rows, c_rows = rows[i[rows] <= metrics[rows]], rows[i[rows] <= integers(table["shares"])[rows]]
    a_interval, c_interval = row_of[alert[a_rows]], row_of[alert[c_rows]]
    nothing = np.full(len(a_rows), np.nan)
    detector = detector[kept]
    c_dimension, c_value = _shares(table, c_rows, detector[c_interval], lake_names)
    found = AnomalyTable(
        ids=tuple(ids.dictionary.to_pylist()),
        detector=detector,
        group=group[kept],
        measure=measure[kept],
        time=time[kept],
        score=score[kept],
        metrics=metrics[heads[kept]],
        alerted=np.ones(len(kept), bool),
        a_interval=a_interval,
        a_combination=_combinations(table["dimensions"], a_rows, detector[a_interval], lake_names),
        a_value=floats(table["metric_value"].take(pa.array(a_rows))),
        a_expected=nothing,
        a_lower=nothing,
        a_upper=nothing,
        c_interval=c_interval,
        c_dimension=c_dimension,
        c_value=c_value,
        c_share=integers(table["value_contribution"].take(pa.array(c_rows))),
    )
    return found, alerts


def _summaries(
    detector: Integers, time: Integers, zones: pa.ChunkedArray, alert: Integers, bodies: Integers, lake_names: LakeNames
) -> dict[str, AlertSummary]:
    """Alerts of each detector, from those that are shown and from all bodies."""
    zone = zones.combine_chunks().dictionary_encode()
    zone_codes = ranked_codes(zones)
    several = np.bincount(bodies)[alert] > 1 if len(alert) else np.empty(0, bool)
    found: dict[str, AlertSummary] = {}
    for one in np.unique(detector).tolist():
        mine = np.flatnonzero(detector == one)
        last_zone = zone.dictionary[indices(zone)[mine[np.argmax(zone_codes[mine])]]].as_py()
        first, last = int(np.min(time[mine])), int(np.max(time[mine]))
        clashes = int(np.count_nonzero(several[mine]))
        found[lake_names.names[one].arn] = AlertSummary(len(mine), first, last, last_zone, clashes)
    return found


def _combinations(column: pa.ChunkedArray, rows: Integers, detector: Integers, lake_names: LakeNames) -> Integers:
    """Numbers of combinations in a column of maps; shape (row,)."""
    maps = column.take(pa.array(rows)).combine_chunks()
    if isinstance(maps, pa.ChunkedArray):
        maps = pa.concat_arrays(maps.chunks)
    made = np.empty(len(rows), np.int64)
    lengths = _lengths(maps)
    keys, items = pc.fill_null(maps.keys, "").dictionary_encode(), maps.items.dictionary_encode()
    key_names, key_codes = keys.dictionary.to_pylist(), keys.indices.to_numpy(zero_copy_only=False)
    first = maps.offsets[0].as_py() if len(maps) else 0
    owner = np.repeat(np.arange(len(rows)), lengths)
    key_codes = key_codes[first : first + len(owner)]
    items = items.slice(first, len(owner))
    there = ~np.asarray(items.is_null().to_numpy(zero_copy_only=False))
    for one in np.unique(detector):
        names = lake_names.names[one]
        mine = np.flatnonzero(detector == one)
        local = np.full(len(rows), -1, np.int64)
        local[mine] = np.arange(len(mine))
        entries = np.flatnonzero((local[owner] >= 0) & there)
        columns: dict[str, Integers] = {}
        for code in sorted(np.unique(key_codes[entries]).tolist(), key=lambda code: str(key_names[code])):
            some = entries[key_codes[entries] == code]
            numbers = np.full(len(mine), -1, np.int64)
            numbers[local[owner[some]]] = names.values_of(key_names[code], items.take(pa.array(some)))
            columns[key_names[code]] = numbers
        made[mine] = names.combinations_of(columns, len(mine))
    return made


def _lengths(maps: pa.MapArray) -> Integers:
    return np.asarray(np.diff(maps.offsets.to_numpy()), np.int64)


def _shares(table: pa.Table, rows: Integers, detector: Integers, lake_names: LakeNames) -> tuple[Integers, Integers]:
    dimension, value = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    taken = table.select(["dimension_name", "dimension_value"]).take(pa.array(rows))
    named = taken["dimension_name"].combine_chunks().dictionary_encode()
    values = taken["dimension_value"].combine_chunks().dictionary_encode()
    names_, codes = named.dictionary.to_pylist(), named.indices.to_numpy(zero_copy_only=False)
    for one in np.unique(detector):
        names = lake_names.names[one]
        mine = detector == one
        for code in sorted(np.unique(codes[mine]).tolist(), key=lambda code: str(names_[code])):
            some = np.flatnonzero(mine & (codes == code))
            dimension[some] = names.dimension(names_[code])
            value[some] = names.values_of(names_[code], values.take(pa.array(some)))
    return dimension, value
