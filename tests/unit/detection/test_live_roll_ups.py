"""Live detection with roll-ups gives the groups that a judgement of the whole span gives."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from anomalake.detection.source import Interval
from anomalake.groups.causes import with_causes
from anomalake.groups.grouping import Group, group
from anomalake.groups.judged_series import JudgedArrays
from anomalake.model.metrics import Metrics
from anomalake.records.groups import group_ids, read_groups
from anomalake.records.intervals import metrics_of
from anomalake.sources.roll_ups import with_roll_ups
from tests.support.live import ARN, COUNTRIES, MONDAY, Bench, MemorySource, hour, usual

#: Nothing comes from the largest country for three hours; later a spike, with nothing from the smallest country.
UNUSUAL: dict[tuple[datetime, str], float | None] = {
    (hour(3), "uk"): None, (hour(4), "uk"): None, (hour(5), "uk"): None, (hour(4), "de"): 40.0,
    (hour(9), "fr"): 700.1, (hour(9), "de"): None,
}  # fmt: skip


class RolledUp(MemorySource):
    """Source data with roll-ups, as `sources.reading` reads them."""

    def interval(self, start: datetime) -> Interval:
        read = super().interval(start)
        return replace(read, metrics=with_roll_ups(read.metrics, [True])[0])

    def history(self, until: datetime) -> Metrics | None:
        read = super().history(until)
        return with_roll_ups(read, [True])[0] if read is not None else None


def new_bench(**changes: Any) -> Bench:
    bench = Bench(roll_ups=True, **changes)
    bench.source = RolledUp(bench.detector, bench.source.since, dict(UNUSUAL))
    return bench


def ran(hours: int = 12, **changes: Any) -> Bench:
    bench = new_bench(**changes)
    for number in range(hours):
        bench.run(hour(number))
    return bench


def groups_of(bench: Bench) -> tuple[Group, ...]:
    groups, problems = read_groups(bench.store, "shop", group_ids(bench.store, "shop"))
    assert problems == []
    return tuple(sorted(groups, key=lambda found: found.start))


def judged_at_once(bench: Bench, hours: int = 12) -> tuple[Group, ...]:
    history, span = bench.source.history(MONDAY), bench.source.history(hour(hours))
    assert history is not None
    assert span is not None
    fitted = bench.engine.fit(history, ())
    first = int(np.searchsorted(span.starts, np.datetime64(MONDAY.replace(tzinfo=None))))
    metrics = replace(span, starts=span.starts[first:], values=span.values[:, :, first:])
    judgement, _ = bench.engine.judge(fitted.model, fitted.state, metrics)
    return with_causes(group(metrics, judgement, ARN), JudgedArrays(metrics, judgement))


def test_groups_are_those_of_the_whole_span() -> None:
    bench = ran()
    groups = groups_of(bench)
    assert groups == judged_at_once(bench)
    assert [(found.start, len(found.intervals)) for found in groups] == [(hour(3), 3), (hour(9), 1)]


def test_an_outage_of_what_sends_nothing_is_seen_in_the_total() -> None:
    outage, spike = groups_of(ran())
    first, second, _ = outage.intervals
    assert [(one.dimensions, one.roll_up) for one in first.affected] == [((), True)]
    shares = {share.dimension_value: share.value_contribution for share in first.contributions}
    assert shares == {"uk": 100, "de": 0, "fr": 0}
    assert first.impact == pytest.approx(usual(hour(3), "uk"), rel=0.05)
    # A country with a smaller anomaly is a part of the total.
    assert [one.dimensions for one in second.affected] == [()]
    assert [one.dimensions for one in second.also_affected] == [(("country", "de"),)]
    (interval,) = spike.intervals
    assert [one.dimensions for one in interval.affected] == [(("country", "fr"),)]


def test_the_alert_has_each_anomaly_once() -> None:
    bench = ran()
    series = [json.loads(message.text)["impactedMetric"]["relevantTimeSeries"] for message in bench.channel.sent]
    assert [[one["dimensions"] for one in alert] for alert in series] == [
        [[]],
        [[{"dimensionName": "country", "dimensionValue": "fr"}]],
    ]


def test_intervals_are_stored_with_their_roll_ups() -> None:
    bench = ran(5)
    record = bench.live().intervals.read(hour(4))
    assert record is not None
    stored = metrics_of([record], np.array([np.datetime64(hour(4).replace(tzinfo=None), "s")]))
    assert stored is not None
    assert stored.roll_ups
    assert stored.combinations == ((None,), *((country,) for country in COUNTRIES))
    np.testing.assert_array_equal(stored.values[0, :, 0], [40 + usual(hour(4), "fr"), 40, usual(hour(4), "fr"), np.nan])


def test_a_run_that_is_repeated_changes_nothing() -> None:
    bench = ran()
    before = bench.content()
    for number in (3, 4, 9, 11):
        bench.run(hour(number))
    assert bench.content() == before


def test_without_the_setting_there_are_none() -> None:
    bench = Bench()
    bench.source.unusual.update(UNUSUAL)
    for number in range(6):
        bench.run(hour(number))
    affected = {one.dimensions for found in groups_of(bench) for part in found.intervals for one in part.affected}
    assert affected == {(("country", "de"),)}
    (key,) = [key for key in bench.content() if key.endswith(f"{hour(4):%Y%m%dT%H%M%SZ}.parquet")]
    assert b"roll_ups" not in bench.content()[key]
