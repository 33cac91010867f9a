"""Properties of groups and alerts for any points."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.alerts import AlertDocument, read_alert
from anomalake.groups.anomaly_group import Group, GroupInterval, open_groups
from anomalake.groups.contributions import contributions
from anomalake.groups.grouping import group
from anomalake.groups.score import group_score
from anomalake.notify.alert_json import alert_body, alert_text, zoned_text
from anomalake.notify.channel import ChannelError
from anomalake.notify.delivery import RetryPolicy, deliver_groups
from anomalake.notify.plain import gsm_length
from anomalake.notify.rules import has_grown
from anomalake.notify.texts import long_text, short_text, subject
from anomalake.records.deliveries import DELIVERED, UNDELIVERED, Ledger, SentAlert
from anomalake.records.groups import from_json, to_json
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from tests.support.anomalies import (
    ARN,
    START,
    RecordingChannel,
    cut,
    detector,
    group_of,
    interval,
    judged,
    metric,
    rule,
    scored,
)
from tests.support.stores import FlakyStore, Killed, KillingStore

INTERVALS = 9
POINTS = st.dictionaries(
    st.tuples(st.sampled_from(["revenue", "views"]), st.integers(0, 3), st.integers(0, INTERVALS - 1)),
    st.tuples(st.floats(-1e6, 1e6), st.floats(50, 99.999)),
    max_size=25,
)
VALUES = st.text(max_size=40)
AMOUNTS = st.floats(0, 1e12) | st.sampled_from([0.0, 1.0, 1e-300])


@given(POINTS, st.sets(st.integers(1, INTERVALS - 1)), st.booleans())
def test_a_span_has_the_same_groups_in_any_parts(points: dict, cuts: set[int], by_record: bool) -> None:  # type: ignore[type-arg]
    metrics, judgement = judged(points, INTERVALS)
    bounds = [0, *sorted(cuts), INTERVALS]
    known: dict[str, Group] = {}
    for first, stop in pairwise(bounds):
        start = START + first * timedelta(hours=1)
        open_before = open_groups(known.values(), "PT1H", start)
        if by_record:
            open_before = tuple(from_json(to_json(item)) for item in open_before)
        for item in group(*cut(metrics, judgement, first, stop), ARN, open_before):
            known[item.group_id] = item
    all_groups = group(metrics, judgement, ARN)
    assert sorted(known.values(), key=lambda item: (item.start, item.measure)) == list(all_groups)
    assert [item.related for item in all_groups] == [known[item.group_id].related for item in all_groups]


@given(POINTS)
def test_every_anomalous_point_and_no_other_is_in_exactly_one_group(points: dict) -> None:  # type: ignore[type-arg]
    metrics, judgement = judged(points, INTERVALS)
    groups = group(metrics, judgement, ARN)
    points_of_groups = [
        (item.measure, metric.dimensions, i.timestamp)
        for item in groups
        for i in item.intervals
        for metric in i.affected
    ]
    expected = {(m, metrics.dimensions(k), START + t * timedelta(hours=1)) for m, k, t in points}
    assert len(points_of_groups) == len(set(points_of_groups))
    assert set(points_of_groups) == expected
    assert len({item.group_id for item in groups}) == len(groups)


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from("abc"), VALUES), AMOUNTS), min_size=1, max_size=150))
def test_contributions_add_up_to_a_hundred_for_each_dimension(affected: list[tuple[dict[str, str], float]]) -> None:
    shares = contributions([(tuple(dimensions.items()), amount) for dimensions, amount in affected])
    sums: dict[str, int] = defaultdict(int)
    for share in shares:
        assert 0 <= share.value_contribution <= 100
        sums[share.dimension_name] += share.value_contribution
    assert set(sums) == {name for dimensions, _ in affected for name in dimensions}
    assert set(sums.values()) <= {100}
    assert shares == contributions([(tuple(dimensions.items()), amount) for dimensions, amount in reversed(affected)])


@given(st.floats(50, 99.9999), st.integers(1, 10**6), st.integers(0, 10**6), AMOUNTS, AMOUNTS)
def test_a_score_is_between_its_worst_severity_and_a_hundred_and_rises_with_each_part(
    worst: float, affected: int, others: int, impact: float, expected: float
) -> None:
    score = group_score(worst, affected, affected + others, impact, expected)
    assert worst - 1e-9 <= score < 100
    assert group_score((worst + 100) / 2, affected, affected + others, impact, expected) >= score
    # One more metric of a million adds less evidence than a float near 100 can hold.
    assert group_score(worst, affected + 1, affected + others + 1, impact, expected) >= score - 4 * math.ulp(score)
    assert group_score(worst, affected, affected + others, 2 * impact, expected) >= score - 1e-9


ANYTHING = st.builds(
    lambda value, severity, names: metric(value, 100.0, severity, **names),
    st.floats(-1e15, 1e15),
    st.floats(50, 99.99999),
    st.dictionaries(st.sampled_from(["marketplace", "device type", "="]), VALUES),
)
ZONES = st.sampled_from(["UTC", "Europe/Paris", "America/Los_Angeles", "Atlantic/St_Helena", "Asia/Kathmandu"])


@given(st.lists(ANYTHING, min_size=1, max_size=8), ZONES, st.integers(0, 10**6), st.text(max_size=50))
def test_ingest_reads_every_alert(affected: list, zone: str, minutes: int, description: str) -> None:  # type: ignore[type-arg]
    at = START + timedelta(minutes=5 * minutes)
    group_interval = interval(affected)
    group_interval = GroupInterval(
        at,
        group_interval.score,
        group_interval.affected,
        group_interval.contributions,
        group_interval.impact,
        21,
        2100.0,
    )
    anomaly_group = group_of(group_interval)
    body = alert_body(anomaly_group, group_interval, rule(description=description), detector(zone))
    alert = read_alert(AlertDocument(alert_text(body, 10**6), "x"))
    assert alert.timestamp.utc == at.replace(tzinfo=None)
    assert alert.timestamp.local == at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert alert.anomaly_group_id == anomaly_group.group_id
    assert alert.metric_name == "revenue"
    assert 50 <= alert.anomaly_score < 100
    assert list(alert.time_series[0].dimensions) == list(group_interval.affected[0].dimensions)
    assert alert.contributions == group_interval.contributions
    for affected_metric, series in zip(group_interval.affected, alert.time_series, strict=True):
        assert series.metric_value is not None
        assert float(series.metric_value) == pytest.approx(float(f"{affected_metric.value:.15g}"), rel=0, abs=1e-20)


@given(st.lists(ANYTHING, min_size=1, max_size=8), ZONES, st.text(min_size=1, max_size=80))
def test_texts_are_well_formed_for_any_value(affected: list, zone: str, measure: str) -> None:  # type: ignore[type-arg]
    anomaly_group = group_of(interval(affected), measure=measure)
    group_interval = anomaly_group.intervals[0]
    lines = long_text(anomaly_group, group_interval, rule(), detector(zone)).splitlines()
    plain = group_of(interval([metric(100.5)] * len(affected)), measure="revenue")
    fixed = len(long_text(plain, plain.intervals[0], rule(), detector(zone)).splitlines())
    names = {share.dimension_name for share in group_interval.contributions}
    assert len(lines) == fixed + (len(names) + 2 if names else 0)
    short = short_text(anomaly_group, group_interval, detector(zone))
    assert gsm_length(short) <= 160
    assert short.isprintable()
    line = subject(anomaly_group, group_interval, detector(zone))
    assert len(line) < 100
    assert line.isascii()
    assert line.isprintable()


SCORES = st.lists(st.tuples(st.floats(50, 99.9), st.integers(1, 40), st.floats(0, 1e4)), min_size=1, max_size=8)


def lasting(scores: list[tuple[float, int, float]]) -> Group:
    return group_of(*(scored(score, at, impact, n) for at, (score, n, impact) in enumerate(scores)))


def runs(
    anomaly_group: Group, times: list[int], store: ObjectStore, channel: RecordingChannel, patience: RetryPolicy
) -> list[str]:
    """Deliver each of these intervals, with the group as it is at that time."""
    statuses = []
    for number, at in enumerate(times):
        start = anomaly_group.intervals[at].timestamp
        known = anomaly_group.until(start + timedelta(minutes=1))
        assert known is not None
        deliveries = deliver_groups(
            [known], rule(), detector(), channel, Ledger(store, "d"), run=str(number), since=start, patience=patience
        )
        statuses += [delivery.status for delivery in deliveries]
    return statuses


SWIFT = RetryPolicy(pauses=(1.0,) * 30, sleep=lambda _: None, now=lambda: START)


@given(SCORES, st.data())
def test_each_growth_is_alerted_once_for_any_number_of_runs(
    scores: list[tuple[float, int, float]], data: st.DataObject
) -> None:
    anomaly_group = lasting(scores)
    again = data.draw(st.lists(st.integers(0, len(scores) - 1), max_size=6))
    store, channel = memory_store(), RecordingChannel()
    runs(anomaly_group, [*range(len(scores)), *again], store, channel, SWIFT)
    expected: list[SentAlert] = []
    for group_interval in anomaly_group.intervals:
        if has_grown(group_interval, expected):
            expected.append(SentAlert.of(group_interval))
    assert len(channel.messages) == len(expected)
    stamps = [zoned_text(alert.timestamp, "UTC") for alert in expected]
    assert [stamp for stamp, message in zip(stamps, channel.messages, strict=True) if stamp not in message.text] == []


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.booleans(), st.integers(0, 4))
def test_a_failing_store_makes_no_alert_lost_or_sent_twice(seed: int, repeatable: bool, failures: int) -> None:
    anomaly_group = lasting([(60.0, 1, 10.0), (75.0, 1, 10.0), (76.0, 1, 10.0)])
    failing: list[ChannelError | None] = [ChannelError("busy", retryable=True)] * failures
    channel = RecordingChannel(*failing, repeatable=repeatable)
    statuses = runs(anomaly_group, [0, 1, 2, 0, 1, 2], FlakyStore(memory_store(), seed), channel, SWIFT)
    assert statuses.count(DELIVERED) == 2
    assert statuses.count(UNDELIVERED) == 0
    assert len(channel.messages) == len(set(channel.messages)) == 2


@given(st.integers(0, 8), st.booleans(), st.booleans())
def test_after_a_killed_run_the_same_bytes_or_nothing_is_sent(at: int, after: bool, repeatable: bool) -> None:
    anomaly_group = lasting([(60.0, 1, 10.0)])
    store, channel = memory_store(), RecordingChannel(repeatable=repeatable)
    try:
        first = runs(anomaly_group, [0], KillingStore(store, at, after), channel, SWIFT)
    except Killed:
        first = []
    sent_first = len(channel.messages)
    # Late data have arrived in between: the announced message is sent.
    late = lasting([(66.0, 3, 20.0)])
    second = runs(late, [0, 0], store, channel, SWIFT)
    assert len(set(channel.messages)) <= 1
    if repeatable:
        assert len(channel.messages) in (1, 2)
    else:
        assert len(channel.messages) <= 1
        assert len(channel.messages) == 1 or UNDELIVERED in second
    # Counted once, unless the process died after it had recorded the result.
    settled = [status for status in (*first, *second) if status in (DELIVERED, UNDELIVERED)]
    assert len(settled) <= 1
    assert settled or sent_first == 1
