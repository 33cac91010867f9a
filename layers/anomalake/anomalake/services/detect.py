"""Live detection: a detector with its source, its lake and the channels of its alerts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from anomalake.aws.channels import LakeChannel, channel_of
from anomalake.definitions.detector import AlertRule, Detector, LambdaAction, SnsAction
from anomalake.definitions.errors import SourceError
from anomalake.definitions.sensitivity import decision_of
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.blocked_engine import BlockedEngine, LakeBlocks
from anomalake.detection.distributed_history import DistributedHistories
from anomalake.detection.distributed_reading import can_read_by_tasks
from anomalake.detection.learning import grid
from anomalake.detection.live import LiveDetector
from anomalake.detection.live_groups import DeliverySummary
from anomalake.detection.source import LiveSource, SourceReader
from anomalake.groups.grouping import Group
from anomalake.lake.lake import Clock, Lake, utc_now
from anomalake.local.source_files import FolderOrS3Files
from anomalake.model.judgement import ANOMALOUS
from anomalake.notify.alert_json import alert_event_id
from anomalake.notify.channel import Channel
from anomalake.notify.delivery import Delivery, RetryPolicy, counts, deliver_groups
from anomalake.notify.lake_updates import send_causes, withdraw_interval
from anomalake.notify.rules import alerts_due_in_lake
from anomalake.records.about import write_about
from anomalake.records.deliveries import DELIVERED, UNDELIVERED, Ledger
from anomalake.records.executions import SUCCEEDED, Execution
from anomalake.records.intervals import IntervalStore
from anomalake.records.models import ModelStore
from anomalake.records.snoozes import read_snoozes
from anomalake.records.versions import version_of
from anomalake.records.work import delete_left_behind
from anomalake.services.engines import Engine
from anomalake.services.lakes import open_writer
from anomalake.services.sources import open_source_files, register_source
from anomalake.services.times import Span
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectStore, StoreError
from anomalake.tasks import InProcess

#: The latest complete interval, and those missed before it.
LATEST = Span()


@dataclass(frozen=True, slots=True)
class NotificationTopics:
    """SNS topics for e-mail and SMS, and the lowest score of a group that is sent to them; None: no such topic."""

    long_text_topic: str | None = None
    short_text_topic: str | None = None
    threshold: float = 70.0


class AlertNotifier:
    """`Notifier` that applies alert rules, each with its channel.

    Parameters
    ----------
    detector, store
        The detector; the store of its lake, with the ledger and the snoozes.
    rules
        Alert rules with their channels.
    patience
        Number and pauses of the attempts to deliver.
    page
        URL of the page that alerts link to.
    """

    def __init__(
        self,
        detector: Detector,
        store: ObjectStore,
        rules: Sequence[tuple[AlertRule, Channel]],
        patience: RetryPolicy | None = None,
        page: str = "",
    ) -> None:
        self._detector = detector
        self._store = store
        self._rules = rules
        self._patience = patience
        self._page = page
        self._ledger = Ledger(store, detector.name)

    def notify(self, groups: Sequence[Group], start: datetime, *, again: bool = False) -> DeliverySummary:
        """Deliver the alerts that are due for the interval, state causes, and withdraw earlier alerts.

        Raises `StoreError`.
        """
        summary = DeliverySummary()
        if not groups and not again:
            return summary
        snoozes, unread = read_snoozes(self._store, self._detector.name)
        summary += DeliverySummary(reasons=tuple(unread))
        stored: list[Delivery] = []
        for rule, channel in self._rules:
            deliveries = deliver_groups(
                groups, rule, self._detector, channel, self._ledger,
                run=uuid.uuid4().hex, snoozes=snoozes, since=start, page=self._page, patience=self._patience,
            )  # fmt: skip
            for name, number in counts(deliveries).items():
                summary += DeliverySummary({name: number[DELIVERED]}, {name: number[UNDELIVERED]})
            reasons = (f"alert {delivery.alert_name}: {delivery.reason}" for delivery in deliveries if delivery.reason)
            summary += DeliverySummary(reasons=tuple(reasons))
            stored += deliveries if channel.stores else ()
        lakes = [(rule, channel) for rule, channel in self._rules if channel.stores]
        if not lakes:
            return summary
        texts = [delivery.text for delivery in stored if delivery.text and delivery.timestamp == start]
        patience = self._patience or RetryPolicy()
        problem = send_causes(self._detector, self._store, start, groups, texts, lakes[0][1], patience)
        summary += DeliverySummary() if problem is None else DeliverySummary(reasons=(problem,), is_complete=False)
        return summary + self._withdraw(groups, start, stored, texts, lakes) if again else summary

    def _withdraw(
        self,
        groups: Sequence[Group],
        start: datetime,
        stored: Sequence[Delivery],
        texts: Sequence[str],
        lakes: Sequence[tuple[AlertRule, Channel]],
    ) -> DeliverySummary:
        """Withdraw the alerts of an interval that are in the lake, but no results."""
        known = {delivery.alert_event_id for delivery in stored if delivery.text}
        settings = DetectionSettings.of(self._detector)
        # A snoozed result is a result.
        due = [
            alert_event_id(item.group, rule)
            for rule, _ in lakes
            for item in alerts_due_in_lake(
                groups, rule, self._ledger.sent(rule.name, groups), since=start, settings=settings
            )
        ]
        unknown = {delivery.alert_event_id for delivery in stored}.union(due) - known
        problem = withdraw_interval(
            self._detector, self._store, start, texts, unknown, lakes[0][1], self._ledger,
            self._patience or RetryPolicy(),
        )  # fmt: skip
        return DeliverySummary() if problem is None else DeliverySummary(reasons=(problem,), is_complete=False)


def live_detector(
    detector: Detector,
    lake: Lake,
    rules: Sequence[tuple[AlertRule, Channel]],
    *,
    clock: Clock = utc_now,
    source: LiveSource | None = None,
    page: str = "",
    engine: Engine | None = None,
    most_metrics: int | None = None,
) -> LiveDetector:
    """Connect a detector with its lake, its source and its alert rules.

    Parameters
    ----------
    engine
        Reads histories, and fits and judges blocks of series, with the same results. Default: this process.
    most_metrics
        Most metrics of an interval that may be judged. Default: any number.
    """
    of = detector.metric_set
    reads_by_tasks = source is None and engine is not None and engine.reaches(of.paths) and can_read_by_tasks(detector)
    source = source or SourceReader(detector, open_source_files(of))
    # The next run writes it if this one cannot.
    with suppress(StoreError):
        write_about(lake.store, detector.name, detector.arn, detector.about)
    alerts = AlertNotifier(detector, lake.store, rules, page=page)
    open_lake = partial(open_store, lake.store.uri) if engine is not None else lambda: lake.store
    blocks = LakeBlocks(open_lake, detector.name, version_of(of))
    runner = engine.runner if engine is not None else InProcess()
    histories = None
    if reads_by_tasks:
        intervals = IntervalStore(lake.store, detector.name, blocks.version)
        models = ModelStore(lake.store, detector.name, blocks.version)
        histories = DistributedHistories(detector, intervals, models, blocks, runner, FolderOrS3Files, clock=clock)
    model_engine = BlockedEngine(
        blocks,
        runner,
        decision_of(detector.sensitivity, detector.frequency),
        fits_blocks=engine is not None,
        clock=clock,
    )
    return LiveDetector(
        detector, lake.store, source, alerts, model_engine,
        clock=clock, most_metrics=most_metrics, histories=histories,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DetectedInterval:
    """One interval that was run.

    Attributes
    ----------
    execution
        The execution, as it is recorded in the lake.
    unregistered
        Why the source data cannot be queried, after the first successful interval; None where they can.
    """

    execution: Execution
    unregistered: str | None = None


def detect(
    detector: Detector,
    lake: str,
    span: Span = LATEST,
    *,
    page: str = "",
    send: bool = False,
    engine: Engine | None = None,
) -> Iterator[DetectedInterval]:
    """Detect anomalies in the intervals of a span, and deliver the alerts. Repeating it changes nothing.

    After the first successful interval the source data are registered for queries.

    Parameters
    ----------
    lake
        URI of the lake, which is created if it does not exist.
    page
        URL of the page that alerts link to.
    send
        Send alerts to the functions and topics of the rules, instead of to the lake only.
    engine
        Fits and judges blocks of series, with the same results. Default: this process.

    Raises
    ------
    SettingsError, LakeUriError, StoreError, EngineError, TaskError
    """
    if engine is not None:
        engine.check_reachable(lake, "lake")
    writer = open_writer(lake)
    if engine is not None:
        delete_left_behind(writer.store, utc_now())
    live = live_detector(detector, writer, local_rules(detector, writer, send=send), page=page, engine=engine)
    runs = live.run(span.at, at_once=_NO_LIMIT) if span.first is None else live.run_span(span.first, span.last)
    registered = False
    for execution, _ in runs:
        unregistered = None
        if execution.status == SUCCEEDED and not registered:
            registered = True
            try:
                register_source(writer.store, detector.metric_set, execution.timestamp)
            except SourceError as error:
                unregistered = str(error)
        yield DetectedInterval(execution, unregistered)


def count_intervals(detector: Detector, span: Span, now: datetime) -> int | None:
    """Return the number of intervals of a span that has a first one; None where the lake decides on them."""
    if span.first is None:
        return None
    last = now if span.last is None else min(span.last, now)
    return max(1, len(grid(detector.metric_set, span.first, last)))


#: A call outside of a stack has no time limit.
_NO_LIMIT = 1_000_000


def rules_of(detector: Detector) -> tuple[AlertRule, ...]:
    """Alert rules of a detector; if it has none, one rule that writes every group to the lake."""
    return detector.alerts or (_own_rule(detector, detector.name, ANOMALOUS),)


def local_rules(detector: Detector, lake: Lake, *, send: bool) -> list[tuple[AlertRule, Channel]]:
    """Rules outside of a stack: alerts go to the lake or, with `send`, to the rules' functions and topics."""
    return [(rule, channel_of(rule, lake) if send else LakeChannel(lake)) for rule in rules_of(detector)]


