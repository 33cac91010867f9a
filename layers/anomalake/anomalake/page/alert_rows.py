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
from anomalake.page.document import LACKS, Integers
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
    """Return the group intervals of alerts, and a summary of each detector's alerts, by ARN.

    Of several bodies of an alert, the one with the lowest digest is used. Of several alerts about a group interval, the
    one with the most metrics is used, then the one with the highest score.

    Parameters
    ----------
    table
        Answer to page_anomalies.sql or page_most_severe.sql.
    """
    i = integers(table["i"])
    alert = first_of_equal_rows(codes(table["detector"]), codes(table["alert_id"]))[1]
    digest = ranked_codes(table["digest"])
    order = np.lexsort((i, digest, alert))
    lowest = digest[order][np.searchsorted(alert[order], alert[order])]
    before = np.concatenate([[-1], order[:-1]]) if len(order) else order
    repeated = (alert[order] == alert[before]) & (digest[order] == digest[before]) & (i[order] == i[before])
    if len(repeated):
        repeated[0] = False
    bodies = order[(i[order] == 1) & ~repeated]
    body_rows = order[(digest[order] == lowest) & ~repeated]
    # The first row of each alert has the columns of the alert itself.
    first = body_rows[i[body_rows] == 1]
    columns = ["detector_arn", "group_id", "timestamp", "timezone", "metric_name", "anomaly_score", "alert_id"]
    alerts = table.select(columns).take(pa.array(first))
    time, score, metrics = seconds(alerts["timestamp"]), floats(alerts["anomaly_score"]), integers(table["metrics"])
    arns = alerts["detector_arn"].combine_chunks().dictionary_encode()
    number_of = {arn: lake_names.number(arn) for arn in sorted(arns.dictionary.to_pylist())}
    detector = np.array([number_of[arn] for arn in arns.dictionary.to_pylist()], np.int64)[indices(arns)]
    ids = alerts["group_id"].combine_chunks().dictionary_encode()
    group = indices(ids)
    measure = np.empty(len(first), np.int64)
    for number in np.unique(detector):
        rows = np.flatnonzero(detector == number)
        measure[rows] = lake_names.names[number].measures_of(alerts["metric_name"].take(pa.array(rows)))
    summaries = _summaries(detector, time, alerts["timezone"], alert[first], alert[bodies], lake_names)
    group_interval = first_of_equal_rows(detector, group, measure, time)[1]
    best = np.lexsort((ranked_codes(alerts["alert_id"]), -score, -metrics[first], group_interval))
    used = np.sort(best[np.searchsorted(group_interval[best], np.unique(group_interval))])
    row_of = np.full(largest(alert) + 1, -1, np.int64)
    row_of[alert[first[used]]] = np.arange(len(used))
    used_rows = body_rows[row_of[alert[body_rows]] >= 0]
    affected = used_rows[i[used_rows] <= metrics[used_rows]]
    shares = used_rows[i[used_rows] <= integers(table["shares"])[used_rows]]
    a_interval, c_interval = row_of[alert[affected]], row_of[alert[shares]]
    unknown = np.full(len(affected), np.nan)
    detector = detector[used]
    c_dimension, c_value = _shares(table, shares, detector[c_interval], lake_names)
    anomalies = AnomalyTable(
        ids=tuple(ids.dictionary.to_pylist()),
        detector=detector,
        group=group[used],
        measure=measure[used],
        time=time[used],
        score=score[used],
        metrics=metrics[first[used]],
        alerted=np.ones(len(used), bool),
        a_interval=a_interval,
        a_combination=_combinations(table["dimensions"], affected, detector[a_interval], lake_names),
        a_value=floats(table["metric_value"].take(pa.array(affected))),
        a_expected=unknown,
        a_lower=unknown,
        a_upper=unknown,
        c_interval=c_interval,
        c_dimension=c_dimension,
        c_value=c_value,
        c_share=integers(table["value_contribution"].take(pa.array(shares))),
    )
    return anomalies, summaries


