"""Group intervals out of the answers to the page's queries about alerts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from anomalake.page.anomalies import DetectorNumbers, FoundGroups
from anomalake.page.columns import codes, floats, indices, seconds, sorted_codes, unique_rows, whole
from anomalake.page.document import Integers
from anomalake.page.limits import Limits
from anomalake.page.names import largest
from anomalake.query import templates

#: Answers a query in Athena's dialect.
Ask = Callable[[str], pa.Table]

# Limits as page_most_severe.sql has them, and what it calls a group interval's rank.
_MOST_INTERVALS, _ROWS = "100000", "1000000"
_PLACE = "place"
_SAFE_ID = re.compile(r"[A-Za-z0-9_:/.-]{1,200}")


@dataclass(frozen=True, slots=True)
class Alerted:
    """A detector's alerts: how many, from when to when (epoch seconds), in which zone, how many with several bodies."""

    alerts: int
    first: int
    last: int
    timezone: str | None
    clashes: int


def limited(limits: Limits) -> str:
    """The query for the most severe group intervals."""
    query = templates.template("page_most_severe")
    wanted = {_MOST_INTERVALS: limits.group_intervals, _ROWS: max(limits.affected, limits.contributions)}
    for literal in list(query.find_all(exp.Literal)):
        if not literal.is_string and literal.this in wanted:
            literal.set("this", str(wanted[literal.this]))
    return query.sql(templates.DIALECT)


def of_groups(ids: Sequence[str], limits: Limits) -> str:
    """The query for group intervals of some groups that are beyond the most severe ones; odd ids are passed over."""
    query = templates.template("page_most_severe")
    safe = [exp.Literal.string(one) for one in ids if _SAFE_ID.fullmatch(one)] or [exp.Literal.string("")]
    beyond = exp.column(_PLACE, "n") > limits.group_intervals
    first = exp.column("i", "s").eq(1)
    ranked = next(one for one in query.find_all(exp.Select) if one.args.get("where") and one.find(exp.Unnest))
    ranked.where(exp.and_(beyond, first, exp.column("group_id", "n").isin(*safe)), append=False, copy=False)
    return query.sql(templates.DIALECT)


def from_alerts(table: pa.Table, detector_numbers: DetectorNumbers) -> tuple[FoundGroups, dict[str, Alerted]]:
    """Read group intervals and the alerts of each detector from the answer to page_anomalies or page_most_severe.

    Of several bodies of an alert the one with the lowest digest counts. Of several alerts about one group interval the
    one with most metrics counts, then the most severe one.
    """
    i = whole(table["i"])
    alert = unique_rows(codes(table["detector"]), codes(table["alert_id"]))[1]
    digest = sorted_codes(table["digest"])
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
    time, score, metrics = seconds(some["timestamp"]), floats(some["anomaly_score"]), whole(table["metrics"])
    arns = some["detector_arn"].combine_chunks().dictionary_encode()
    numbered = {arn: detector_numbers.number(arn) for arn in sorted(arns.dictionary.to_pylist())}
    detector = np.array([numbered[arn] for arn in arns.dictionary.to_pylist()], np.int64)[indices(arns)]
    ids = some["group_id"].combine_chunks().dictionary_encode()
    group = indices(ids)
    measure = np.empty(len(heads), np.int64)
    for one in np.unique(detector):
        at = np.flatnonzero(detector == one)
        measure[at] = detector_numbers.names[one].measures_of(some["metric_name"].take(pa.array(at)))
    alerts = _alerted(detector, time, some["timezone"], alert[heads], alert[bodies], detector_numbers)
    group_interval = unique_rows(detector, group, measure, time)[1]
    best = np.lexsort((sorted_codes(some["alert_id"]), -score, -metrics[heads], group_interval))
    kept = np.sort(best[np.searchsorted(group_interval[best], np.unique(group_interval))])
    row_of = np.full(largest(alert) + 1, -1, np.int64)
    row_of[alert[heads[kept]]] = np.arange(len(kept))
    rows = shown_rows[row_of[alert[shown_rows]] >= 0]
    a_rows, c_rows = rows[i[rows] <= metrics[rows]], rows[i[rows] <= whole(table["shares"])[rows]]
    a_interval, c_interval = row_of[alert[a_rows]], row_of[alert[c_rows]]
    nothing = np.full(len(a_rows), np.nan)
    detector = detector[kept]
    c_dimension, c_value = _shares(table, c_rows, detector[c_interval], detector_numbers)
    found = FoundGroups(
        ids=tuple(ids.dictionary.to_pylist()),
        detector=detector,
        group=group[kept],
        measure=measure[kept],
        time=time[kept],
        score=score[kept],
        metrics=metrics[heads[kept]],
        alerted=np.ones(len(kept), bool),
        a_interval=a_interval,
        a_combination=_combinations(table["dimensions"], a_rows, detector[a_interval], detector_numbers),
        a_value=floats(table["metric_value"].take(pa.array(a_rows))),
        a_expected=nothing,
        a_lower=nothing,
        a_upper=nothing,
        c_interval=c_interval,
        c_dimension=c_dimension,
        c_value=c_value,
        c_share=whole(table["value_contribution"].take(pa.array(c_rows))),
    )
    return found, alerts


