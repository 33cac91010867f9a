"""A detector file has come, changed or gone, or the stack has: brings the detectors' schedules in line."""

from __future__ import annotations

import os
from typing import Any

from anomalake.adapters import custom_resource
from anomalake.adapters.detector_files import DetectorFiles, name_of
from anomalake.adapters.environment import ScheduleEnvironment
from anomalake.adapters.observability import count, logger, observed
from anomalake.adapters.schedules import Schedules
from anomalake.detection.detector import DetectorFileError


class NotScheduled(Exception):
    """Detector files that have problems: each with all of them."""


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    told = ScheduleEnvironment.read(os.environ)
    files = DetectorFiles(told.detectors, told.region, told.account)
    schedules = Schedules(told.group, told.detect, told.role)
    if custom_resource.is_request(event):
        # A bad detector file is no reason to roll a deployment back.
        custom_resource.answer(event, "schedules", lambda: bring_in_line(files.names(), files, schedules))
        return {}
    # Whatever has become of the file, what counts is what is there now.
    key = event["detail"]["object"]["key"] if "detail" in event else None
    done = bring_in_line(files.names() if key is None else [name for name in [name_of(key)] if name], files, schedules)
    if done["refused"]:
        raise NotScheduled("; ".join(done["refused"]))
    return done


def bring_in_line(names: list[str], files: DetectorFiles, schedules: Schedules) -> dict[str, Any]:
    """Give detectors their schedules, or take them away where their files are gone; tells of what was refused."""
    made, gone, refused = 0, 0, []
    for name in names:
        try:
            detector = files.read(name)
        except DetectorFileError as error:
            refused.append(str(error).replace("\n", "; "))
            logger.error("detector file refused", detector=name, reason=refused[-1])
            continue
        if detector is None:
            gone += schedules.delete(name)
        else:
            schedules.put(detector)
            made += 1
    count("DetectorFilesRefused", len(refused))
    logger.info("schedules in line", detectors=names, scheduled=made, deleted=gone, refused=len(refused))
    return {"scheduled": made, "deleted": gone, "refused": refused}
