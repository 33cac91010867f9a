"""A detector file has come, changed or gone, or the stack has: brings the detectors' schedules in line."""

from __future__ import annotations

import os
from typing import Any

from anomalake.aws import custom_resource
from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import ScheduleEnvironment
from anomalake.aws.observability import count, logger, observed
from anomalake.aws.schedules import Schedules
from anomalake.definitions.detector import DetectorFileError
from anomalake.errors import AnomalakeError
from anomalake.records.keys import parse_detector_file_key


class ScheduleError(AnomalakeError):
    """Detector files that have problems: each with all of them."""


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    if custom_resource.is_request(event):
        # A bad detector file is no reason to roll a deployment back.
        custom_resource.answer(event, "schedules", _all_in_line)
        return {}
    done = _all_in_line() if "detail" not in event else _one_in_line(event["detail"]["object"]["key"])
    if done["refused"]:
        raise ScheduleError("; ".join(done["refused"]))
    return done


def _all_in_line() -> dict[str, Any]:
    files, schedules = _wired()
    return bring_in_line(files.names(), files, schedules)


def _one_in_line(key: str) -> dict[str, Any]:
    """Whatever has become of a file, what counts is what is there now."""
    files, schedules = _wired()
    name = parse_detector_file_key(key)
    return bring_in_line([name] if name is not None else [], files, schedules)


def _wired() -> tuple[DetectorFiles, Schedules]:
    told = ScheduleEnvironment.read(os.environ)
    files = DetectorFiles(told.detectors, told.region, told.account)
    return files, Schedules(told.group, told.detect, told.role)


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
