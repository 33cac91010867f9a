"""Group intervals of records and of alerts are merged, cut and counted; names are numbered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from anomalake.alerts import Cause
from anomalake.groups.anomaly_group import Group, GroupInterval
from anomalake.page.anomalies import (
    AnomalyTable,
    LakeNames,
    counted,
    document_columns,
    from_groups,
    merged,
    most_severe,
)
from anomalake.page.limits import Limits
from anomalake.page.numbering import DetectorNames
from tests.support.anomalies import ARN, START, interval, metric

ARNS = (ARN, ARN.replace("us-east-1", "eu-west-1"), ARN.replace(":shop", ":other"))
#: Detector, group, measure, hour.
Key = tuple[int, str, str, int]

groups_ = st.sampled_from(["g1", "g2", "g3"])
keys = st.tuples(st.integers(0, 2), groups_, st.sampled_from(["revenue", "views"]), st.integers(0, 5))
tables = st.dictionaries(keys, st.tuples(st.integers(0, 1000), st.integers(1, 3)), max_size=14)


def interval_with(hour: int, score: int, metrics: int) -> GroupInterval:
    """Return an interval with so many affected metrics."""
    affected = [metric(value=float(score), marketplace=f"m{k}") for k in range(metrics)]
    return replace(interval(affected, hour), score=score / 10)


def table_of(given_intervals: dict[Key, tuple[int, int]], lake_names: LakeNames, *, alerted: bool) -> AnomalyTable:
    """GroupIntervals as from records or from alerts."""
    groups: dict[tuple[int, str, str], list[GroupInterval]] = {}
    for (detector, group, measure, hour), (score, metrics) in sorted(given_intervals.items()):
        groups.setdefault((detector, group, measure), []).append(interval_with(hour, score, metrics))
    table = from_groups(
        (Group(group, ARNS[detector], measure, tuple(parts)) for (detector, group, measure), parts in groups.items()),
        lake_names,
    )
    return replace(table, alerted=np.full(len(table), alerted))


def intervals_in(table: AnomalyTable, lake_names: LakeNames) -> dict[Key, tuple[int, int, bool]]:
    """Return score, metrics and presence of an alert; check that each interval is listed once with its rows."""
    intervals: dict[Key, tuple[int, int, bool]] = {}
    for at in range(len(table)):
        names = lake_names.names[table.detector[at]]
        hour = int(table.time[at] - START.timestamp()) // 3600
        key = (ARNS.index(names.arn), table.ids[table.group[at]], list(names.measures)[table.measure[at]], hour)
        assert key not in intervals
        values = table.a_value[table.a_interval == at]
        assert len(values) == table.metrics[at]
        assert set(values) == {table.score[at] * 10}
        assert int(table.c_share[table.c_interval == at].sum()) == 100
        intervals[key] = (round(table.score[at] * 10), int(table.metrics[at]), bool(table.alerted[at]))
    return intervals


@given(tables, tables)
def test_a_group_interval_is_listed_once_and_its_record_precedes_its_alert(
    records: dict[Key, tuple[int, int]], alerts: dict[Key, tuple[int, int]]
) -> None:
    lake_names = LakeNames()
    recorded = table_of(records, lake_names, alerted=False)
    alerted = table_of(alerts, lake_names, alerted=True)
    expected = {key: (*value, key in alerts) for key, value in {**alerts, **records}.items()}
    assert intervals_in(merged(recorded, alerted), lake_names) == expected


@given(tables, st.integers(0, 15), st.integers(0, 20), st.integers(0, 20))
def test_the_most_severe_intervals_are_listed_and_all_others_counted(
    given_intervals: dict[Key, tuple[int, int]], n_intervals: int, n_affected: int, n_shares: int
) -> None:
    lake_names = LakeNames()
    table = table_of(given_intervals, lake_names, alerted=False)
    listed, rest = most_severe(table, Limits(group_intervals=n_intervals, affected=n_affected, contributions=n_shares))
    assert len(listed) == min(n_intervals, len(given_intervals))
    assert len(listed) + sum(counted(rest).values()) == len(given_intervals)
    if len(listed) and len(rest):
        assert listed.score.min() >= rest.score.max()
    assert len(listed.a_interval) == min(n_affected, int(listed.metrics.sum()))
    # Rows are left out of the less severe intervals first.
    complete = np.bincount(listed.a_interval, minlength=len(listed)) == listed.metrics
    if (~complete).any():
        assert listed.score[~complete].max() <= listed.score[complete].min(initial=1000)
    for (_, _, day, score), number in counted(rest).items():
        assert day % 86_400 == score % 10 == 0
        assert 0 <= score <= 90
        assert number > 0


@given(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from(["1", "2", None])), max_size=12))
def test_combinations_have_equal_numbers_from_columns_and_from_pairs(rows: list[tuple[str | None, str | None]]) -> None:
    names = DetectorNames(ARN, dimensions=("a", "b"))
    columns = {
        name: names.values_of(name, pa.array([row[at] for row in rows], pa.string())) for at, name in enumerate("ab")
    }
    numbers = names.combinations_of(columns, len(rows))
    for number, row in zip(numbers.tolist(), rows, strict=True):
        pairs = [(name, value) for name, value in zip("ab", row, strict=True) if value is not None]
        assert names.combination(reversed(pairs)) == number
        # A combination lacks a dimension that is numbered after it.
        names.dimension("later")
        assert names.combination(pairs) == number
    assert names.combinations().shape == (len(set(rows)), len(names.dimensions))


def test_numbers_do_not_depend_on_the_order_of_rows() -> None:
    first, second = DetectorNames(ARN), DetectorNames(ARN)
    rows = ["b", "a", None, "c"]
    first.values_of("d", pa.array(rows))
    second.values_of("d", pa.array(rows[::-1]).dictionary_encode())
    assert first.values() == second.values() == (("d", ("a", "b", "c")),)


def test_a_group_has_the_causes_of_its_worst_interval() -> None:
    causes = tuple(Cause((("carrier", name),), -0.5, 0.25, 9.0) for name in ("a\u202eb", "B6", "DL", "UA"))
    first, worst, last = (interval_with(hour, score, 1) for hour, score in ((0, 60), (1, 80), (2, 90)))
    intervals = (replace(first, causes=causes[1:2]), replace(worst, causes=causes), last)
    known = Group("group", ARN, "revenue", intervals)
    lake_names = LakeNames()
    table = from_groups([known, replace(known, group_id="other", intervals=(last,))], lake_names)
    groups, *_ = document_columns(table, {(0, "group"): known})
    told = dict(zip(groups.id, groups.causes, strict=True))
    assert told["other"] == ()
    assert told["group"] == (
        "carrier a\\u202eb: 50 % fewer than expected; explains 25 %",
        "carrier B6: 50 % fewer than expected; explains 25 %",
        "carrier DL: 50 % fewer than expected; explains 25 %",
    )
