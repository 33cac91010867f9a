"""Alerts of a backtest that call their functions and topics, each once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from anomalake.aws.channels import channel_of
from anomalake.definitions.detector import AlertRule, Detector
from anomalake.groups.grouping import Group
from anomalake.lake.lake import Lake
from anomalake.notify.channel import Channel
from anomalake.notify.delivery import RetryPolicy, deliver_groups
from anomalake.records.deliveries import DELIVERED, UNDELIVERED, Ledger
from anomalake.records.snoozes import read_snoozes

#: Alerts in a row that a channel has not taken, after which the others of its rule are not sent.
MOST_UNDELIVERED: Final = 3


@dataclass(frozen=True, slots=True)
class SentAlerts:
    """Number of alerts that were delivered, and why others were not, a line for each."""

    delivered: int = 0
    reasons: tuple[str, ...] = ()


def send_backtest_alerts(
    detector: Detector,
    lake: Lake,
    groups: Sequence[Group],
    *,
    page: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
    channel: Callable[[AlertRule, Lake], Channel] = channel_of,
    patience: RetryPolicy | None = None,
) -> SentAlerts:
    """Send the alerts about the groups of a backtest to the functions and topics of a detector's rules.

    The ledger is that of live alerts: an alert is delivered once, however often this is called; raises `StoreError`.

    Parameters
    ----------
    page
        URL of the page that alerts link to.
    progress
        Called before each group with the done and the total number of groups of all rules; what it raises ends the
        sending between two groups.
    channel
        Returns the channel of a rule.
    """
    ordered = sorted(groups, key=lambda group: (group.start, group.measure, group.group_id))
    rules = [rule for rule in detector.alerts if rule.action is not None]
    ledger, run = Ledger(lake.store, detector.name), uuid.uuid4().hex
    snoozes, problems = read_snoozes(lake.store, detector.name)
    delivered, reasons = 0, list(problems)
    for number, rule in enumerate(rules):
        target, in_a_row = channel(rule, lake), 0
        for done, group in enumerate(ordered):
            progress(number * len(ordered) + done, len(rules) * len(ordered))
            if in_a_row >= MOST_UNDELIVERED:
                reasons.append(f"alert {rule.name}: further alerts are not sent")
                break
            for delivery in deliver_groups(
                [group], rule, detector, target, ledger, run=run, snoozes=snoozes, page=page, patience=patience
            ):
                delivered += delivery.status == DELIVERED
                in_a_row = in_a_row + 1 if delivery.status == UNDELIVERED else 0
                reasons += [f"alert {rule.name}: {delivery.reason}"] if delivery.reason else []
    return SentAlerts(delivered, tuple(dict.fromkeys(reasons)))
