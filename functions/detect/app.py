"""Handler of the function detect: an interval of a detector has ended."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import DetectEnvironment
from anomalake.aws.observability import count, count_for, logger, observed
from anomalake.definitions.errors import SourceError
from anomalake.detection.live import LiveDetector
from anomalake.detection.live_groups import DeliverySummary
from anomalake.errors import AnomalakeError
from anomalake.lake.lake import Lake
from anomalake.records.executions import EARLY, FAILED, SKIPPED, SUCCEEDED, Execution
from anomalake.services.detect import NotificationTopics, live_detector, stack_rules
from anomalake.services.sources import register_source
from anomalake.storage.objects import open_store


class DetectEventError(AnomalakeError):
    """An invalid event: its content, and what was expected."""


@cache
def _wired() -> tuple[DetectEnvironment, Lake, DetectorFiles]:
    environment = DetectEnvironment.read(os.environ)
    lake = Lake(open_store(environment.lake), formats=environment.formats)
    files = DetectorFiles(environment.detectors, environment.region, environment.account)
    return environment, lake, files


@observed
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Entry point of the function."""
    environment, lake, files = _wired()
    name, at = read_request(event)
    detector = files.read(name)
    if detector is None:
        raise DetectEventError(f"detector {name!r}: there is no file {environment.detectors}/{name}.yaml or .json")
    topics = NotificationTopics(environment.long_text_topic, environment.short_text_topic, environment.threshold)
    rules = stack_rules(detector, lake, environment.ingest, topics)
    live = live_detector(detector, lake, rules, page=environment.page)
    return detect(live, at, lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))


def detect(live: LiveDetector, at: datetime | None, time_left: Any) -> dict[str, Any]:
    """Run the due intervals. A failed interval is counted and logged; it does not fail the invocation."""
    statuses = {}
    for execution, deliveries in live.run(at, time_left=time_left):
        _report(live.detector.name, execution, deliveries)
        statuses[execution.timestamp.isoformat()] = execution.status
        if execution.status == SUCCEEDED:
            _register(live, execution.timestamp)
    return {"detector": live.detector.name, "executions": statuses}


def read_request(event: Any) -> tuple[str, datetime | None]:
    """Read the detector's name and the instant of the interval from an event; raises `DetectEventError`."""
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


def _register(live: LiveDetector, start: datetime) -> None:
    try:
        register_source(live.store, live.detector.metric_set, start)
    except SourceError as error:
        logger.warning("source not registered", detector=live.detector.name, reason=str(error))


def _report(detector: str, execution: Execution, deliveries: DeliverySummary) -> None:
    ran = int(execution.status not in (EARLY, SKIPPED))
    counts = {"ExecutionsStarted": ran, "ExecutionsFailed": int(execution.status == FAILED)}
    counts["ExecutionsSucceeded"] = ran - counts["ExecutionsFailed"]
    count("ExecutionsStarted", counts["ExecutionsStarted"])
    count("ExecutionsSucceeded", counts["ExecutionsSucceeded"])
    count("ExecutionsFailed", counts["ExecutionsFailed"])
    count("Delivered", execution.delivered)
    count("Undelivered", execution.undelivered)
    count_for({"detector": detector}, counts)
    for alert in deliveries.delivered.keys() | deliveries.undelivered.keys():
        numbers = {"Delivered": deliveries.delivered.get(alert, 0), "Undelivered": deliveries.undelivered.get(alert, 0)}
        count_for({"detector": detector, "alert": alert}, numbers)
    log = logger.error if execution.status == FAILED else logger.info
    log("interval", detector=detector, execution=execution.to_fields())
