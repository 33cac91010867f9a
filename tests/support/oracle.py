"""What the relations must say of original texts: an independent reading that shares no code with the package."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

Row = tuple[Any, ...]


def relations(originals: Iterable[str]) -> dict[str, list[Row]]:
    """Rows of alerts, metric_values and dimension_contributions, each sorted, for a set of well-formed documents."""
    shown: dict[tuple[str, str, datetime], tuple[str, dict[str, Any]]] = {}
    documents = [json.loads(text, parse_float=Decimal) for text in originals]
    withdrawn = _withdrawn(document for document in documents if document.get("record") == "anomalake/withdrawal")
    for alert in documents:
        if "record" in alert:
            continue
        identity = (alert["alertEventId"], alert["impactedMetric"]["metricName"], _utc(alert["timestamp"]))
        body = (_digest(alert), alert)
        if (identity, body[0]) in withdrawn:
            continue
        if identity not in shown or body[0] < shown[identity][0]:
            shown[identity] = body
    made: dict[str, list[Row]] = {"alerts": [], "metric_values": [], "dimension_contributions": []}
    for _, alert in shown.values():
        arn = alert["anomalyDetectorArn"]
        utc = _utc(alert["timestamp"])
        zone = re.search(r"\[(.+)\]", alert["timestamp"])
        assert zone is not None
        local = utc.replace(tzinfo=UTC).astimezone(ZoneInfo(zone[1])).replace(tzinfo=None)
        head = (arn.rpartition(":")[2], arn, alert["alertEventId"], alert.get("anomalyGroupId"), utc, zone[1], local)
        metric = alert["impactedMetric"]
        score = float(alert["anomalyScore"])
        made["alerts"].append((*head, metric["metricName"], score))
        for series in metric["relevantTimeSeries"]:
            dimensions = {pair["dimensionName"]: pair["dimensionValue"] for pair in series["dimensions"]}
            made["metric_values"].append(
                (
                    *head,
                    metric["metricName"],
                    Decimal(series["metricValue"]).quantize(Decimal(1).scaleb(-20)),
                    score,
                    series["timeSeriesId"],
                    tuple(sorted(dimensions.items())),
                )
            )
        for dimension in metric["dimensionContribution"]:
            for share in dimension["dimensionValueContributions"]:
                made["dimension_contributions"].append(
                    (
                        *head,
                        metric["metricName"],
                        dimension["dimensionName"],
                        share["dimensionValue"],
                        share["valueContribution"],
                    )
                )
    intervals = {(row[1], row[3], row[7], row[4]) for row in made["alerts"]}
    states = _causes(document for document in documents if document.get("record") == "anomalake/causes")
    made["causes"] = [row for interval, (_, _, rows) in states.items() if interval in intervals for row in rows]
    return {name: sorted(rows, key=repr) for name, rows in made.items()}


def _causes(documents: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], tuple[int, str, list[Row]]]:
    """Return the rows of the causes that the deciding documents state (ADR 0017), by ARN, group, measure and time."""
    states: dict[tuple[Any, ...], tuple[int, str, list[Row]]] = {}
    for document in documents:
        arn = document["anomalyDetectorArn"]
        for group in document["groups"]:
            head = (group["anomalyGroupId"], group["metricName"], _utc(group["timestamp"]))
            rows = [
                (
                    arn.rpartition(":")[2],
                    arn,
                    *head,
                    rank,
                    tuple(sorted((pair["dimensionName"], pair["dimensionValue"]) for pair in cause["dimensions"])),
                    None if cause["shareOff"] is None else float(cause["shareOff"]),
                    float(cause["explained"]),
                    float(cause["gain"]),
                )
                for rank, cause in enumerate(group["causes"], 1)
            ]
            state = (document["sequence"], _digest(document), rows)
            states[arn, *head] = max(state, states.get((arn, *head), state), key=lambda state: state[:2])
    return states


def _withdrawn(documents: Iterable[dict[str, Any]]) -> set[tuple[tuple[str, str, datetime], str]]:
    """Return the bodies that the deciding documents withdraw (ADR 0010)."""
    states: dict[tuple[tuple[str, str, datetime], str], tuple[str, str, bool]] = {}
    for document in documents:
        for field in ("withdrawn", "reinstated"):
            for body in document[field]:
                key = ((body["alertEventId"], body["metricName"], _utc(body["timestamp"])), body["digest"])
                state = (document["sequence"], _digest(document), field == "withdrawn")
                states[key] = max(state, states.get(key, state))
    return {key for key, (_, _, is_withdrawn) in states.items() if is_withdrawn}


HEAD = "detector, detector_arn, alert_event_id, anomaly_group_id, timestamp, timezone, local_timestamp, metric_name"
COLUMNS = {
    "alerts": f"{HEAD}, anomaly_score",
    "metric_values": f"{HEAD}, metric_value, anomaly_score, time_series_id, dimensions",
    "dimension_contributions": f"{HEAD}, dimension_name, dimension_value, value_contribution",
    "causes": "detector, detector_arn, anomaly_group_id, metric_name, timestamp, rank, dimensions, share_off, "
    "explained, gain",
}


def answers(lake: Any) -> dict[str, list[Row]]:
    """What a lake says to the same questions, in the same form."""
    made = {}
    for relation, columns in COLUMNS.items():
        _, rows = lake.query_rows(f"SELECT {columns} FROM {relation}")
        made[relation] = sorted((tuple(map(_plain, row)) for row in rows), key=repr)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-20))
    return value


def _utc(stamp: str) -> datetime:
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d)\[.+\]", stamp)
    assert found is not None, stamp
    wall = datetime.strptime(found[1], "%Y-%m-%dT%H:%M") + timedelta(seconds=int(found[2] or 0))
    if found[3] == "Z":
        return wall
    sign = -1 if found[3][0] == "-" else 1
    return wall - sign * timedelta(hours=int(found[3][1:3]), minutes=int(found[3][4:6]))


def digest(text: str) -> str:
    """Digest of the body of an alert."""
    return _digest(json.loads(text, parse_float=Decimal))


def _digest(alert: Any) -> str:
    def numbers(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: numbers(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [numbers(inner) for inner in value]
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else {"\x00number": str(value.normalize())}
        return value

    text = json.dumps(numbers(alert), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _rows_of(body: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(pa.BufferReader(body)).read(use_threads=False).to_pylist()
    return rows


def shown_in_tables(store: Any) -> dict[str, list[Row]]:
    """What the table files of a store say, by ADR 0001's rule, read without SQL: for stores that no engine reads."""
    shown: dict[str, tuple[str, str, dict[str, Any]]] = {}
    states: dict[tuple[str, str], tuple[str, str, bool]] = {}
    for found in store.list("tables/withdrawal_rows"):
        partition = dict(part.split("=", 1) for part in found.key.split("/")[2:4])
        for row in _rows_of(store.get(found.key)):
            assert (row["detector"], row["day"]) == (partition["detector"], partition["day"])
            state = (row["sequence"], row["document"], row["is_withdrawn"])
            states[row["alert_id"], row["digest"]] = max(state, states.get((row["alert_id"], row["digest"]), state))
    for found in store.list("tables/alert_rows"):
        partition = dict(part.split("=", 1) for part in found.key.split("/")[2:4])
        for row in _rows_of(store.get(found.key)):
            assert row["timestamp"].strftime("%Y-%m-%d") == partition["day"]
            if states.get((row["alert_id"], row["digest"]), ("", "", False))[2]:
                continue
            if row["alert_id"] not in shown or row["digest"] < shown[row["alert_id"]][0]:
                shown[row["alert_id"]] = (row["digest"], partition["detector"], row)
    made: dict[str, list[Row]] = {"alerts": [], "metric_values": [], "dimension_contributions": []}
    names = ("detector_arn", "alert_event_id", "anomaly_group_id", "timestamp", "timezone", "local_timestamp")
    for _, detector, row in shown.values():
        head = (detector, *(row[name] for name in names))
        made["alerts"].append((*head, row["metric_name"], row["anomaly_score"]))
        for series in row["time_series"]:
            values = (series["metric_value"], row["anomaly_score"], series["time_series_id"])
            made["metric_values"].append((*head, row["metric_name"], *values, tuple(sorted(series["dimensions"]))))
        for share in row["contributions"]:
            made["dimension_contributions"].append((*head, row["metric_name"], *share.values()))
    intervals = {(row[0], row[1], row[3], row[7], row[4]) for row in made["alerts"]}
    stated: dict[tuple[Any, ...], tuple[int, str, list[Any]]] = {}
    for found in store.list("tables/cause_rows"):
        partition = dict(part.split("=", 1) for part in found.key.split("/")[2:4])
        for row in _rows_of(store.get(found.key)):
            assert row["timestamp"].strftime("%Y-%m-%d") == partition["day"]
            fields = (row[name] for name in ("detector_arn", "anomaly_group_id", "metric_name", "timestamp"))
            key = (partition["detector"], *fields)
            said = (row["sequence"], row["document"], row["causes"])
            stated[key] = max(said, stated.get(key, said), key=lambda said: said[:2])
    made["causes"] = [
        (*key, rank, tuple(sorted(cause["dimensions"])), cause["share_off"], cause["explained"], cause["gain"])
        for key, (_, _, causes) in stated.items()
        if key in intervals
        for rank, cause in enumerate(causes, 1)
    ]
    return {name: sorted(rows, key=repr) for name, rows in made.items()}
