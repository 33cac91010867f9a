"""Lakes for tests of queries, and the expected rows of their relations, computed in Python."""

from __future__ import annotations

import calendar
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from anomalake.alerts import Alert, AlertBody, AlertDocument, Cause, Contribution, GroupCauses, TimeSeries
from anomalake.alerts.causes import causes_text
from anomalake.alerts.reading import alert_id
from anomalake.alerts.timestamps import ZonedTimestamp
from anomalake.alerts.withdrawals import withdrawal_text
from anomalake.api import LakeHandle, open_lake
from anomalake.lake import layout
from anomalake.lake.lake import Lake
from anomalake.storage.objects import open_store

ORDERS = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders"
HOSTILE = (
    "NA",
    "007",
    "",
    "1e5",
    "it's",
    '"',
    "'; DROP TABLE x; --",
    "<script>alert(1)</script>",
    "a\nb",
    "🙂",
    "a|b",
    "%",
    "../x",
)


def arn(name: str, region: str = "us-east-1", account: str = "123456789012") -> str:
    return f"arn:aws:lookoutmetrics:{region}:{account}:AnomalyDetector:{name}"


def alert(
    event: str,
    when: str = "2021-02-14T04:00",
    *,
    detector_arn: str = ORDERS,
    metric: str = "revenue",
    score: float = 80.5,
    series: Sequence[tuple[dict[str, str], str | None]] = (({"marketplace": "it", "platform": "pc_web"}, "148.5"),),
    shares: Sequence[tuple[str, str, int]] = (("marketplace", "it", 100), ("platform", "pc_web", 100)),
    zone: str = "UTC",
    body: str = "",
    group: str | None = None,
) -> Alert:
    """Return an alert; `when` is UTC, and alerts that differ only in `body` have the same identity."""
    utc = datetime.fromisoformat(when)
    local = utc.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    timestamp = ZonedTimestamp(utc, local, zone, f"{calendar.timegm(utc.timetuple())}.{utc.microsecond:06d}000")
    identity = alert_id(event, metric, timestamp)
    digest = hashlib.sha256(f"{identity}|{series}|{shares}|{score}|{body}".encode()).hexdigest()
    return Alert(
        alert_id=identity,
        digest=digest,
        detector=detector_arn.rpartition(":")[2],
        detector_arn=detector_arn,
        alert_event_id=event,
        anomaly_group_id=group,
        timestamp=timestamp,
        metric_name=metric,
        anomaly_score=score,
        alert_name="an alert",
        alert_arn=None,
        alert_description=body or None,
        console_url=None,
        time_series=tuple(
            TimeSeries(f"s{number}", tuple(dimensions.items()), None if value is None else Decimal(value))
            for number, (dimensions, value) in enumerate(series)
        ),
        contributions=tuple(Contribution(*share) for share in shares),
        original="{}",
    )


def write(folder: Path, alerts: Iterable[Alert], formats: Sequence[str] = ("parquet",)) -> LakeHandle:
    """Write the rows of alerts to a lake, one file for each partition."""
    store = open_store(str(folder))
    lake = Lake(store, formats=formats)
    store.put(layout.SETTINGS, json.dumps({"formats": list(formats)}).encode())
    partitions = defaultdict(list)
    for alert_ in alerts:
        partitions[layout.partition_of(alert_)].append(alert_)
    for partition, members in partitions.items():
        lake.write_shapes(members)
        lake.write_rows(partition, members)
    return open_lake(str(folder))


def withdraw(
    folder: Path,
    alerts: Iterable[Alert],
    reinstated: Iterable[Alert] = (),
    sequence: str = "2021-03-01T00:00:00.000000Z",
) -> None:
    """Ingest the withdrawal of some bodies of alerts of one detector."""
    bodies, again = [AlertBody.of(alert_) for alert_ in alerts], [AlertBody.of(alert_) for alert_ in reinstated]
    text = withdrawal_text(ORDERS, sequence, "late data", bodies, again)
    receipt = Lake(open_store(str(folder))).ingest([AlertDocument(text, "withdrawal")])
    assert (receipt.withdrawals, receipt.refused, receipt.failed) == (1, (), ())


def write_causes(
    folder: Path,
    causes: Mapping[Alert, Sequence[Cause]],
    sequence: int = 5,
    detector_arn: str = ORDERS,
) -> None:
    """Ingest a document of the causes of the groups of some alerts of one detector."""
    groups = (
        GroupCauses(alert_.anomaly_group_id or "", alert_.metric_name, alert_.timestamp, tuple(of_group))
        for alert_, of_group in causes.items()
    )
    text = causes_text(detector_arn, sequence, groups)
    receipt = Lake(open_store(str(folder))).ingest([AlertDocument(text, "causes")])
    assert (receipt.causes, receipt.refused, receipt.failed) == (1, (), ())


def rows(lake: LakeHandle, sql: str) -> list[dict[str, Any]]:
    columns, values = lake.query_rows(sql)
    return [dict(zip(columns, row, strict=True)) for row in values]


