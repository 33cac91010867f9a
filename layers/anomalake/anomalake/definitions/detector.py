"""A detector: what it watches, how it is called, and whom it alerts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from anomalake.definitions.metric_set import DimensionFilter as DimensionFilter
from anomalake.definitions.metric_set import MetricSet
from anomalake.errors import AnomalakeError

DEFAULT_REGION = "us-east-1"
DEFAULT_ACCOUNT = "000000000000"

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


def read_detector(
    path: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    region: str = DEFAULT_REGION,
    account: str = DEFAULT_ACCOUNT,
) -> Detector:
    """Read a detector file, YAML or JSON.

    Parameters
    ----------
    data
        A folder or URI below which relative paths lie; default: the file's own folder.
    region, account
        For its ARNs, where the file says no AnomalyDetectorArn.

    Raises
    ------
    DetectorFileError
        The file is not there, or has problems: all of them are told.
    """
    file = Path(path)
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise DetectorFileError((f"{path}: cannot be read: {error.strerror or error}",)) from error
    except UnicodeDecodeError as error:
        raise DetectorFileError((f"{path}: is no UTF-8: byte {error.start + 1}; expected YAML or JSON",)) from error
    base = os.fspath(data) if data is not None else str(file.resolve().parent)
    return parse_detector(text, os.fspath(path), data=base, region=region, account=account)


def parse_detector(
    text: str,
    place: str,
    *,
    data: str | None = None,
    region: str = DEFAULT_REGION,
    account: str = DEFAULT_ACCOUNT,
) -> Detector:
    """Read a detector's YAML or JSON.

    Parameters
    ----------
    place
        What messages call it, such as the file's path.
    data
        A folder or URI below which relative paths lie; default: the current folder.

    Raises
    ------
    DetectorFileError
        It has problems: all of them are told.
    """
    from anomalake.definitions.detector_file import detector_of

    return detector_of(text, place, data or "", region, account)
