"""Lakes for tests of the catalog, and what their relations must say, in plain Python."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from anomalake.alerts import Alert, Contribution, TimeSeries
from anomalake.alerts.timestamps import ZonedTimestamp
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
) -> Alert:
    """One alert; `when` is UTC, `body` makes another body of the same identity."""
    utc = datetime.fromisoformat(when)
    local = utc.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    identity = hashlib.sha256(f"{event}|{metric}|{when}".encode()).hexdigest()[:32]
    digest = hashlib.sha256(f"{identity}|{series}|{shares}|{score}|{body}".encode()).hexdigest()
    return Alert(
        alert_id=identity,
        digest=digest,
        detector=detector_arn.rpartition(":")[2],
        detector_arn=detector_arn,
        alert_event_id=event,
        anomaly_group_id=None,
        timestamp=ZonedTimestamp(utc, local, zone, f"{utc.timestamp():.9f}"),
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
    """Write alerts' rows into a lake, a file a call and partition."""
    store = open_store(str(folder))
    lake = Lake(store, formats=formats)
    store.put(layout.SETTINGS, json.dumps({"formats": list(formats)}).encode())
    partitions = defaultdict(list)
    for one in alerts:
        partitions[layout.partition_of(one)].append(one)
    for partition, members in partitions.items():
        lake.write_shapes(members)
        lake.write_rows(partition, members)
    return open_lake(str(folder))


def rows(lake: LakeHandle, sql: str) -> list[dict[str, Any]]:
    columns, found = lake.query_rows(sql)
    return [dict(zip(columns, row, strict=True)) for row in found]


def same(found: Iterable[dict[str, Any]], expected: Iterable[dict[str, Any]]) -> None:
    """Compare rows without their order."""
    assert sorted(map(_text, found)) == sorted(map(_text, expected))


def _text(row: dict[str, Any]) -> str:
    return repr({key: value.normalize() if isinstance(value, Decimal) else value for key, value in row.items()})


def shown(alerts: Iterable[Alert]) -> list[Alert]:
    """Of each identity, the body that the tables show."""
    best: dict[tuple[str, str], Alert] = {}
    for one in alerts:
        key = (one.detector, one.alert_id)
        if key not in best or one.digest < best[key].digest:
            best[key] = one
    return list(best.values())


def _head(one: Alert) -> dict[str, Any]:
    return {
        "detector": one.detector,
        "detector_arn": one.detector_arn,
        "alert_event_id": one.alert_event_id,
        "anomaly_group_id": one.anomaly_group_id,
        "timestamp": one.timestamp.utc,
        "timezone": one.timestamp.timezone,
        "local_timestamp": one.timestamp.local,
        "metric_name": one.metric_name,
    }


def metric_values(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    return [
        {
            **_head(one),
            "metric_value": series.metric_value,
            "anomaly_score": one.anomaly_score,
            "time_series_id": series.time_series_id,
            "dimensions": dict(series.dimensions),
        }
        for one in shown(alerts)
        for series in one.time_series
    ]


def dimension_contributions(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    return [
        {
            **_head(one),
            "dimension_name": share.dimension_name,
            "dimension_value": share.dimension_value,
            "value_contribution": share.value_contribution,
        }
        for one in shown(alerts)
        for share in one.contributions
    ]


def wide_scores(
    alerts: Iterable[Alert], detector_arn: str, dimensions: dict[str, str], measures: Sequence[str]
) -> list[dict[str, Any]]:
    """metricvalue_anomalyscore without its key; `dimensions` name their columns."""
    cells: dict[tuple[Any, ...], dict[str, tuple[float, str, str, Decimal | None]]] = defaultdict(dict)
    clocks: dict[tuple[Any, ...], tuple[str, datetime]] = {}
    for one in shown(alerts):
        if one.detector_arn != detector_arn:
            continue
        for series in one.time_series:
            values = dict(series.dimensions)
            place = (one.timestamp.utc, *(values.get(name) for name in dimensions))
            clocks[place] = (one.timestamp.timezone, one.timestamp.local)
            new = (-one.anomaly_score, one.alert_event_id, series.time_series_id or "", series.metric_value)
            old = cells[place].get(one.metric_name)
            if old is None or new[:3] < old[:3]:
                cells[place][one.metric_name] = new
    made = []
    for place, by_measure in cells.items():
        row: dict[str, Any] = {"timestamp": place[0], **dict(zip(dimensions.values(), place[1:], strict=True))}
        for measure in measures:
            score, _, _, value = by_measure.get(measure, (None, "", "", None))
            row[f"{measure}anomalymetricvalue"] = value
            row[f"{measure}groupscore"] = None if score is None else -score
        row["timezone"], row["local_timestamp"] = clocks[place]
        made.append(row)
    return made


def side_by_side(
    alerts: Iterable[Alert], detector_arn: str, dimensions: dict[str, str], measures: Sequence[str]
) -> list[dict[str, Any]]:
    """with_dimensioncontributions, alert by alert, by hand."""
    made = []
    for one in shown(alerts):
        if one.detector_arn != detector_arn:
            continue

        def row(share: Contribution | None, series: TimeSeries | None, one: Alert = one) -> dict[str, Any]:
            values = (
                dict(series.dimensions) if series else {share.dimension_name: share.dimension_value} if share else {}
            )
            cells: dict[str, Any] = {
                "timestamp": one.timestamp.utc,
                "metricname": one.metric_name,
                "dimensionname": share and share.dimension_name,
                "dimensionvalue": share and share.dimension_value,
                "valuecontribution": share and share.value_contribution,
                **{column: values.get(name) for name, column in dimensions.items()},
            }
            for measure in measures:
                own = measure == one.metric_name
                cells[f"{measure}anomalymetricvalue"] = series.metric_value if series and own else None
                cells[f"{measure}groupscore"] = one.anomaly_score if own else None
            return cells

        waiting = sorted(one.contributions, key=lambda share: -share.value_contribution)
        seen: set[tuple[str, str] | None] = set()
        for series in sorted(one.time_series, key=lambda series: series.time_series_id or ""):
            first = min(series.dimensions, default=None)
            pairs = (share for share in waiting if (share.dimension_name, share.dimension_value) == first)
            beside = next(pairs, None) if first not in seen else None
            seen.add(first)
            if beside is not None:
                waiting.remove(beside)
            made.append(row(beside, series))
        made.extend(row(share, None) for share in waiting)
    return made