def stack_rules(
    detector: Detector, lake: Lake, ingest: str | None, topics: NotificationTopics
) -> list[tuple[AlertRule, Channel]]:
    """Rules in a stack: those of the file, the function ingest for the lake, and the topics for e-mail and SMS.

    If no rule of the file sends to the lake, one is added that sends every group there.
    """
    rules = list(rules_of(detector))
    if not any(rule.action is None or _invokes(rule, ingest) for rule in rules):
        rules.append(_own_rule(detector, detector.name, ANOMALOUS))
    if ingest is not None:
        rules = [rule if rule.action is not None else replace(rule, action=LambdaAction(ingest)) for rule in rules]
    if topics.long_text_topic is not None:
        rules.append(_topic_rule(detector, "people-long-text", topics, SnsAction(topics.long_text_topic, "LONG_TEXT")))
    if topics.short_text_topic is not None:
        topic = SnsAction(topics.short_text_topic, "SHORT_TEXT")
        rules.append(_topic_rule(detector, "people-short-text", topics, topic))
    return [(rule, channel_of(rule, lake, ingest)) for rule in rules]


def _own_rule(detector: Detector, name: str, threshold: float) -> AlertRule:
    prefix = detector.arn.partition(":AnomalyDetector:")[0]
    return AlertRule(name=name, arn=f"{prefix}:Alert:{name}", threshold=threshold)


def _topic_rule(detector: Detector, name: str, topics: NotificationTopics, action: SnsAction) -> AlertRule:
    return replace(_own_rule(detector, name, topics.threshold), action=action)


def _invokes(rule: AlertRule, function_arn: str | None) -> bool:
    return isinstance(rule.action, LambdaAction) and rule.action.lambda_arn == function_arn
