"""An interval of a detector has ended, and its offset: judges it, and what was missed before it."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import DetectEnvironment
from anomalake.aws.observability import count, count_for, logger, observed
from anomalake.definitions.detector import Detector
from anomalake.definitions.errors import SourceError
from anomalake.detection.live import LiveDetector
from anomalake.detection.live_groups import DeliverySummary
from anomalake.errors import AnomalakeError
from anomalake.lake.lake import Lake
from anomalake.records.executions import EARLY, FAILED, SKIPPED, SUCCEEDED, Execution
from anomalake.services.detect import NotificationTopics, live_detector, stack_rules
from anomalake.services.source_registration import register_source
from anomalake.storage.objects import open_store


class DetectEventError(AnomalakeError):
    """An event that no interval can be judged by: what it holds, and what was expected."""


@cache
def _wired() -> tuple[DetectEnvironment, Lake, DetectorFiles]:
    told = DetectEnvironment.read(os.environ)
    lake = Lake(open_store(told.lake), formats=told.formats)
    return told, lake, DetectorFiles(told.detectors, told.region, told.account)


@observed
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Entry point of the function."""
    told, lake, files = _wired()
    name, at = asked(event)
    detector = files.read(name)
    if detector is None:
        raise DetectEventError(f"detector {name!r}: there is no file {told.detectors}/{name}.yaml or .json")
    people = NotificationTopics(told.long_text_topic, told.short_text_topic, told.threshold)
    live = live_detector(detector, lake, stack_rules(detector, lake, told.ingest, people), page=told.page)
    return detect(live, at, lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))


def detect(live: LiveDetector, at: datetime | None, time_left: Any) -> dict[str, Any]:
    """Run what is due; what went wrong with an interval is counted and told, and fails nothing."""
    statuses = {}
    for execution, told in live.run(at, time_left=time_left):
        _tell(live.detector.name, execution, told)
        statuses[execution.timestamp.isoformat()] = execution.status
        if execution.status == SUCCEEDED:
            _register(live.detector, live, execution.timestamp)
    return {"detector": live.detector.name, "executions": statuses}


def asked(event: Any) -> tuple[str, datetime | None]:
    """The detector's name, and the instant whose interval is to be run; raises `DetectEventError`."""
    expected = 'expected {"detector": NAME} or {"detector": NAME, "at": "2021-02-17T11:00Z"}'
    if not isinstance(event, dict) or not isinstance(event.get("detector"), str):
        raise DetectEventError(f"event {str(event)[:200]}: {expected}")
    try:
        at = datetime.fromisoformat(event["at"]) if event.get("at") is not None else None
    except (TypeError, ValueError) as error:
        raise DetectEventError(f"event: at: {event['at']!r}: {expected}") from error
    if at is not None and at.tzinfo is None:
        raise DetectEventError(f"event: at: {event['at']!r}: has no zone; {expected}")
    return event["detector"], at


def _register(detector: Detector, live: LiveDetector, start: datetime) -> None:
    try:
        register_source(live.store, detector.metric_set, start)
    except SourceError as error:
        logger.warning("source not registered", detector=detector.name, reason=str(error))


def _tell(detector: str, execution: Execution, told: DeliverySummary) -> None:
    ran = int(execution.status not in (EARLY, SKIPPED))
    done = {"ExecutionsStarted": ran, "ExecutionsFailed": int(execution.status == FAILED)}
    done["ExecutionsSucceeded"] = ran - done["ExecutionsFailed"]
    count("ExecutionsStarted", done["ExecutionsStarted"])
    count("ExecutionsSucceeded", done["ExecutionsSucceeded"])
    count("ExecutionsFailed", done["ExecutionsFailed"])
    count("Delivered", execution.delivered)
    count("Undelivered", execution.undelivered)
    count_for({"detector": detector}, done)
    for alert in told.delivered.keys() | told.undelivered.keys():
        numbers = {"Delivered": told.delivered.get(alert, 0), "Undelivered": told.undelivered.get(alert, 0)}
        count_for({"detector": detector, "alert": alert}, numbers)
    log = logger.error if execution.status == FAILED else logger.info
    log("interval", detector=detector, execution=execution.to_fields())
