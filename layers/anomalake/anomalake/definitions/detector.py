"""A detector: its name, its metric set and its alert rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from anomalake.definitions.metric_set import DimensionFilter as DimensionFilter
from anomalake.definitions.metric_set import MetricSet
from anomalake.definitions.quiet_windows import QuietWindow
from anomalake.definitions.sensitivity import Sensitivity
from anomalake.errors import AnomalakeError

SnsFormat = Literal["JSON", "LONG_TEXT", "SHORT_TEXT"]
#: Where the intervals of a stack's detector are judged: in its function, or on Apache Spark.
Scale = Literal["process", "spark"]

#: Default of AlertSensitivityThreshold, as in L4M's console.
DEFAULT_THRESHOLD = 70.0


class DetectorFileError(AnomalakeError, ValueError):
    """An invalid detector file.

    Attributes
    ----------
    problems
        One line for each problem: file, line, field, value, and what is allowed. The message has all of them.
    members
        The path of the field of each problem, and what is wrong with it; empty where no field is at fault.
    """

    def __init__(self, problems: tuple[str, ...], members: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.members = members


@dataclass(frozen=True, slots=True)
class LambdaAction:
    """LambdaConfiguration: the function is invoked with the alert."""

    lambda_arn: str


@dataclass(frozen=True, slots=True)
class SnsAction:
    """SNSConfiguration."""

    topic_arn: str
    format: SnsFormat = "JSON"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A CreateAlert request.

    Attributes
    ----------
    name, arn, description
        AlertName, AlertArn, AlertDescription (empty if there is none).
    threshold
        AlertSensitivityThreshold, 0 to 100: the lowest score of a group that is sent.
    measures
        AlertFilters.MetricList; empty: all.
    dimension_filters
        AlertFilters.DimensionFilterList: a group passes if it has one of the values of each filter.
    minimum_impact
        MinimumImpact, a setting of anomalake: the smallest total deviation of a group that is sent, in the unit of
        the measure.
    action
        Destination of the alert; None: the lake only.
    """

    name: str
    arn: str
    description: str = ""
    threshold: float = DEFAULT_THRESHOLD
    measures: tuple[str, ...] = ()
    dimension_filters: tuple[DimensionFilter, ...] = ()
    minimum_impact: float = 0.0
    action: LambdaAction | SnsAction | None = None


#: An http or https URL with a host and without a user's name.
WEB_ADDRESS = re.compile(r"https?://[^\s/?#\\@]+(?:[/?#][^\s\\]*)?")


def is_web_address(text: str) -> bool:
    """Whether a text is a URL that a page may link to."""
    return WEB_ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class About:
    """What people need to know who look at a detector's anomalies; settings of anomalake, empty for none.

    Attributes
    ----------
    owner
        Who is responsible.
    runbook
        An http or https URL that tells what to do.
    note
        A text.
    """

    owner: str = ""
    runbook: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector file, read and checked.

    Attributes
    ----------
    name, description, arn
        AnomalyDetectorName, AnomalyDetectorDescription (empty if there is none), AnomalyDetectorArn.
    frequency
        One of `FREQUENCIES`.
    timezone
        Zone of the metric set, an IANA name.
    metric_set
        Source data of the detector; paths are absolute or URIs.
    alerts
        Alert rules.
    holidays
        Days in the metric set's zone, ascending.
    quiet_windows
        QuietWindows, a setting of anomalake, in the metric set's zone.
    sensitivity
        Sensitivity, a setting of anomalake.
    scale
        Scale, a setting of anomalake.
    about
        Owner, Runbook and Note.
    """

    name: str
    description: str
    arn: str
    frequency: str
    timezone: str
    metric_set: MetricSet
    alerts: tuple[AlertRule, ...] = ()
    holidays: tuple[date, ...] = ()
    quiet_windows: tuple[QuietWindow, ...] = ()
    sensitivity: Sensitivity = "medium"
    scale: Scale = "process"
    about: About = field(default_factory=About)
