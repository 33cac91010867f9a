"""Handler of the function schedule: a detector file was created, changed or deleted, or the stack was deployed."""

from __future__ import annotations

import os
from typing import Any

from anomalake.aws import custom_resource
from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import ScheduleEnvironment
from anomalake.aws.observability import count, logger, observed
from anomalake.aws.schedules import Schedules
from anomalake.errors import AnomalakeError
from anomalake.records.keys import parse_detector_file_key
from anomalake.services.schedules import update_schedules


class ScheduleError(AnomalakeError):
    """Invalid detector files, each with all of its problems."""


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    if custom_resource.is_request(event):
        # A deployment is not rolled back because of an invalid detector file.
        custom_resource.answer(event, "schedules", _update_all)
        return {}
    response = _update_all() if "detail" not in event else _update_file(event["detail"]["object"]["key"])
    if response["refused"]:
        raise ScheduleError("; ".join(response["refused"]))
    return response


def _update_all() -> dict[str, Any]:
    files, schedules = _wired()
    return respond(files.names(), files, schedules)


def _update_file(key: str) -> dict[str, Any]:
    """Update the schedule of a file's detector by what the file holds now, not by the event."""
    files, schedules = _wired()
    name = parse_detector_file_key(key)
    return respond([name] if name is not None else [], files, schedules)


def _wired() -> tuple[DetectorFiles, Schedules]:
    environment = ScheduleEnvironment.read(os.environ)
    files = DetectorFiles(environment.detectors, environment.region, environment.account)
    return files, Schedules(environment.group, environment.detect, environment.role)


def respond(names: list[str], files: DetectorFiles, schedules: Schedules) -> dict[str, Any]:
    """Update the schedules of detectors, and return how many were created or deleted, and what was refused."""
    result = update_schedules(names, files, schedules)
    for name, reason in result.refused.items():
        logger.error("detector file refused", detector=name, reason=reason)
    count("DetectorFilesRefused", len(result.refused))
    logger.info(
        "schedules in line",
        detectors=names, scheduled=result.scheduled, deleted=result.deleted, refused=len(result.refused),
    )  # fmt: skip
    return {"scheduled": result.scheduled, "deleted": result.deleted, "refused": list(result.refused.values())}
