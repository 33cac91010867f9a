"""A live detector with a source, a channel and a small model in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import numpy as np

from anomalake.definitions.detector import AlertRule, Detector
from anomalake.definitions.intervals import interval_starts, next_start
from anomalake.definitions.metric_set import Measure, MetricSet
from anomalake.detection.engine import FittedModel
from anomalake.detection.live import LiveDetector
from anomalake.detection.source import Interval, IntervalError
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Combination, Metrics
from anomalake.notify.channel import JSON, ChannelError, Message
from anomalake.notify.delivery import RetryPolicy
from anomalake.records.codecs import Arrays
from anomalake.services.detect import AlertNotifier
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
#: A Tuesday, six days before a new week.
START = datetime(2026, 3, 3, tzinfo=UTC)
#: The Monday on which the model of `START` is due.
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTRIES = ("de", "fr", "uk")


def hour(number: int) -> datetime:
    """Return the interval that begins `number` hours after `START`."""
    return START + number * HOUR


def detector(**changes: Any) -> Detector:
    """An hourly detector of one measure by country, with one alert."""
    fields: dict[str, Any] = {"frequency": "PT1H", "timezone": "UTC", "offset": 300, "metric_list": (Measure("views"),)}
    fields.update({name: changes.pop(name) for name in list(changes) if name in MetricSet.__dataclass_fields__})
    fields.setdefault("templated_path_list", ("live/{{yyyyMMdd}}/{{HHmm}}",))
    metric_set = MetricSet(ARN, "timestamp", dimension_list=("country",), **fields)
    rule = AlertRule("all", ARN.replace("AnomalyDetector:shop", "Alert:all"), threshold=50)
    settings = {"alerts": (rule,), **changes}
    return Detector("shop", "", ARN, metric_set.frequency, metric_set.timezone, metric_set, **settings)


@cache
def usual(start: datetime, country: str) -> float:
    """Return the value on any day: a daily seasonality, with another level for each country."""
    phase = 2 * np.pi * (start.hour * 60 + start.minute) / 1440
    return round(100.0 * (1 + COUNTRIES.index(country) if country in COUNTRIES else 5) + 10 * float(np.cos(phase)), 3)


@dataclass
class MemorySource:
    """Source data: the usual values, with exceptions.

    Attributes
    ----------
    since
        Begin of the data.
    unusual
        Other values, by interval and country; None where there is no row.
    faults
        Errors that reading an interval raises.
    countries
        The countries, each with the begin of its data.
    histories
        Number of times that a history was read.
    """

    of: Detector
    since: datetime
    unusual: dict[tuple[datetime, str], float | None] = field(default_factory=dict)
    faults: dict[datetime, Exception] = field(default_factory=dict)
    countries: dict[str, datetime] = field(
        default_factory=lambda: dict.fromkeys(COUNTRIES, datetime.min.replace(tzinfo=UTC))
    )
    histories: int = 0

    def interval(self, start: datetime) -> Interval:
        if start in self.faults:
            raise self.faults[start]
        metrics = self._metrics([start])
        rows = int(np.count_nonzero(~np.isnan(metrics.values)))
        if not rows:
            raise IntervalError(f"No datapoint was found at the source location for time interval from {start}")
        return Interval(metrics, rows)

    def history(self, until: datetime) -> Metrics | None:
        self.histories += 1
        if until <= self.since:
            return None
        last = until - timedelta(seconds=1)
        starts = interval_starts(self.of.frequency, self.of.timezone, self.since, last).astype(np.int64)
        return self._metrics([datetime.fromtimestamp(int(start), UTC) for start in starts])

    def _metrics(self, starts: Sequence[datetime]) -> Metrics:
        measures = self.of.metric_set.measures
        names = sorted(self.countries)
        values = np.full((len(measures), len(names), len(starts)), np.nan)
        for k, country in enumerate(names):
            for t, start in enumerate(starts):
                value = self.unusual.get((start, country), usual(start, country))
                if value is not None and start >= max(self.since, self.countries[country]):
                    values[:, k, t] = value
        observed = ~np.isnan(values).all(axis=(0, 2))
        grid = np.array([start.replace(tzinfo=None) for start in starts], "datetime64[s]")
        return Metrics(
            self.of.frequency, self.of.timezone, grid, measures, ("country",),
            tuple((name,) for name, present in zip(names, observed, strict=True) if present), values[:, observed],
        )  # fmt: skip


@dataclass
class MemoryChannel:
    """A channel that keeps its messages, and fails `failures` times first."""

    failures: int = 0
    sent: list[Message] = field(default_factory=list)
    name: str = "memory"
    format: str = JSON
    most_bytes: int = 1_000_000
    repeatable: bool = True
    stores: bool = False

    def send(self, message: Message) -> None:
        if self.failures:
            self.failures -= 1
            raise ChannelError("503: try later", retryable=True)
        self.sent.append(message)

    def identities(self) -> list[tuple[str, str]]:
        """Return the event and the timestamp of each alert."""
        bodies = [json.loads(message.text) for message in self.sent]
        return [(body["alertEventId"], body["timestamp"]) for body in bodies]


class SmallEngine:
    """Expects a smoothed level; a value 20 per cent off it is an anomaly."""

    def __init__(self) -> None:
        self.fits = 0
        self.earlier: list[FittedModel | None] = []
        self.fault: Callable[[Metrics], Exception | None] = lambda metrics: None

    def fit(self, history: Metrics, holidays: Sequence[date], earlier: FittedModel | None = None) -> FittedModel:
        self.fits += 1
        self.earlier.append(earlier)
        names = _names(history)
        level = np.nanmedian(history.flat, axis=1)
        return FittedModel(names, dict(zip(names, level.tolist(), strict=True)))

    def judge(self, model: Any, state: Any, metrics: Metrics) -> tuple[Judgement, Any]:
        fault = self.fault(metrics)
        if fault is not None:
            raise fault
        level = dict(state)
        shape = metrics.flat.shape
        expected, severity = np.full(shape, np.nan), np.zeros(shape)
        for t in range(shape[1]):
            for row, name in enumerate(_names(metrics)):
                if name not in level:
                    continue
                value = expected[row, t] = level[name]
                observed = metrics.flat[row, t]
                if not np.isnan(observed):
                    off = abs(observed - value) / (0.2 * value)
                    severity[row, t] = 100 * off / (1 + off)
                    if off < 1:
                        level[name] = 0.75 * level[name] + 0.25 * float(observed)
        return Judgement(0, expected, 0.8 * expected, 1.2 * expected, severity, severity >= ANOMALOUS), level

    def advance(self, model: Any, state: Any, metrics: Metrics) -> Any:
        return self.judge(model, state, metrics)[1]

    def combinations(self, model: Any) -> list[Combination]:
        return list(dict.fromkeys(tuple(json.loads(name)[1]) for name in model))

    def model_to_arrays(self, learned: FittedModel) -> Arrays:
        return {"names": np.array(list(learned.model)), **self.state_to_arrays(learned.state)}

    def model_from_arrays(self, arrays: Arrays) -> FittedModel:
        return FittedModel(arrays["names"].tolist(), self.state_from_arrays(arrays))

    def state_to_arrays(self, state: Mapping[str, float]) -> Arrays:
        return {"level_names": np.array(list(state)), "level": np.array(list(state.values()))}

    def state_from_arrays(self, arrays: Arrays) -> dict[str, float]:
        return dict(zip(arrays["level_names"].tolist(), arrays["level"].tolist(), strict=True))


def _names(metrics: Metrics) -> list[str]:
    return [json.dumps([measure, combination]) for measure in metrics.measures for combination in metrics.combinations]


class Bench:
    """A live detector with its lake, source, channel, engine and clock."""

    def __init__(
        self, store: ObjectStore | None = None, *, history: timedelta = timedelta(days=14), **changes: Any
    ) -> None:
        self.detector = detector(**changes)
        self.store = store if store is not None else memory_store()
        self.source = MemorySource(self.detector, START - history)
        self.channel = MemoryChannel()
        self.engine = SmallEngine()
        self.now = START
        self._runs = count(1)

    def live(self, **changes: Any) -> LiveDetector:
        """Return the detector as a new process builds it."""
        given = {"detector": self.detector, "store": self.store, "source": self.source, **changes}
        of, store = given["detector"], given["store"]
        patience = RetryPolicy(pauses=(0.0,), sleep=lambda seconds: None, now=lambda: self.now)
        notifier = AlertNotifier(of, store, [(rule, self.channel) for rule in of.alerts], patience)
        return LiveDetector(
            of, store, given["source"], notifier, self.engine,
            clock=lambda: self.now, run_id=lambda: f"run{next(self._runs)}", most_metrics=given.get("most_metrics"),
        )  # fmt: skip

    def run(self, start: datetime | None = None, **options: Any) -> list[Any]:
        """Run when an interval is due; return the executions."""
        if start is not None:
            self.now = max(self.now, self.due(start))
        return [execution for execution, _ in self.live().run(start, **options)]

    def due(self, start: datetime) -> datetime:
        """Return the time from which the data of an interval are complete."""
        return next_start(start, self.detector.frequency, self.detector.timezone) + timedelta(
            seconds=self.detector.metric_set.offset
        )

    def content(self, *but: str) -> dict[str, bytes]:
        """Return the objects of the lake without the records that differ between runs, and without other folders."""
        objects = {entry.key: self.store.get(entry.key) for entry in self.store.list("")}
        left_out = ("/executions/", "/last-runs/", "/deliveries/", "/versions/", "/group-index/", *but)
        return {key: body for key, body in objects.items() if not any(folder in key for folder in left_out)}


__all__ = [
    "ARN", "COUNTRIES", "HOUR", "MONDAY", "START", "Bench", "IntervalError", "StoreError", "detector", "hour", "usual",
]  # fmt: skip
