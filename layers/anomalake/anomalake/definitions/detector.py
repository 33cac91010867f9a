"""A detector: what it watches, how it is called, and whom it alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from anomalake.definitions.metric_set import DimensionFilter as DimensionFilter
from anomalake.definitions.metric_set import MetricSet
from anomalake.errors import AnomalakeError

SnsFormat = Literal["JSON", "LONG_TEXT", "SHORT_TEXT"]

#: AlertSensitivityThreshold where an alert names none, as L4M's console suggested.
DEFAULT_THRESHOLD = 70.0


class DetectorFileError(AnomalakeError, ValueError):
    """A detector file that nobody can work by.

    Attributes
    ----------
    problems
        One line each: file, line, field, value, and what is allowed. The message is all of them.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class LambdaAction:
    """LambdaConfiguration: an alert is what the function is invoked with."""

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
        AlertName, AlertArn, AlertDescription (empty where there is none).
    threshold
        AlertSensitivityThreshold, 0 to 100: the least score of a group that is sent.
    measures
        AlertFilters.MetricList; empty: all.
    dimension_filters
        AlertFilters.DimensionFilterList: a group passes when for each of them it has one of the values.
    minimum_impact
        MinimumImpact, which L4M had not: in the measure's unit, the least total deviation of a group that is sent.
    action
        Where it goes; None: into the lake alone.
    """

    name: str
    arn: str
    description: str = ""
    threshold: float = DEFAULT_THRESHOLD
    measures: tuple[str, ...] = ()
    dimension_filters: tuple[DimensionFilter, ...] = ()
    minimum_impact: float = 0.0
    action: LambdaAction | SnsAction | None = None


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector file, read and checked.

    Attributes
    ----------
    name, description, arn
        AnomalyDetectorName, AnomalyDetectorDescription (empty where there is none), AnomalyDetectorArn.
    frequency
        ``PT5M``, ``PT10M``, ``PT1H`` or ``P1D``.
    timezone
        Zone of the metric set, an IANA name.
    metric_set
        What it watches; its paths are absolute or URIs. It can be registered as a lake's source data.
    alerts
        Rules by which groups are sent.
    holidays
        Days in the metric set's zone, ascending.
    """

    name: str
    description: str
    arn: str
    frequency: str
    timezone: str
    metric_set: MetricSet
    alerts: tuple[AlertRule, ...] = ()
    holidays: tuple[date, ...] = ()
