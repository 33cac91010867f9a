"""Root causes of groups: from all metrics with a value, in the intervals that were judged."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from anomalake.alerts import Cause
from anomalake.groups.anomaly_group import without
from anomalake.groups.causes import with_causes
from anomalake.groups.grouping import group
from anomalake.groups.judged_series import JudgedArrays
from anomalake.records.groups import from_json, to_json
from tests.support.anomalies import ARN, cut, judged

COMBINATIONS = tuple(product(("AA", "B6", "DL", "EV", "UA"), ("EWR", "JFK", "LGA")))
EWR, JFK, LGA = (COMBINATIONS.index(("UA", origin)) for origin in ("EWR", "JFK", "LGA"))


def judged_flights(points):
    return judged(points, 3, names=("carrier", "origin"), combinations=COMBINATIONS)


def off(*rows, at=1, value=38.0, measure="revenue"):
    return {(measure, row, at): (value, 80.0) for row in rows}


def test_an_interval_of_a_group_names_its_cause():
    metrics, judgement = judged_flights(off(EWR, JFK, LGA))
    (found,) = with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))
    (cause,) = found.intervals[0].causes
    assert (cause.dimensions, cause.share_off, cause.explained) == ((("carrier", "UA"),), -0.62, 1.0)


def test_metrics_that_were_not_anomalous_count_too():
    """The cause is the carrier as a whole, though only one of its metrics was far enough off to be an anomaly."""
    metrics, judgement = judged_flights({**off(EWR), **{("revenue", row, 1): (38.0, 10.0) for row in (JFK, LGA)}})
    (found,) = with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))
    assert len(found.intervals[0].affected) == 1
    assert [cause.dimensions for cause in found.intervals[0].causes] == [(("carrier", "UA"),)]


def test_each_measure_and_interval_has_causes_of_its_own():
    metrics, judgement = judged_flights({**off(EWR, at=0), **off(JFK, at=1), **off(EWR, at=2, measure="views")})
    groups = with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))
    causes = {
        (found.measure, number, cause.dimensions)
        for found in groups
        for number, interval in enumerate(found.intervals)
        for cause in interval.causes
    }
    assert causes == {
        ("revenue", 0, (("carrier", "UA"), ("origin", "EWR"))),
        ("revenue", 0, (("carrier", "UA"), ("origin", "JFK"))),
        ("views", 0, (("carrier", "UA"), ("origin", "EWR"))),
    }


def test_only_wanted_intervals_get_causes():
    metrics, judgement = judged_flights({**off(EWR, at=0), **off(EWR, at=1)})
    (found,) = with_causes(
        group(metrics, judgement, ARN),
        JudgedArrays(metrics, judgement),
        lambda group, interval: interval.timestamp > group.start,
    )
    assert [len(interval.causes) for interval in found.intervals] == [0, 1]


def test_a_span_in_parts_gives_the_causes_of_the_whole():
    metrics, judgement = judged_flights({**off(EWR, at=0), **off(EWR, JFK, at=2)})
    whole = with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))
    groups = ()
    for first in range(3):
        part = cut(metrics, judgement, first, first + 1)
        groups = with_causes(group(*part, ARN, groups), JudgedArrays(*part)) or groups
    assert to_json(groups[0]) == to_json(whole[0])


def test_new_metrics_and_missing_values_are_no_leaves():
    metrics, judgement = judged_flights(off(EWR, JFK, LGA))
    metrics.values[0, 0, 1] = np.nan
    judgement.expected[1] = np.nan
    judgement.lower[2] = -np.inf
    (found,) = with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))
    assert [cause.dimensions for cause in found.intervals[0].causes] == [(("carrier", "UA"),)]


def test_a_measure_without_dimensions_is_off_as_a_whole():
    metrics, judgement = judged({("revenue", 0, 1): (38.0, 80.0)}, 3, names=(), combinations=((),))
    (found,) = with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))
    assert [cause.dimensions for cause in found.intervals[0].causes] == [()]


def test_causes_survive_in_the_record_of_a_group():
    metrics, judgement = judged_flights(off(EWR))
    (found,) = group(metrics, judgement, ARN)
    causes = (Cause((("carrier", "UA"), ("origin", "007")), -0.62, 0.71, 31.5), Cause((), None, 0.0, 1.25))
    found = replace(found, intervals=(replace(found.intervals[0], causes=causes),))
    assert from_json(to_json(found)) == found


def test_a_record_of_an_earlier_version_has_no_causes():
    metrics, judgement = judged_flights(off(EWR))
    (found,) = group(metrics, judgement, ARN)
    assert b"Causes" not in to_json(found)
    assert from_json(to_json(found)).intervals[0].causes == ()


def test_a_snoozed_metric_leaves_the_causes():
    metrics, judgement = judged_flights(off(EWR, JFK))
    (found,) = with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))
    (interval,) = found.intervals
    rest = without(interval, [interval.affected[0].time_series_id])
    assert rest is not None
    assert rest.causes == interval.causes


@pytest.mark.parametrize("rows", [(EWR,), (EWR, JFK, LGA)])
def test_equal_points_give_equal_bytes(rows):
    metrics, judgement = judged_flights(off(*rows))
    first, second = (with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))[0] for _ in range(2))
    assert to_json(first) == to_json(second)
