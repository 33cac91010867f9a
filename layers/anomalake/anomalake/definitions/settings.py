"""What a detector file sets about detection: what counts as an anomaly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from anomalake.definitions.detector import Detector
from anomalake.definitions.metric_set import Measure


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """Settings of a detector file about detection; the default is that of a file without them.

    Attributes
    ----------
    frequency
        One of `FREQUENCIES`.
    measures
        The measures by name; those that are not listed have no settings.
    """

    frequency: str = "PT1H"
    measures: Mapping[str, Measure] = field(default_factory=dict)

    @classmethod
    def of(cls, detector: Detector) -> DetectionSettings:
        """Return the settings of a detector."""
        return cls(detector.frequency, {measure.metric_name: measure for measure in detector.metric_set.metric_list})

    def measure(self, name: str) -> Measure:
        """Return a measure with its settings."""
        return self.measures.get(name) or Measure(name)


#: Settings of a detector file that sets nothing.
NO_SETTINGS = DetectionSettings()
