"""Handler of the function schedule: a detector file is new, changed or deleted, or the stack was deployed."""

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
from anomalake.services.job_files import put_job_files
from anomalake.services.schedules import update_schedules


class ScheduleError(AnomalakeError):
    """Invalid detector files, each with all its problems."""


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    if custom_resource.is_request(event):
        # An invalid detector file must not roll back a deployment.
        custom_resource.answer(event, "schedules", _deployed)
        return {}
    result = _update(event["detail"]["object"]["key"] if "detail" in event else None)
    if result["refused"]:
        raise ScheduleError("; ".join(result["refused"]))
    return result


def _deployed() -> None:
    """Update all schedules, and the files of the job on Apache Spark if there is one."""
    environment = ScheduleEnvironment.read(os.environ)
    if environment.job_files is not None:
        put_job_files(environment.job_files)
    _update()


def _update(key: str | None = None) -> dict[str, Any]:
    """Update the schedule of the detector whose file has the key, or those of all detectors.

    The file is read as it is now, whatever the event says.
    """
    environment = ScheduleEnvironment.read(os.environ)
    files = DetectorFiles(environment.detectors, environment.region, environment.account)
    schedules = Schedules(environment.group, environment.detect, environment.role)
    if key is None:
        names = files.names()
    else:
        name = parse_detector_file_key(key)
        names = [name] if name is not None else []
    return update(names, files, schedules)


def update(names: list[str], files: DetectorFiles, schedules: Schedules) -> dict[str, Any]:
    """Update the schedules of detectors, and build the function's response."""
    report = update_schedules(names, files, schedules)
    count("DetectorFilesRefused", len(report.refused))
    for name, reason in report.refused.items():
        logger.error("detector file refused", detector=name, reason=reason)
    logger.info(
        "schedules updated",
        detectors=names, scheduled=report.scheduled, deleted=report.deleted, refused=len(report.refused),
    )  # fmt: skip
    return {"scheduled": report.scheduled, "deleted": report.deleted, "refused": list(report.refused.values())}
