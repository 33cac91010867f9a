"""What a detector file sets about detection: what counts as an anomaly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import Instants
from anomalake.definitions.metric_set import Measure
from anomalake.definitions.quiet_windows import QuietWindow, quiet_intervals
from anomalake.definitions.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """Settings of a detector file about detection; the default is that of a file without them.

    Attributes
    ----------
    frequency, timezone
        Of the metric set.
    measures
        The measures by name; those that are not listed have no settings.
    quiet_windows
        Times in which anomalies are judged, but neither alerted nor learned from.
    sensitivity
        About how many false anomaly groups there may be.
    """

    frequency: str = "PT1H"
    timezone: str = "UTC"
    measures: Mapping[str, Measure] = field(default_factory=dict)
    quiet_windows: tuple[QuietWindow, ...] = ()
    sensitivity: Sensitivity = "medium"

    @classmethod
    def of(cls, detector: Detector) -> DetectionSettings:
        """Return the settings of a detector."""
        measures = {measure.metric_name: measure for measure in detector.metric_set.metric_list}
        return cls(detector.frequency, detector.timezone, measures, detector.quiet_windows, detector.sensitivity)

    def measure(self, name: str) -> Measure:
        """Return a measure with its settings."""
        return self.measures.get(name) or Measure(name)

    def is_quiet(self, starts: Instants) -> npt.NDArray[np.bool_]:
        """Return which intervals, given by their starts, ascending, overlap a quiet window."""
        return quiet_intervals(self.quiet_windows, starts, self.frequency, self.timezone)


#: Settings of a detector file that sets nothing.
NO_SETTINGS = DetectionSettings()
