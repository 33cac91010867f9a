"""Updates of the lake for a backtest beside its alerts: withdrawals (docs/adr/0010) and causes (0017)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from anomalake.alerts import AlertBody, AlertDocument, StoredAlert, read_alert
from anomalake.definitions.detector import Detector
from anomalake.groups.anomaly_group import Group
from anomalake.lake.cause_documents import causes_of, texts_of
from anomalake.lake.cause_rows import read_causes
from anomalake.lake.lake import Clock, Lake, utc_now
from anomalake.lake.ports import Partition
from anomalake.lake.stored_alerts import read_stored_alerts
from anomalake.lake.withdrawal_rows import read_states
from anomalake.lake.withdrawing import change_of
from anomalake.records.backtests import (
    GROUPS,
    backtest_key,
    read_backtest_alerts,
    read_groups_of,
    unfinished_backtests,
)
from anomalake.records.deliveries import Ledger
from anomalake.records.groups import groups_folder, parse_group_key
from anomalake.storage.store import ObjectStore, StoreError

_REASON = "a later backtest of the detector does not repeat it"


def earlier_alerts(store: ObjectStore, detector: Detector) -> list[StoredAlert]:
    """Return the alerts of the detector's earlier backtests in the lake; raises `StoreError`."""
    recorded = read_backtest_alerts(store, detector.name)
    alerts = [alert for alert in recorded or () if alert.detector_arn == detector.arn]
    keys = unfinished_backtests(store, detector.name)
    keys += [backtest_key(detector.name, GROUPS)] if recorded is None else []
    intervals: dict[str, set[tuple[str, datetime]]] = defaultdict(set)
    for group in read_groups_of(store, keys):
        for interval in group.intervals:
            intervals[f"{interval.timestamp.astimezone(UTC):%Y-%m-%d}"].add((group.group_id, interval.timestamp))
    for day, wanted in sorted(intervals.items()):
        alerts += [
            alert
            for alert in read_stored_alerts(store, Partition(detector.name, day))
            if alert.detector_arn == detector.arn and (alert.anomaly_group_id, alert.start) in wanted
        ]
    return alerts


def replace_alerts(
    lake: Lake,
    detector: Detector,
    earlier: Iterable[StoredAlert],
    alerts: Iterable[StoredAlert],
    clock: Clock = utc_now,
) -> int:
    """Withdraw the alerts of earlier backtests that a new one does not repeat, unless they are live results.

    Its own alerts that are withdrawn are reinstated.

    Returns
    -------
    Number of withdrawn alerts. Raises `StoreError`.
    """
    store = lake.store
    results = {alert.body.key: alert for alert in alerts}
    gone = [alert for alert in earlier if alert.body.key not in results]
    live = _live_bodies(store, detector, gone)
    states = read_states(store, detector.name)
    change = change_of(
        (alert.body for alert in gone if alert.body.key not in live), (a.body for a in results.values()), states
    )
    for text in change.texts(detector.arn, _REASON, clock(), states):
        receipt = lake.ingest([AlertDocument(text, "withdrawal")])
        if receipt.failed:
            raise StoreError(f"{store.uri}: a withdrawal is not stored: {receipt.failed[0].error}")
    return len(change.withdrawn)


def write_causes(lake: Lake, detector: Detector, groups: Iterable[Group], alerts: Iterable[StoredAlert]) -> None:
    """Write the root causes of the groups of a backtest that alert, as far as the lake does not have them.

    Raises `StoreError`.
    """
    states = read_causes(lake.store, detector.name, detector.arn)
    for text in texts_of(detector.arn, causes_of(groups, alerts), states):
        receipt = lake.ingest([AlertDocument(text, "causes")])
        if receipt.failed:
            raise StoreError(f"{lake.store.uri}: causes are not stored: {receipt.failed[0].error}")


def _live_bodies(store: ObjectStore, detector: Detector, alerts: Iterable[StoredAlert]) -> set[tuple[str, str]]:
    """Return those of some alerts that live intervals have sent and that are results of these intervals."""
    parts = {
        (key.group_id, key.start)
        for entry in store.list(groups_folder(detector.name))
        if (key := parse_group_key(entry.key)) is not None
    }
    ledger = Ledger(store, detector.name)
    live = set()
    for alert in alerts:
        group_id, name = alert.anomaly_group_id, alert.alert_name
        if group_id is None or name is None or (group_id, alert.start) not in parts:
            continue
        for text in ledger.announced_texts(name, group_id, alert.start)[-1:]:
            live.add(AlertBody.of(read_alert(AlertDocument(text, "alert"))).key)
    return live
