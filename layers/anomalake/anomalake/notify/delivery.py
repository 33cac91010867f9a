"""Delivers alerts: retried, written down, and none twice (docs/alerts.md)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from anomalake.definitions.detector import AlertRule, Detector
from anomalake.groups.anomaly_group import Group
from anomalake.notify.alert_json import AlertTooLargeError, alert_event_id
from anomalake.notify.channel import Channel, ChannelError, Message
from anomalake.notify.messages import message_of
from anomalake.notify.rules import Due, alerts_due
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

#: The alert was dealt with before: nothing was sent now.
REPEATED = "repeated"

_DIED = "the run that sent it ended before it could write down whether it arrived; it is not sent a second time"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try again, with the clock.

    Attributes
    ----------
    pauses
        Seconds before the second attempt, the third, …
    sleep, now
        The clock.
    """

    pauses: tuple[float, ...] = (0.5, 2.0, 8.0)
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one alert.

    Attributes
    ----------
    alert_name, alert_event_id, timestamp
        Which alert.
    status
        ``delivered``, ``undelivered``, or ``repeated`` where it was dealt with before and nothing was sent.
    reason
        Why it is not delivered; also what could not be written down.
    attempts
        How often it was handed to the channel.
    """

    alert_name: str
    alert_event_id: str
    timestamp: datetime
    status: str
    reason: str = ""
    attempts: int = 0


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
    patience: Patience | None = None,
) -> tuple[Delivery, ...]:
    """Send what a rule has to send about groups; raises `StoreError` where the ledger cannot be read at all.

    Parameters
    ----------
    run
        Names this run: no two share a name.
    since
        Start of the first interval of this run; what came before is other runs' business.
    page
        Address of the page that links lead to.
    """
    patience = patience or Patience()
    groups = tuple(groups)
    sent = _patiently(lambda: ledger.sent(rule.name, groups), patience)
    due = alerts_due(groups, rule, sent, snoozes, since=since)
    return tuple(deliver(item, rule, detector, channel, ledger, run=run, page=page, patience=patience) for item in due)


def counts(deliveries: Iterable[Delivery]) -> dict[str, Counter[str]]:
    """How many alerts were ``delivered`` and ``undelivered``, by alert name; repeats count as neither."""
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
    patience: Patience | None = None,
) -> Delivery:
    """Send one alert, unless it was sent before. Nothing is raised for a failing channel or store.

    The message is written down before it is sent, and what became of it after. Where a run died in between, a
    `repeatable` channel gets the same bytes again, which its receiver counts as a repeat; any other does not, and the
    alert is undelivered, in doubt. An alert that certainly did not go out is tried again by the next run of its
    interval, with the same bytes.
    """
    return _Courier(due, rule, detector, channel, ledger, run, page, patience or Patience()).deliver()


@dataclass(frozen=True, slots=True)
class _Courier:
    due: Due
    rule: AlertRule
    detector: Detector
    channel: Channel
    ledger: Ledger
    run: str
    page: str
    patience: Patience

    def deliver(self) -> Delivery:
        try:
            entry = _patiently(self._latest_round, self.patience)
            if entry.status == DELIVERED:
                return self._told(REPEATED)
            if not self.channel.repeatable:
                if entry.status == IN_DOUBT:
                    return self._told(REPEATED, "in doubt since an earlier run")
                if entry.status == INTENT:
                    return self._close(entry, IN_DOUBT, 0, _DIED)
            message = self._message(entry)
            # A round under way is gone through again: who gets its message twice knows it.
            begun = entry if entry.status == INTENT else self._announce(entry, message)
        except AlertTooLargeError as error:
            return self._told(UNDELIVERED, str(error))
        except StoreError as error:
            return self._told(UNDELIVERED, f"nothing was sent, for the ledger does not answer: {error}")
        if begun is None:
            return self._told(REPEATED, "another run sends it")
        return self._send(begun, message)

    def _latest_round(self) -> DeliveryRound:
        return self.ledger.latest_round(self.rule.name, self.due.group.group_id, self.due.interval.timestamp)

    def _message(self, entry: DeliveryRound) -> Message:
        announced = _patiently(lambda: self.ledger.read_announcement(entry), self.patience) if entry.number else None
        if announced is not None:
            return Message(announced.text, announced.subject)
        channel = self.channel
        return message_of(self.due, self.rule, self.detector, channel.format, channel.most_bytes, self.page)

    def _announce(self, entry: DeliveryRound, message: Message) -> DeliveryRound | None:
        at = self.patience.now().astimezone(UTC).isoformat()
        announcement = Announcement(self.run, at, message.subject, message.text)
        return _patiently(lambda: self.ledger.write_announcement(entry, announcement), self.patience)

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
                return self._close(entry, DELIVERED, attempts)
        return self._close(entry, UNDELIVERED, attempts, reason)

    def _close(self, entry: DeliveryRound, status: str, attempts: int, reason: str = "") -> Delivery:
        severity = SentAlert.of(self.due.interval)
        outcome = Outcome(
            self.due.group.group_id, severity.timestamp, severity.score, severity.impact, severity.affected,
            self.channel.name, attempts, self.patience.now(), reason,
        )  # fmt: skip
        try:
            _patiently(lambda: self.ledger.write_outcome(entry, status, outcome), self.patience)
        except StoreError as error:
            reason = f"{reason}; " if reason else ""
            reason += f"this could not be written down: {error}"
        return self._told(DELIVERED if status == DELIVERED else UNDELIVERED, reason, attempts)

    def _told(self, status: str, reason: str = "", attempts: int = 0) -> Delivery:
        event = alert_event_id(self.due.group, self.rule)
        return Delivery(self.rule.name, event, self.due.interval.timestamp, status, reason, attempts)


def _patiently(call: Callable[[], T], patience: Patience) -> T:
    """Try again where the store fails; raises the last `StoreError`."""
    for pause in patience.pauses:
        try:
            return call()
        except StoreError:
            patience.sleep(pause)
    return call()
