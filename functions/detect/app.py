"""Handler of the function detect: an interval of a detector has ended."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from anomalake.aws.environment import DetectEnvironment
from anomalake.aws.glue_job_runs import GlueJobRuns
from anomalake.aws.observability import count, count_for, logger, observed
from anomalake.definitions.errors import SourceError
from anomalake.detection.live import LiveDetector
from anomalake.detection.live_groups import DeliverySummary
from anomalake.errors import AnomalakeError
from anomalake.records.executions import EARLY, FAILED, SKIPPED, STARTED, SUCCEEDED, Execution
from anomalake.services.scale import JobRuns, most_metrics, run_or_start
from anomalake.services.sources import register_source
from anomalake.services.stack import Stack


class DetectEventError(AnomalakeError):
    """An invalid event: its content, and what was expected."""


@cache
def _wired() -> tuple[Stack, GlueJobRuns | None]:
    environment = DetectEnvironment.read(os.environ)
    return Stack(environment), GlueJobRuns(environment.job) if environment.job is not None else None


@observed
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Entry point of the function."""
    stack, jobs = _wired()
    name, at = read_request(event)
    detector = stack.detector(name)
    if jobs is None and detector.scale == "spark":
        logger.warning("Scale: spark, but the stack has no job (SparkEnabled)", detector=name)
    most = most_metrics(int(context.memory_limit_in_mb), detector.frequency) if jobs is not None else None
    live = stack.live(detector, most_metrics=most)
    return detect(live, at, lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()), jobs)


def detect(live: LiveDetector, at: datetime | None, time_left: Any, jobs: JobRuns | None = None) -> dict[str, Any]:
    """Run the due intervals. A failed interval is counted and logged; it does not fail the invocation."""
    statuses = {}
    for execution, deliveries in run_or_start(live, at, time_left, jobs):
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
    ran = int(execution.status not in (EARLY, SKIPPED, STARTED))
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
