"""Delivery of alerts, with retries and a ledger, each exactly once (docs/alerts.md)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from anomalake.definitions.detector import AlertRule, Detector
from anomalake.definitions.settings import DetectionSettings
from anomalake.groups.anomaly_group import Group
from anomalake.notify.alert_json import AlertTooLargeError, alert_event_id, same_result
from anomalake.notify.channel import Channel, ChannelError, Message
from anomalake.notify.messages import message_of
from anomalake.notify.rules import Due, alerts_due, alerts_due_in_lake
from anomalake.records.deliveries import (
    DELIVERED,
    IN_DOUBT,
    INTENT,
    UNDELIVERED,
    Announcement,
    DeliveryRound,
    Ledger,
    Outcome,
    SentAlert,
)
from anomalake.records.snoozes import Snooze
from anomalake.storage.store import StoreError

#: Status of an alert that was handled before.
REPEATED = "repeated"

_DIED = "the run that sent it ended before it could write down whether it arrived; it is not sent a second time"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retries: their number and pauses, and the clock.

    Attributes
    ----------
    pauses
        Seconds before the second attempt, the third, …
    sleep, now
        Functions of the clock.
    """

    pauses: tuple[float, ...] = (0.5, 2.0, 8.0)
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Result of the delivery of one alert.

    Attributes
    ----------
    alert_name, alert_event_id, timestamp
        The alert.
    status
        ``delivered``, ``undelivered``, or ``repeated`` if it was handled before and nothing was sent.
    reason
        Why it is not delivered, or why the ledger could not be written.
    attempts
        Number of attempts to send it.
    text
        Text that the recipient has; empty if that is not certain.
    """

    alert_name: str
    alert_event_id: str
    timestamp: datetime
    status: str
    reason: str = ""
    attempts: int = 0
    text: str = field(default="", repr=False)


def deliver_groups(
    groups: Iterable[Group],
    rule: AlertRule,
    detector: Detector,
    channel: Channel,
    ledger: Ledger,
    *,
    run: str,
    snoozes: Iterable[Snooze] = (),
    since: datetime | None = None,
    page: str = "",
    patience: RetryPolicy | None = None,
) -> tuple[Delivery, ...]:
    """Send the alerts that are due under a rule; raises `StoreError` if the ledger cannot be read.

    Parameters
    ----------
    run
        Unique id of this run.
    since
        Start of the first interval of this run; other runs handle earlier ones.
    page
        URL of the page that alerts link to.
    """
    patience = patience or RetryPolicy()
    groups, settings = tuple(groups), DetectionSettings.of(detector)
    sent = _with_retries(lambda: ledger.sent(rule.name, groups), patience)
    if channel.stores and since is not None:
        due = alerts_due_in_lake(groups, rule, sent, snoozes, since=since, settings=settings)
    else:
        due = alerts_due(groups, rule, sent, snoozes, since=since, settings=settings)
    return tuple(deliver(item, rule, detector, channel, ledger, run=run, page=page, patience=patience) for item in due)


def counts(deliveries: Iterable[Delivery]) -> dict[str, Counter[str]]:
    """Numbers of ``delivered`` and ``undelivered`` alerts by alert name; repeats count as neither."""
    made: dict[str, Counter[str]] = {}
    for delivery in deliveries:
        of_alert = made.setdefault(delivery.alert_name, Counter({DELIVERED: 0, UNDELIVERED: 0}))
        if delivery.status != REPEATED:
            of_alert[delivery.status] += 1
    return made


def deliver(
    due: Due,
    rule: AlertRule,
    detector: Detector,
    channel: Channel,
    ledger: Ledger,
    *,
    run: str,
    page: str = "",
    patience: RetryPolicy | None = None,
) -> Delivery:
    """Send one alert, unless it was sent before. Nothing is raised for a failing channel or store.

    The message is recorded before it is sent, and the result afterwards. If a run ended between the two, a
    `repeatable` channel gets the same bytes again, which its recipient recognises; for any other channel the alert is
    undelivered, with an uncertain result. An alert that was certainly not sent is sent by the next run of its interval,
    with the same bytes. A channel that `stores` alerts gets an alert whose result has changed once more, corrected.
    """
    return _Courier(due, rule, detector, channel, ledger, run, page, patience or RetryPolicy()).deliver()


@dataclass(frozen=True, slots=True)
class _Courier:
    due: Due
    rule: AlertRule
    detector: Detector
    channel: Channel
    ledger: Ledger
    run: str
    page: str
    patience: RetryPolicy

    def deliver(self) -> Delivery:
        try:
            entry = _with_retries(self._latest_round, self.patience)
            announced = self._announced(entry) if entry.status != DELIVERED or self.channel.stores else None
            changed = self._has_changed(announced)
            if entry.status == DELIVERED and not changed:
                return self._told(REPEATED, text=announced.text if announced is not None else "")
            if not self.channel.repeatable:
                if entry.status == IN_DOUBT:
                    return self._told(REPEATED, "in doubt since an earlier run")
                if entry.status == INTENT:
                    return self._close(entry, IN_DOUBT, 0, _DIED)
            message = announced if announced is not None and not changed else self._message()
            # An unfinished round is repeated: the recipient recognises a repeated message.
            begun = entry if entry.status == INTENT and not changed else self._announce(entry, message)
        except AlertTooLargeError as error:
            return self._told(UNDELIVERED, str(error))
        except StoreError as error:
            return self._told(UNDELIVERED, f"nothing was sent, for the ledger does not answer: {error}")
        if begun is None:
            return self._told(REPEATED, "another run sends it")
        return self._send(begun, message)

    def _latest_round(self) -> DeliveryRound:
        group_id, start = self.due.group.group_id, self.due.interval.timestamp
        return self.ledger.latest_round(self.rule.name, group_id, start, corrected=self.channel.stores)

    def _announced(self, entry: DeliveryRound) -> Message | None:
        announced = _with_retries(lambda: self.ledger.read_announcement(entry), self.patience) if entry.number else None
        return Message(announced.text, announced.subject) if announced is not None else None

    def _has_changed(self, announced: Message | None) -> bool:
        """Whether a lake must have another result than was announced; other recipients get each alert once."""
        return self.channel.stores and announced is not None and not same_result(announced.text, self._message().text)

    def _message(self) -> Message:
        channel = self.channel
        return message_of(self.due, self.rule, self.detector, channel.format, channel.most_bytes, self.page)

    def _announce(self, entry: DeliveryRound, message: Message) -> DeliveryRound | None:
        at = self.patience.now().astimezone(UTC).isoformat()
        announcement = Announcement(self.run, at, message.subject, message.text)
        return _with_retries(lambda: self.ledger.write_announcement(entry, announcement), self.patience)

    def _send(self, entry: DeliveryRound, message: Message) -> Delivery:
        attempts, reason = 0, ""
        for pause in (0.0, *self.patience.pauses):
            if pause:
                self.patience.sleep(pause)
            attempts += 1
            try:
                self.channel.send(message)
            except ChannelError as error:
                reason = str(error)
                if error.uncertain and not self.channel.repeatable:
                    return self._close(
                        entry, IN_DOUBT, attempts, f"{reason}; it may have arrived, and is not sent again"
                    )
                if not error.retryable:
                    break
            else:
                return self._close(entry, DELIVERED, attempts, text=message.text)
        return self._close(entry, UNDELIVERED, attempts, reason)

    def _close(self, entry: DeliveryRound, status: str, attempts: int, reason: str = "", text: str = "") -> Delivery:
        severity = SentAlert.of(self.due.interval)
        outcome = Outcome(
            self.due.group.group_id, severity.timestamp, severity.score, severity.impact, severity.affected,
            self.channel.name, attempts, self.patience.now(), reason,
        )  # fmt: skip
        try:
            _with_retries(lambda: self.ledger.write_outcome(entry, status, outcome), self.patience)
        except StoreError as error:
            reason = f"{reason}; " if reason else ""
            reason += f"this could not be written down: {error}"
        return self._told(DELIVERED if status == DELIVERED else UNDELIVERED, reason, attempts, text)

    def _told(self, status: str, reason: str = "", attempts: int = 0, text: str = "") -> Delivery:
        event = alert_event_id(self.due.group, self.rule)
        return Delivery(self.rule.name, event, self.due.interval.timestamp, status, reason, attempts, text)


def _with_retries(call: Callable[[], T], patience: RetryPolicy) -> T:
    """Retry a call after store failures; raises the last `StoreError`."""
    for pause in patience.pauses:
        try:
            return call()
        except StoreError:
            patience.sleep(pause)
    return call()
