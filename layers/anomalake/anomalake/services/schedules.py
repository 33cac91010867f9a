"""Schedules of detectors, made from their files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.schedules import Schedules
from anomalake.definitions.detector import DetectorFileError


@dataclass(frozen=True, slots=True)
class ScheduleReport:
    """Numbers of schedules that were put and deleted, and the problems of invalid files by name of the detector."""

    scheduled: int
    deleted: int
    refused: dict[str, str]


def update_schedules(names: Iterable[str], files: DetectorFiles, schedules: Schedules) -> ScheduleReport:
    """Put the schedule of each detector that has a file, and delete the schedule of each that has none.

    An invalid file changes no schedule and does not stop the others. Raises `StoreError` and the Scheduler's errors.
    """
    scheduled, deleted, refused = 0, 0, {}
    for name in names:
        try:
            detector = files.read(name)
        except DetectorFileError as error:
            refused[name] = str(error).replace("\n", "; ")
            continue
        if detector is None:
            deleted += schedules.delete(name)
        else:
            schedules.put(detector)
            scheduled += 1
    return ScheduleReport(scheduled, deleted, refused)