def _summaries(
    detector: Integers, time: Integers, zones: pa.ChunkedArray, alert: Integers, bodies: Integers, lake_names: LakeNames
) -> dict[str, AlertSummary]:
    """Return a summary of each detector's alerts.

    Parameters
    ----------
    detector, time, zones, alert
        Columns of the alerts; `alert` is the number of the alert.
    bodies
        Number of the alert of each body.
    """
    zone = zones.combine_chunks().dictionary_encode()
    zone_codes = ranked_codes(zones)
    clash = np.bincount(bodies)[alert] > 1 if len(alert) else np.empty(0, bool)
    summaries: dict[str, AlertSummary] = {}
    for number in np.unique(detector).tolist():
        rows = np.flatnonzero(detector == number)
        last_zone = zone.dictionary[indices(zone)[rows[np.argmax(zone_codes[rows])]]].as_py()
        first, last = int(np.min(time[rows])), int(np.max(time[rows]))
        clashes = int(np.count_nonzero(clash[rows]))
        summaries[lake_names.names[number].arn] = AlertSummary(len(rows), first, last, last_zone, clashes)
    return summaries


def _combinations(column: pa.ChunkedArray, rows: Integers, detector: Integers, lake_names: LakeNames) -> Integers:
    """Return the numbers of the combinations in rows of a column of maps; shape (row,)."""
    maps = column.take(pa.array(rows)).combine_chunks()
    if isinstance(maps, pa.ChunkedArray):
        maps = pa.concat_arrays(maps.chunks)
    combinations = np.empty(len(rows), np.int64)
    lengths = np.asarray(np.diff(maps.offsets.to_numpy()), np.int64)
    keys, items = pc.fill_null(maps.keys, "").dictionary_encode(), maps.items.dictionary_encode()
    key_names, key_codes = keys.dictionary.to_pylist(), keys.indices.to_numpy(zero_copy_only=False)
    first = maps.offsets[0].as_py() if len(maps) else 0
    # Entries of the maps, and the row of each.
    row_of = np.repeat(np.arange(len(rows)), lengths)
    key_codes = key_codes[first : first + len(row_of)]
    items = items.slice(first, len(row_of))
    has_value = ~np.asarray(items.is_null().to_numpy(zero_copy_only=False))
    for number in np.unique(detector):
        names = lake_names.names[number]
        own_rows = np.flatnonzero(detector == number)
        own_index = np.full(len(rows), -1, np.int64)
        own_index[own_rows] = np.arange(len(own_rows))
        entries = np.flatnonzero((own_index[row_of] >= 0) & has_value)
        columns: dict[str, Integers] = {}
        for code in sorted(np.unique(key_codes[entries]).tolist(), key=lambda code: str(key_names[code])):
            of_key = entries[key_codes[entries] == code]
            values = np.full(len(own_rows), LACKS, np.int64)
            values[own_index[row_of[of_key]]] = names.values_of(key_names[code], items.take(pa.array(of_key)))
            columns[key_names[code]] = values
        combinations[own_rows] = names.combinations_of(columns, len(own_rows))
    return combinations


def _shares(table: pa.Table, rows: Integers, detector: Integers, lake_names: LakeNames) -> tuple[Integers, Integers]:
    """Return the numbers of dimensions and of their values in rows of contributions; each of shape (row,)."""
    dimension, value = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    taken = table.select(["dimension_name", "dimension_value"]).take(pa.array(rows))
    dimensions = taken["dimension_name"].combine_chunks().dictionary_encode()
    values = taken["dimension_value"].combine_chunks().dictionary_encode()
    dimension_names, dimension_codes = dimensions.dictionary.to_pylist(), indices(dimensions)
    for number in np.unique(detector):
        names = lake_names.names[number]
        own = detector == number
        for code in sorted(np.unique(dimension_codes[own]).tolist(), key=lambda code: str(dimension_names[code])):
            of_dimension = np.flatnonzero(own & (dimension_codes == code))
            dimension[of_dimension] = names.dimension(dimension_names[code])
            value[of_dimension] = names.values_of(dimension_names[code], values.take(pa.array(of_dimension)))
    return dimension, value
