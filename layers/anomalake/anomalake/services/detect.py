"""Where a live detector's real parts are put together, for the command line and the function."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from anomalake.aws.channels import LakeChannel, channel_of
from anomalake.definitions.detector import AlertRule, Detector, LambdaAction, SnsAction
from anomalake.detection.engine import NumpyModelEngine
from anomalake.detection.live import LiveDetector
from anomalake.detection.live_groups import DeliverySummary
from anomalake.detection.source import LiveSource, SourceReader
from anomalake.groups.grouping import Group
from anomalake.lake.lake import Clock, Lake, utc_now
from anomalake.model.judgement import ANOMALOUS
from anomalake.notify.channel import Channel
from anomalake.notify.delivery import Patience, counts, deliver_groups
from anomalake.records.deliveries import DELIVERED, UNDELIVERED, Ledger
from anomalake.records.snoozes import read_snoozes
from anomalake.services.sources import open_source_files
from anomalake.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class NotificationTopics:
    """Topics that people hear of groups by, and the least score they hear of; a topic may be left out."""

    long_text_topic: str | None = None
    short_text_topic: str | None = None
    threshold: float = 70.0


class AlertNotifier:
    """`Notifier` by alert rules, each with its channel.

    Parameters
    ----------
    detector, store
        Whose alerts; the lake with the ledger and the snoozes.
    rules
        What is sent, and where to.
    patience
        How often a delivery is tried.
    page
        Address of the page that alerts link to.
    """

    def __init__(
        self,
        detector: Detector,
        store: ObjectStore,
        rules: Sequence[tuple[AlertRule, Channel]],
        patience: Patience | None = None,
        page: str = "",
    ) -> None:
        self._detector = detector
        self._store = store
        self._rules = rules
        self._patience = patience
        self._page = page
        self._ledger = Ledger(store, detector.name)

    def notify(self, groups: Sequence[Group], start: datetime) -> DeliverySummary:
        """Deliver what the rules have to send about the interval; raises `StoreError`."""
        told = DeliverySummary()
        if not groups:
            return told
        snoozes, unread = read_snoozes(self._store, self._detector.name)
        told += DeliverySummary(reasons=tuple(unread))
        for rule, channel in self._rules:
            done = deliver_groups(
                groups, rule, self._detector, channel, self._ledger,
                run=uuid.uuid4().hex, snoozes=snoozes, since=start, page=self._page, patience=self._patience,
            )  # fmt: skip
            for name, number in counts(done).items():
                told += DeliverySummary({name: number[DELIVERED]}, {name: number[UNDELIVERED]})
            told += DeliverySummary(
                reasons=tuple(f"alert {one.alert_name}: {one.reason}" for one in done if one.reason)
            )
        return told


def live_detector(
    detector: Detector,
    lake: Lake,
    rules: Sequence[tuple[AlertRule, Channel]],
    *,
    clock: Clock = utc_now,
    source: LiveSource | None = None,
    page: str = "",
) -> LiveDetector:
    """A detector at work on a lake; its alerts link to a page."""
    source = source or SourceReader(detector, open_source_files(detector.metric_set))
    alerts = AlertNotifier(detector, lake.store, rules, page=page)
    return LiveDetector(detector, lake.store, source, alerts, NumpyModelEngine(), clock=clock)


def rules_of(detector: Detector) -> tuple[AlertRule, ...]:
    """The detector's alerts; where it has none, one that takes every group into the lake."""
    return detector.alerts or (_own_rule(detector, detector.name, ANOMALOUS),)


def local_rules(detector: Detector, lake: Lake, *, send: bool) -> list[tuple[AlertRule, Channel]]:
    """The rules on a laptop: into the lake, and only if asked for to the functions and topics that they name."""
    return [(rule, channel_of(rule, lake) if send else LakeChannel(lake)) for rule in rules_of(detector)]


def stack_rules(
    detector: Detector, lake: Lake, ingest: str | None, people: NotificationTopics
) -> list[tuple[AlertRule, Channel]]:
    """The rules in a stack: those of the file, the lake by the function ingest, and people by the stack's topics.

    Where no rule of the file sends into the lake, one is added that takes every group there.
    """
    rules = list(rules_of(detector))
    if not any(rule.action is None or _is(rule, ingest) for rule in rules):
        rules.append(_own_rule(detector, detector.name, ANOMALOUS))
    if ingest is not None:
        rules = [rule if rule.action is not None else replace(rule, action=LambdaAction(ingest)) for rule in rules]
    if people.long_text_topic is not None:
        rules.append(_people_rule(detector, "people-long-text", people, SnsAction(people.long_text_topic, "LONG_TEXT")))
    if people.short_text_topic is not None:
        topic = SnsAction(people.short_text_topic, "SHORT_TEXT")
        rules.append(_people_rule(detector, "people-short-text", people, topic))
    return [(rule, channel_of(rule, lake)) for rule in rules]


def _own_rule(detector: Detector, name: str, threshold: float) -> AlertRule:
    prefix = detector.arn.partition(":AnomalyDetector:")[0]
    return AlertRule(name=name, arn=f"{prefix}:Alert:{name}", threshold=threshold)


def _people_rule(detector: Detector, name: str, people: NotificationTopics, action: SnsAction) -> AlertRule:
    return replace(_own_rule(detector, name, people.threshold), action=action)


def _is(rule: AlertRule, function_arn: str | None) -> bool:
    return isinstance(rule.action, LambdaAction) and rule.action.lambda_arn == function_arn
