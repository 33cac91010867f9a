"""Alerts and groups' records become one list of moments, whatever there is of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from anomalake.groups.anomaly_group import Group, GroupInterval
from anomalake.page.anomalies import AnomalyTable, LakeNames, counted, from_groups, merged, most_severe, within, without
from anomalake.page.limits import Limits
from anomalake.page.numbering import DetectorNames
from tests.support.anomalies import ARN, START, interval, metric

ARNS = (ARN, ARN.replace("us-east-1", "eu-west-1"), ARN.replace(":shop", ":other"))
#: Detector, group, measure, hour.
Key = tuple[int, str, str, int]

groups_ = st.sampled_from(["g1", "g2", "g3"])
keys = st.tuples(st.integers(0, 2), groups_, st.sampled_from(["revenue", "views"]), st.integers(0, 5))
moments = st.dictionaries(keys, st.tuples(st.integers(0, 1000), st.integers(1, 3)), max_size=14)


def intervals(hour: int, score: int, metrics: int) -> GroupInterval:
    """An interval with so many affected metrics."""
    affected = [metric(value=float(score), marketplace=f"m{k}") for k in range(metrics)]
    return replace(interval(affected, hour), score=score / 10)


def found_of(said: dict[Key, tuple[int, int]], lake_names: LakeNames, *, alerted: bool) -> AnomalyTable:
    """GroupIntervals as though records, or alerts, had told of them."""
    groups: dict[tuple[int, str, str], list[GroupInterval]] = {}
    for (detector, group, measure, hour), (score, metrics) in sorted(said.items()):
        groups.setdefault((detector, group, measure), []).append(intervals(hour, score, metrics))
    made = from_groups(
        (Group(group, ARNS[detector], measure, tuple(some)) for (detector, group, measure), some in groups.items()),
        lake_names,
    )
    return replace(made, alerted=np.full(len(made), alerted))


def said_in(found: AnomalyTable, lake_names: LakeNames) -> dict[Key, tuple[int, int, bool]]:
    """Scores, numbers of metrics and whether there was an alert; each moment once, with its own metrics and shares."""
    made: dict[Key, tuple[int, int, bool]] = {}
    for at in range(len(found)):
        names = lake_names.names[found.detector[at]]
        hour = int(found.time[at] - START.timestamp()) // 3600
        key = (ARNS.index(names.arn), found.ids[found.group[at]], list(names.measures)[found.measure[at]], hour)
        assert key not in made
        values = found.a_value[found.a_interval == at]
        assert len(values) == found.metrics[at]
        assert set(values) == {found.score[at] * 10}
        assert int(found.c_share[found.c_interval == at].sum()) == 100
        made[key] = (round(found.score[at] * 10), int(found.metrics[at]), bool(found.alerted[at]))
    return made


@given(moments, moments)
def test_a_moment_is_listed_once_and_its_record_goes_before_its_alert(
    records: dict[Key, tuple[int, int]], alerts: dict[Key, tuple[int, int]]
) -> None:
    lake_names = LakeNames()
    one, two = found_of(records, lake_names, alerted=False), found_of(alerts, lake_names, alerted=True)
    expected = {key: (*value, key in alerts) for key, value in {**alerts, **records}.items()}
    assert said_in(merged(one, two), lake_names) == expected
    assert said_in(without(one, two), lake_names).keys() == records.keys() - alerts.keys()
    assert said_in(within(one, two), lake_names).keys() == records.keys() & alerts.keys()


@given(moments, st.integers(0, 15), st.integers(0, 20), st.integers(0, 20))
def test_the_most_severe_are_listed_and_all_others_counted(
    said: dict[Key, tuple[int, int]], n_moments: int, n_affected: int, n_shares: int
) -> None:
    lake_names = LakeNames()
    found = found_of(said, lake_names, alerted=False)
    listed, rest = most_severe(found, Limits(group_intervals=n_moments, affected=n_affected, contributions=n_shares))
    assert len(listed) == min(n_moments, len(said))
    assert len(listed) + sum(counted(rest).values()) == len(said)
    if len(listed) and len(rest):
        assert listed.score.min() >= rest.score.max()
    assert len(listed.a_interval) == min(n_affected, int(listed.metrics.sum()))
    # What is there of the less severe was not taken from the more severe.
    whole = np.bincount(listed.a_interval, minlength=len(listed)) == listed.metrics
    if (~whole).any():
        assert listed.score[~whole].max() <= listed.score[whole].min(initial=1000)
    for (_, _, day, score), number in counted(rest).items():
        assert day % 86_400 == score % 10 == 0
        assert 0 <= score <= 90
        assert number > 0


@given(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from(["1", "2", None])), max_size=12))
def test_metrics_are_numbered_alike_by_columns_by_pairs_and_by_lists(rows: list[tuple[str | None, str | None]]) -> None:
    names = DetectorNames(ARN, dimensions=("a", "b"))
    columns = {
        name: names.values_of(name, pa.array([row[at] for row in rows], pa.string())) for at, name in enumerate("ab")
    }
    numbers = names.combinations_of(columns, len(rows))
    for number, row in zip(numbers.tolist(), rows, strict=True):
        pairs = [(name, value) for name, value in zip("ab", row, strict=True) if value is not None]
        assert names.combination(reversed(pairs)) == number
        # A dimension that comes later is lacked by those before.
        names.dimension("later")
        assert names.combination(pairs) == number
    assert names.combinations().shape == (len(set(rows)), len(names.dimensions))


def test_numbers_do_not_depend_on_the_order_of_rows() -> None:
    one, two = DetectorNames(ARN), DetectorNames(ARN)
    rows = ["b", "a", None, "c"]
    one.values_of("d", pa.array(rows))
    two.values_of("d", pa.array(rows[::-1]).dictionary_encode())
    assert one.values() == two.values() == (("d", ("a", "b", "c")),)
