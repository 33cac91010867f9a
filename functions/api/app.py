"""Handler of the function api: a request of Lookout for Metrics' API, or of CloudFormation for a detector or alert."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from anomalake.aws import custom_resource, lookoutmetrics_resource
from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import ApiEnvironment
from anomalake.aws.function_jobs import FunctionJobs
from anomalake.aws.observability import logger, observed
from anomalake.lake.lake import utc_now
from anomalake.server.lookoutmetrics.answering import answer, call
from anomalake.server.lookoutmetrics.function_url import request_of, result_of
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.services.workspace import Account, Bounds, Workspace
from anomalake.storage.objects import open_store


@cache
def _wired() -> Workspace:
    environment = ApiEnvironment.read(os.environ)
    return Workspace(
        lake=environment.lake,
        store=open_store(environment.lake),
        files=DetectorFiles(environment.detectors, environment.region, environment.account),
        account=Account(environment.partition, environment.region, environment.account),
        now=utc_now,
        jobs=FunctionJobs(environment.detect, environment.backtest),
        bounds=Bounds(environment.sources, environment.targets, environment.reserved),
    )


@observed
def handler(event: Any, context: Any) -> Mapping[str, Any]:
    """Entry point of the function."""
    if custom_resource.is_request(event):
        make(event, _wired(), lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))
        return {}
    return respond(event, _wired(), context.aws_request_id)


def make(event: Mapping[str, Any], workspace: Workspace, time_left: Callable[[], timedelta]) -> None:
    """Create, update or delete a detector or an alert of a template, and send the result to CloudFormation."""
    failure = lookoutmetrics_resource.respond(
        event, lambda name, members: call(name, members, workspace, all_handlers()), time_left
    )
    log = logger.error if failure else logger.info
    log("resource", resource=event["LogicalResourceId"], request=event["RequestType"], reason=str(failure or ""))


def respond(event: Any, workspace: Workspace, request_id: str | None = None) -> Mapping[str, Any]:
    """Answer a request. AWS has checked its signature, and that the caller may invoke the function."""
    request = request_of(event)
    response = answer(request, workspace, all_handlers(), _report, request_id)
    logger.info("answered", method=request.method, path=request.path[:200], status=response.status)
    return result_of(response)


def _report(line: str, error: Exception) -> None:
    logger.error("request failed", reason=line, exc_info=error)