def same(actual: Iterable[dict[str, Any]], expected: Iterable[dict[str, Any]]) -> None:
    """Compare rows without their order."""
    assert sorted(map(_text, actual)) == sorted(map(_text, expected))


def _text(row: dict[str, Any]) -> str:
    return repr({key: value.normalize() if isinstance(value, Decimal) else value for key, value in row.items()})


def shown(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the alert with the lowest digest for each identity."""
    best: dict[tuple[str, str], Alert] = {}
    for alert_ in alerts:
        key = (alert_.detector, alert_.alert_id)
        if key not in best or alert_.digest < best[key].digest:
            best[key] = alert_
    return list(best.values())


def _head(alert_: Alert) -> dict[str, Any]:
    return {
        "detector": alert_.detector,
        "detector_arn": alert_.detector_arn,
        "alert_event_id": alert_.alert_event_id,
        "anomaly_group_id": alert_.anomaly_group_id,
        "timestamp": alert_.timestamp.utc,
        "timezone": alert_.timestamp.timezone,
        "local_timestamp": alert_.timestamp.local,
        "metric_name": alert_.metric_name,
    }


def metric_values(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    return [
        {
            **_head(alert_),
            "metric_value": series.metric_value,
            "anomaly_score": alert_.anomaly_score,
            "time_series_id": series.time_series_id,
            "dimensions": dict(series.dimensions),
        }
        for alert_ in shown(alerts)
        for series in alert_.time_series
    ]


def dimension_contributions(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    return [
        {
            **_head(alert_),
            "dimension_name": share.dimension_name,
            "dimension_value": share.dimension_value,
            "value_contribution": share.value_contribution,
        }
        for alert_ in shown(alerts)
        for share in alert_.contributions
    ]


def wide_scores(
    alerts: Iterable[Alert], detector_arn: str, dimensions: dict[str, str], measures: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the rows of metricvalue_anomalyscore without `key`; `dimensions` has the columns by dimension."""
    cells: dict[tuple[Any, ...], dict[str, tuple[float, str, str, Decimal | None]]] = defaultdict(dict)
    clocks: dict[tuple[Any, ...], tuple[str, datetime]] = {}
    for alert_ in shown(alerts):
        if alert_.detector_arn != detector_arn:
            continue
        for series in alert_.time_series:
            values = dict(series.dimensions)
            key = (alert_.timestamp.utc, *(values.get(name) for name in dimensions))
            clocks[key] = (alert_.timestamp.timezone, alert_.timestamp.local)
            new = (-alert_.anomaly_score, alert_.alert_event_id, series.time_series_id or "", series.metric_value)
            old = cells[key].get(alert_.metric_name)
            if old is None or new[:3] < old[:3]:
                cells[key][alert_.metric_name] = new
    result = []
    for key, by_measure in cells.items():
        row: dict[str, Any] = {"timestamp": key[0], **dict(zip(dimensions.values(), key[1:], strict=True))}
        for measure in measures:
            score, _, _, value = by_measure.get(measure, (None, "", "", None))
            row[f"{measure}anomalymetricvalue"] = value
            row[f"{measure}groupscore"] = None if score is None else -score
        row["timezone"], row["local_timestamp"] = clocks[key]
        result.append(row)
    return result


def contributions_and_metrics(
    alerts: Iterable[Alert], detector_arn: str, dimensions: dict[str, str], measures: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the rows of with_dimensioncontributions."""
    result = []
    for alert_ in shown(alerts):
        if alert_.detector_arn != detector_arn:
            continue

        def row(share: Contribution | None, series: TimeSeries | None, alert_: Alert = alert_) -> dict[str, Any]:
            values = (
                dict(series.dimensions) if series else {share.dimension_name: share.dimension_value} if share else {}
            )
            cells: dict[str, Any] = {
                "timestamp": alert_.timestamp.utc,
                "metricname": alert_.metric_name,
                "dimensionname": share and share.dimension_name,
                "dimensionvalue": share and share.dimension_value,
                "valuecontribution": share and share.value_contribution,
                **{column: values.get(name) for name, column in dimensions.items()},
            }
            for measure in measures:
                is_own_measure = measure == alert_.metric_name
                cells[f"{measure}anomalymetricvalue"] = series.metric_value if series and is_own_measure else None
                cells[f"{measure}groupscore"] = alert_.anomaly_score if is_own_measure else None
            return cells

        unused = sorted(alert_.contributions, key=lambda share: -share.value_contribution)
        used_pairs: set[tuple[str, str] | None] = set()
        for series in sorted(alert_.time_series, key=lambda series: series.time_series_id or ""):
            first = min(series.dimensions, default=None)
            pairs = (share for share in unused if (share.dimension_name, share.dimension_value) == first)
            share = next(pairs, None) if first not in used_pairs else None
            used_pairs.add(first)
            if share is not None:
                unused.remove(share)
            result.append(row(share, series))
        result.extend(row(share, None) for share in unused)
    return result
