"""The backtests that definitions of detectors ask for."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.definitions.detector_file import parse_detector
from anomalake.records.definitions import AlertDefinition, DetectorDefinition, list_definitions, read_definition
from anomalake.services.backtest_jobs import BacktestRequest
from anomalake.storage.store import ObjectStore

#: The tag of a detector whose backtests call the functions and topics of its alerts, and its value.
SEND_TAG: Final = ("anomalake:BacktestAlerts", "send")


def backtest_request(store: ObjectStore, data: str, name: str) -> BacktestRequest | None:
    """Return the backtest that a detector's definition asks for; None where it asks for none.

    Parameters
    ----------
    store
        The lake.
    data
        Base of relative paths of source data, a folder or URI.
    name
        Name of the detector.

    Raises
    ------
    RecordError, StoreError
    """
    definition = read_definition(store, name)
    if definition is None or not _is_asked_for(definition):
        return None
    return _request(definition, data)


def backtest_requests(store: ObjectStore, data: str) -> dict[str, BacktestRequest]:
    """Return all backtests that definitions ask for, by name of the detector; raises `RecordError`, `StoreError`."""
    return {one.name: _request(one, data) for one in list_definitions(store) if _is_asked_for(one)}


def _is_asked_for(definition: DetectorDefinition) -> bool:
    return definition.wanted == "BACK_TEST" and bool(definition.backtest)


def _request(definition: DetectorDefinition, data: str) -> BacktestRequest:
    calling = [alert.changed_at for alert in definition.alerts if alert.fields.get("Action")]
    return BacktestRequest(
        definition.backtest,
        partial(_detector, definition, data),
        sends=definition.tags.get(SEND_TAG[0]) == SEND_TAG[1],
        alerted_at=max(calling, default=None),
    )


def _detector(definition: DetectorDefinition, data: str) -> Detector:
    """Read the detector of a definition; raises `DetectorFileError`."""
    if definition.metric_set is None:
        raise DetectorFileError((f"detector {definition.name}: has no metric set; expected one",))
    document: dict[str, Any] = {
        **definition.settings,
        "AnomalyDetectorName": definition.name,
        "AnomalyDetectorArn": definition.arn,
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": definition.frequency} if definition.frequency else {},
        "MetricSet": {**definition.metric_set.fields, "MetricSetName": definition.metric_set.name},
        "Alerts": [_alert(alert) for alert in definition.alerts],
    }
    if definition.description:
        document["AnomalyDetectorDescription"] = definition.description
    return parse_detector(json.dumps(document), f"detector {definition.name}", data=data)


def _alert(alert: AlertDefinition) -> dict[str, Any]:
    return {**alert.fields, "AlertName": alert.name, "AlertArn": alert.arn}
