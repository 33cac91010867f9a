"""Detectors, judged points and groups made for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from anomalake.definitions.detector import AlertRule, Detector
from anomalake.definitions.metric_set import Measure, MetricSet
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval, group_id, interval_of
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Metrics, time_series_id
from anomalake.notify.channel import ChannelError, Message

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
START = datetime(2022, 1, 15, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXPECTED = 100.0

#: Value and severity of a point, by measure, index of the combination, and index of the interval.
Points = Mapping[tuple[str, int, int], tuple[float, float]]


def detector(timezone: str = "UTC", frequency: str = "PT1H", name: str = "shop") -> Detector:
    arn = ARN.replace(":shop", f":{name}")
    metric_set = MetricSet(
        arn, "timestamp", (Measure("revenue"), Measure("views")), historical_data_path_list=("data",)
    )
    return Detector(name, "", arn, frequency, timezone, metric_set)


def rule(**changes: Any) -> AlertRule:
    made = AlertRule("watch", "arn:aws:lookoutmetrics:us-east-1:000000000000:Alert:watch", threshold=50.0)
    return replace(made, **changes)


def judged(
    points: Points,
    n_intervals: int,
    *,
    measures: Sequence[str] = ("revenue", "views"),
    names: Sequence[str] = ("marketplace", "platform"),
    combinations: Sequence[tuple[str | None, ...]] = (("de", "app"), ("de", "web"), ("us", "app"), ("us", "web")),
    start: datetime = START,
    frequency: str = "PT1H",
    step: timedelta = HOUR,
    expected: float = EXPECTED,
) -> tuple[Metrics, Judgement]:
    """Metrics that all are as expected but for some points."""
    starts = np.datetime64(start.replace(tzinfo=None), "s") + np.arange(n_intervals) * np.timedelta64(step)
    shape = (len(measures), len(combinations), n_intervals)
    values, severity = np.full(shape, expected), np.zeros(shape)
    for (measure, k, t), (value, severe) in points.items():
        values[measures.index(measure), k, t] = value
        severity[measures.index(measure), k, t] = severe
    metrics = Metrics(
        frequency, "UTC", starts.astype("datetime64[s]"), tuple(measures), tuple(names), tuple(combinations), values
    )
    wanted = np.full((metrics.n_metrics, n_intervals), expected)
    flat = severity.reshape(metrics.n_metrics, n_intervals)
    return metrics, Judgement(0, wanted, wanted - 10, wanted + 10, flat, flat >= ANOMALOUS)


def cut(metrics: Metrics, judgement: Judgement, first: int, stop: int) -> tuple[Metrics, Judgement]:
    """Some intervals alone, as a run for them sees them."""
    span = slice(first, stop)
    some = replace(metrics, starts=metrics.starts[span], values=metrics.values[:, :, span])
    arrays = {
        name: getattr(judgement, name)[:, span] for name in ("expected", "lower", "upper", "severity", "is_anomaly")
    }
    return some, Judgement(first=0, **arrays)


def metric(
    value: float = 50.0,
    expected: float = EXPECTED,
    severity: float = 60.0,
    measure: str = "revenue",
    **dimensions: str,
) -> AffectedMetric:
    pairs = tuple(dimensions.items())
    return AffectedMetric(
        time_series_id(ARN, measure, pairs), pairs, value, expected, expected - 10, expected + 10, severity
    )


def interval(
    affected: Iterable[AffectedMetric] = (), at: int = 0, observed: int = 21, expected_total: float = 2_100.0
) -> GroupInterval:
    """An interval, `at` hours after START."""
    return interval_of(START + at * HOUR, tuple(affected) or (metric(),), observed, expected_total)


def scored(score: float, at: int = 0, impact: float = 50.0, n: int = 1) -> GroupInterval:
    """An interval of which only the score, the impact and the number of metrics matter."""
    made = interval([metric(marketplace=f"m{i}") for i in range(n)], at)
    return replace(made, score=score, impact=impact)


def group_of(*intervals: GroupInterval, measure: str = "revenue") -> Group:
    return Group(group_id(ARN, measure, intervals[0].timestamp), ARN, measure, intervals)


class RecordingChannel:
    """A channel that records its messages, and fails with the given errors first."""

    name = "a channel"
    stores = False

    def __init__(
        self, *failures: ChannelError | None, format_: str = "JSON", repeatable: bool = False, most_bytes: int = 250_000
    ) -> None:
        self.failures = list(failures)
        self.format = format_
        self.repeatable = repeatable
        self.most_bytes = most_bytes
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or failure.uncertain:
            self.messages.append(message)
        if failure is not None:
            raise failure
