"""Live detection in the stack: what the function detect and the job on Apache Spark have in common."""

from __future__ import annotations

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import DetectEnvironment
from anomalake.definitions.detector import Detector
from anomalake.detection.live import LiveDetector
from anomalake.errors import AnomalakeError
from anomalake.lake.lake import Lake
from anomalake.services.detect import NotificationTopics, live_detector, stack_rules
from anomalake.services.engines import Engine
from anomalake.storage.objects import open_store


class NoDetectorFileError(AnomalakeError):
    """There is no file of a detector: its name, and where the file was expected."""


class Stack:
    """The lake and the detector files of a stack, opened once.

    Parameters
    ----------
    environment
        What the stack sets.
    """

    def __init__(self, environment: DetectEnvironment) -> None:
        self.environment = environment
        self._lake = Lake(open_store(environment.lake), formats=environment.formats)
        self._files = DetectorFiles(environment.detectors, environment.region, environment.account)

    def detector(self, name: str) -> Detector:
        """Read a detector's file.

        Raises
        ------
        NoDetectorFileError, DetectorFileError, StoreError
        """
        detector = self._files.read(name)
        if detector is None:
            raise NoDetectorFileError(
                f"detector {name!r}: there is no file {self.environment.detectors}/{name}.yaml or .json"
            )
        return detector

    def live(
        self, detector: Detector, *, engine: Engine | None = None, most_metrics: int | None = None
    ) -> LiveDetector:
        """Connect a detector with the lake, its source, and the targets of its alerts.

        Parameters
        ----------
        engine
            Fits and judges blocks of series, with the same results. Default: this process.
        most_metrics
            Most metrics of an interval that are judged. Default: any number.
        """
        of = self.environment
        topics = NotificationTopics(of.long_text_topic, of.short_text_topic, of.threshold)
        rules = stack_rules(detector, self._lake, of.ingest, topics)
        return live_detector(detector, self._lake, rules, page=of.page, engine=engine, most_metrics=most_metrics)
