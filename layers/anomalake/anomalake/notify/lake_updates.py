"""Updates of the lake for a live interval beside its alerts: withdrawals (docs/adr/0010) and causes (0017)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from anomalake.alerts import Alert, AlertBody, AlertDocument, Refusal, StoredAlert, read_alert
from anomalake.definitions.detector import Detector
from anomalake.groups.anomaly_group import Group
from anomalake.lake.cause_documents import causes_of, texts_of
from anomalake.lake.cause_rows import read_causes
from anomalake.lake.ports import Partition
from anomalake.lake.stored_alerts import read_stored_alerts
from anomalake.lake.withdrawal_rows import read_states
from anomalake.lake.withdrawing import change_of
from anomalake.notify.channel import Channel, ChannelError, Message
from anomalake.notify.delivery import RetryPolicy
from anomalake.records.backtests import read_backtest_alerts
from anomalake.records.deliveries import Ledger
from anomalake.storage.store import ObjectStore


def withdraw_interval(
    detector: Detector,
    store: ObjectStore,
    start: datetime,
    texts: Iterable[str],
    unknown: Collection[str],
    channel: Channel,
    ledger: Ledger,
    patience: RetryPolicy,
) -> str | None:
    """Withdraw the alerts of an interval that earlier runs stored and that are no longer results.

    Parameters
    ----------
    texts
        Alerts of the interval that the lake has.
    unknown
        Events of which nothing is withdrawn: it is not certain which alert the lake has.
    channel
        Stores the withdrawals.

    Returns
    -------
    Why a withdrawal is not stored; None where all are. Raises `StoreError`.
    """
    day = start.astimezone(UTC).strftime("%Y-%m-%d")
    states = read_states(store, detector.name, day)
    results = [AlertBody.of(alert) for text in texts if (alert := _read(text)) is not None]
    keys = {body.key for body in results}
    candidates = [
        alert
        for alert in read_stored_alerts(store, Partition(detector.name, day))
        if (alert.start, alert.detector_arn) == (start, detector.arn)
        and alert.body.alert_event_id not in unknown
        and alert.body.key not in keys
        and _was_sent(alert, ledger)
    ]
    if candidates:
        of_backtest = {alert.body.key for alert in read_backtest_alerts(store, detector.name) or ()}
        candidates = [alert for alert in candidates if alert.body.key not in of_backtest]
    change = change_of((alert.body for alert in candidates), results, states)
    reason = f"the interval from {start.isoformat().replace('+00:00', 'Z')} was run again"
    for text in change.texts(detector.arn, reason, patience.now(), states):
        problem = _send(channel, Message(text), patience)
        if problem is not None:
            return f"{len(change.withdrawn):,} alerts are not withdrawn: {problem}"
    return None


def send_causes(
    detector: Detector,
    store: ObjectStore,
    start: datetime,
    groups: Iterable[Group],
    texts: Iterable[str],
    channel: Channel,
    patience: RetryPolicy,
) -> str | None:
    """Send the lake the root causes of an interval's groups, as far as it does not have them.

    Parameters
    ----------
    texts
        Alerts of the interval that the lake has.
    channel
        Stores the causes.

    Returns
    -------
    Why they are not stored; None where they are. Raises `StoreError`.
    """
    alerts = [StoredAlert.of(alert) for text in texts if (alert := _read(text)) is not None]
    causes = causes_of(groups, alerts)
    if not causes:
        return None
    day = start.astimezone(UTC).strftime("%Y-%m-%d")
    states = read_causes(store, detector.name, detector.arn, day)
    for text in texts_of(detector.arn, causes, states):
        problem = _send(channel, Message(text), patience)
        if problem is not None:
            return f"root causes are not stored: {problem}"
    return None


def _read(text: str) -> Alert | None:
    try:
        return read_alert(AlertDocument(text, "alert"))
    except Refusal:
        # The lake has set it aside.
        return None


def _was_sent(alert: StoredAlert, ledger: Ledger) -> bool:
    """Whether a live run of the detector has announced this body."""
    if alert.anomaly_group_id is None or alert.alert_name is None:
        return False
    texts = ledger.announced_texts(alert.alert_name, alert.anomaly_group_id, alert.start)
    return any(
        announced is not None and AlertBody.of(announced).key == alert.body.key for announced in map(_read, texts)
    )


def _send(channel: Channel, message: Message, patience: RetryPolicy) -> str | None:
    """Send a message, with retries; return why that failed."""
    problem = ""
    for pause in (0.0, *patience.pauses):
        if pause:
            patience.sleep(pause)
        try:
            channel.send(message)
        except ChannelError as error:
            problem = str(error)
            if not error.retryable:
                break
        else:
            return None
    return problem
