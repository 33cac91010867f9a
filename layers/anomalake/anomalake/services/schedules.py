"""Schedules of detectors: one for each detector file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.schedules import Schedules
from anomalake.definitions.detector import DetectorFileError


@dataclass(slots=True)
class SchedulesResult:
    """Result of an update of schedules.

    Attributes
    ----------
    scheduled, deleted
        Number of schedules.
    refused
        Invalid detector files by detector, with their problems on one line.
    """

    scheduled: int = 0
    deleted: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def update_schedules(names: Iterable[str], files: DetectorFiles, schedules: Schedules) -> SchedulesResult:
    """Create or change the schedules of detectors; delete those of detectors without a file.

    A detector whose file is invalid keeps its schedule.
    """
    result = SchedulesResult()
    for name in names:
        try:
            detector = files.read(name)
        except DetectorFileError as error:
            result.refused[name] = str(error).replace("\n", "; ")
            continue
        if detector is None:
            result.deleted += schedules.delete(name)
        else:
            schedules.put(detector)
            result.scheduled += 1
    return result