def _alerted(
    detector: Integers,
    time: Integers,
    zones: pa.ChunkedArray,
    alert: Integers,
    bodies: Integers,
    detector_numbers: DetectorNumbers,
) -> dict[str, Alerted]:
    """Alerts of each detector, from those that are shown and from all bodies."""
    zone = zones.combine_chunks().dictionary_encode()
    zone_codes = sorted_codes(zones)
    several = np.bincount(bodies)[alert] > 1 if len(alert) else np.empty(0, bool)
    found: dict[str, Alerted] = {}
    for one in np.unique(detector).tolist():
        mine = np.flatnonzero(detector == one)
        last_zone = zone.dictionary[indices(zone)[mine[np.argmax(zone_codes[mine])]]].as_py()
        first, last = int(np.min(time[mine])), int(np.max(time[mine]))
        clashes = int(np.count_nonzero(several[mine]))
        found[detector_numbers.names[one].arn] = Alerted(len(mine), first, last, last_zone, clashes)
    return found


def counts_in(table: pa.Table, detector_numbers: DetectorNumbers) -> dict[tuple[int, int, int, int], int]:
    """Group intervals by detector, measure, day and class of score, out of the answer to page_counts.sql."""
    found: dict[tuple[int, int, int, int], int] = {}
    for row in table.to_pylist():
        names = detector_numbers.of(row["detector_arn"])
        day = int(np.datetime64(row["day"], "s").astype(np.int64))
        key = (detector_numbers.number(row["detector_arn"]), names.measure(row["metric_name"]), day, int(row["score"]))
        found[key] = found.get(key, 0) + int(row["group_intervals"])
    return found


def _combinations(
    column: pa.ChunkedArray, rows: Integers, detector: Integers, detector_numbers: DetectorNumbers
) -> Integers:
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
        names = detector_numbers.names[one]
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


def _shares(
    table: pa.Table, rows: Integers, detector: Integers, detector_numbers: DetectorNumbers
) -> tuple[Integers, Integers]:
    dimension, value = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    taken = table.select(["dimension_name", "dimension_value"]).take(pa.array(rows))
    named = taken["dimension_name"].combine_chunks().dictionary_encode()
    values = taken["dimension_value"].combine_chunks().dictionary_encode()
    names_, codes = named.dictionary.to_pylist(), named.indices.to_numpy(zero_copy_only=False)
    for one in np.unique(detector):
        names = detector_numbers.names[one]
        mine = detector == one
        for code in sorted(np.unique(codes[mine]).tolist(), key=lambda code: str(names_[code])):
            some = np.flatnonzero(mine & (codes == code))
            dimension[some] = names.dimension(names_[code])
            value[some] = names.values_of(names_[code], values.take(pa.array(some)))
    return dimension, value
