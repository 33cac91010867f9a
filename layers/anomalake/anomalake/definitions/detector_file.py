"""Read and check a detector file, which has L4M's request fields."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast, get_args

from anomalake.definitions.cloudformation import fields_of
from anomalake.definitions.country_holidays import MOST_COUNTRIES, read_country_holidays
from anomalake.definitions.detector import (
    DEFAULT_THRESHOLD,
    WEB_ADDRESS,
    About,
    AlertRule,
    Detector,
    DetectorFileError,
    LambdaAction,
    Scale,
    SnsAction,
    SnsFormat,
)
from anomalake.definitions.document import DocumentError, Node, read_document
from anomalake.definitions.fields import Fields, Problems
from anomalake.definitions.messages import printable
from anomalake.definitions.metric_set import NAME, MetricSet
from anomalake.definitions.metric_set_fields import read_filters, read_metric_set, read_missing_data
from anomalake.definitions.quiet_windows import read_quiet_windows
from anomalake.definitions.sensitivity import read_sensitivity
from anomalake.frequencies import FREQUENCIES

DEFAULT_REGION = "us-east-1"
DEFAULT_ACCOUNT = "000000000000"

MOST_ALERTS = 100
_DATA_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".gz", ".xlsx", ".xls")
MOST_HOLIDAYS = 10_000

ARN = re.compile(r"arn:[a-z0-9-]+:[^:\s]*:[^:\s]*:[^:\s]*:\S+")
_OURS = r"arn:[a-z0-9-]+:lookoutmetrics:[^:\s]*:[^:\s]*:"
DETECTOR_ARN = re.compile(rf"{_OURS}AnomalyDetector:{NAME.pattern}")
ALERT_ARN = re.compile(rf"{_OURS}Alert:{NAME.pattern}")

_A_NAME = "1 to 63 of a-z A-Z 0-9 - _"
_A_DETECTOR_ARN = "arn:aws:lookoutmetrics:REGION:ACCOUNT:AnomalyDetector:NAME"
#: The folder of the definition that a detector file was written from; files of users do not have it.
DERIVED_FROM = "DerivedFrom"

#: The frequency's name, and as it is written in some templates.
_FREQUENCY = ("AnomalyDetectorFrequency", "anomalyDetectorFrequency")
#: Fields of L4M's requests and responses that are ignored.
_IGNORED = ("Tags", "KmsKeyArn", "ClientToken", "ResponseMetadata", "CreationTime", "LastModificationTime", "Status",
           "FailureReason", "FailureType")  # fmt: skip


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
        Base of relative paths, a folder or URI. Default: the folder of the file.
    region, account
        Used in ARNs if the file has no AnomalyDetectorArn.

    Raises
    ------
    DetectorFileError
        The file does not exist or is invalid; the error has all problems.
    """
    file = Path(path)
    if not os.fspath(path).strip():
        raise DetectorFileError((f"detector file {path!r}: is empty; expected a path",))
    if data is not None and not os.fspath(data).strip():
        raise DetectorFileError((f"data {data!r}: is empty; expected the base of the file's paths, a folder or URI",))
    if file.is_dir() or file.suffix.casefold() in _DATA_ENDINGS:
        raise DetectorFileError((f"{path}: is data; expected a detector file, which `anomalake init {path}` writes",))
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
        Name of the document in messages, such as the file's path.
    data
        Base of relative paths, a folder or URI. Default: the current folder.

    Raises
    ------
    DetectorFileError
        The document is invalid; the error has all problems.
    """
    return detector_of(detector_document(text, place), place, data=data, region=region, account=account)


def detector_document(text: str, place: str) -> Node:
    """Read a detector's YAML or JSON as a tree with L4M's names; raises `DetectorFileError`, which names `place`."""
    try:
        return fields_of(read_document(text))
    except DocumentError as error:
        line = f": line {error.line}" if error.line is not None else ""
        message = printable(f"{place}{line}: {error}; expected L4M's fields in YAML or JSON")
        raise DetectorFileError((message,)) from error


def detector_of(
    root: Node, place: str, *, data: str | None = None, region: str = DEFAULT_REGION, account: str = DEFAULT_ACCOUNT
) -> Detector:
    """Read a detector from its tree (`detector_document`); parameters and errors are those of `parse_detector`."""
    problems = Problems(place)
    fields = Fields(root, "", problems)
    detector = _detector(fields, data or "", region, account, problems) if isinstance(root.value, dict) else None
    if problems.lines or detector is None:
        raise DetectorFileError(tuple(problems.lines) or (f"{place}: expected L4M's fields",), tuple(problems.members))
    return detector


def check_alert(given: Mapping[str, Any], detector_arn: str, metric_set: MetricSet | None) -> None:
    """Check the fields of CreateAlert.

    Parameters
    ----------
    metric_set
        Of the detector: filters name its measures and dimensions. None: it has none yet.

    Raises
    ------
    DetectorFileError
        The error has all problems.
    """
    problems = Problems("alert")
    try:
        _alert(Fields(read_document(json.dumps(given)), "", problems), detector_arn, metric_set, problems)
    except DocumentError as error:
        raise DetectorFileError((printable(f"alert: {error}"),)) from error
    if problems.lines:
        raise DetectorFileError(tuple(problems.lines), tuple(problems.members))


def _detector(fields: Fields, data: str, region: str, account: str, problems: Problems) -> Detector | None:
    fields.ignore(*_IGNORED, DERIVED_FROM)
    described = fields.text("AnomalyDetectorDescription", "1 to 256 characters", longest=256)
    config = fields.fields("AnomalyDetectorConfig")
    name = next((name for name in _FREQUENCY if config.has(name)), _FREQUENCY[0])
    frequency = config.choice(name, tuple(FREQUENCIES))
    config.unknown()
    metric_set = _metric_set_fields(fields, problems)
    alerts = [Fields(node, path, problems) for node, path in fields.items("Alerts", most=MOST_ALERTS)]
    arn = _arn(fields, metric_set, alerts, region, account)
    own = metric_set.choice("MetricSetFrequency", tuple(FREQUENCIES))
    if frequency and own and own != frequency:
        metric_set.problem(
            "MetricSetFrequency",
            f"{own!r}: expected AnomalyDetectorConfig.AnomalyDetectorFrequency, which is {frequency}",
        )
    if not config.has(name) and not metric_set.has("MetricSetFrequency"):
        fields.problem(
            "AnomalyDetectorConfig", f"no AnomalyDetectorFrequency; expected one of {', '.join(FREQUENCIES)}"
        )
    holidays = _holidays(fields, problems)
    quiet_windows = read_quiet_windows(fields, frequency or own, problems)
    sensitivity = read_sensitivity(fields, frequency or own)
    scale = cast(Scale, fields.choice("Scale", get_args(Scale), default="process"))
    found = read_metric_set(
        metric_set,
        arn or "arn:::::AnomalyDetector:x",
        frequency or own,
        data,
        problems,
        missing_data=read_missing_data(fields),
    )
    about = _about(fields)
    rules = [rule for alert in alerts if (rule := _alert(alert, arn, found, problems)) is not None]
    names = [rule.name for rule in rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        fields.problem("Alerts", f"AlertName {name!r} is repeated")
    if fields.has("RollUps"):
        fields.problem("RollUps", "expected in MetricSet")
    fields.unknown()
    if found is None or not arn:
        return None
    return Detector(
        name=arn.rpartition(":")[2],
        description=described,
        arn=arn,
        frequency=found.frequency,
        timezone=found.timezone,
        metric_set=found,
        alerts=tuple(rules),
        holidays=holidays,
        quiet_windows=quiet_windows,
        sensitivity=sensitivity,
        scale=scale,
        about=about,
    )


def _metric_set_fields(fields: Fields, problems: Problems) -> Fields:
    lists = [name for name in ("MetricSetList", "MetricSets") if fields.has(name)]
    if fields.has("MetricSet"):
        if lists:
            fields.problem(lists[0], "is given beside MetricSet; expected one of them")
        return fields.fields("MetricSet")
    if not lists:
        return fields.fields("MetricSet", required=True)
    members = list(fields.items(lists[0], most=1, least=1))
    if not members:
        return Fields(None, "MetricSet", problems)
    return Fields(*members[0], problems)


def _arn(fields: Fields, metric_set: Fields, alerts: list[Fields], region: str, account: str) -> str:
    """Return AnomalyDetectorArn, from any of its places or from AnomalyDetectorName; empty after a problem."""
    name = fields.text("AnomalyDetectorName", _A_NAME, pattern=NAME, required=not fields.has("AnomalyDetectorArn"))
    given = ""
    for part in (fields, metric_set, *alerts):
        arn = part.text("AnomalyDetectorArn", _A_DETECTOR_ARN, pattern=DETECTOR_ARN)
        if arn and given and arn != given:
            part.problem("AnomalyDetectorArn", f"{arn!r}: expected {given}, as before in this file")
        given = given or arn
    if given and name and given.rpartition(":")[2] != name:
        fields.problem("AnomalyDetectorName", f"{name!r}: expected the name in AnomalyDetectorArn, {given}")
    if given or not name:
        return given
    return f"arn:aws:lookoutmetrics:{region}:{account}:AnomalyDetector:{name}"


def _alert(fields: Fields, detector_arn: str, metric_set: MetricSet | None, problems: Problems) -> AlertRule | None:
    """Read an alert rule; None if it is inactive or has no name. Filters are checked if the metric set is valid."""
    fields.ignore(*_IGNORED, "AlertType")
    name = fields.text("AlertName", _A_NAME, pattern=NAME, required=True)
    own = f"{detector_arn.partition(':AnomalyDetector:')[0]}:Alert:{name}"
    arn = fields.text("AlertArn", "arn:aws:lookoutmetrics:REGION:ACCOUNT:Alert:NAME", pattern=ALERT_ARN, default=own)
    filters = fields.fields("AlertFilters")
    wanted = filters.texts("MetricList", "a measure", most=1_000)
    by_dimension = read_filters(filters, "DimensionFilterList", problems)
    filters.unknown()
    if metric_set is not None:
        _check_names(filters, "MetricList", wanted, metric_set.measures)
        _check_names(
            filters,
            "DimensionFilterList",
            [dimension_filter.name for dimension_filter in by_dimension],
            metric_set.dimension_list,
        )
    rule = AlertRule(
        name=name,
        arn=arn,
        description=fields.text("AlertDescription", "up to 256 characters", longest=256, shortest=0),
        threshold=fields.number("AlertSensitivityThreshold", 0, 100, default=DEFAULT_THRESHOLD),
        measures=wanted,
        dimension_filters=by_dimension,
        minimum_impact=fields.number("MinimumImpact", 0, 1e30, default=0.0),
        action=_action(fields.fields("Action")),
    )
    status = fields.choice("AlertStatus", ("ACTIVE", "INACTIVE"), default="ACTIVE")
    fields.unknown()
    return rule if name and status == "ACTIVE" else None


def _check_names(filters: Fields, field: str, names: Iterable[str], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            filters.problem(field, f"{name!r}: expected one of MetricSet's: {', '.join(known) or 'it has none'}")


def _action(action: Fields) -> LambdaAction | SnsAction | None:
    to_lambda = action.has("LambdaConfiguration")
    to_topic = action.has("SNSConfiguration")
    if to_lambda and to_topic:
        action.problem("SNSConfiguration", "is given beside LambdaConfiguration; expected one of them")
    action.unknown()
    if to_lambda:
        config = action.fields("LambdaConfiguration")
        config.ignore("RoleArn")
        arn = config.text("LambdaArn", "a function's ARN", pattern=ARN, longest=256, required=True)
        config.unknown()
        return LambdaAction(arn)
    if not to_topic:
        return None
    config = action.fields("SNSConfiguration")
    config.ignore("RoleArn")
    topic = config.text("SnsTopicArn", "a topic's ARN", pattern=ARN, longest=256, required=True)
    format_ = config.choice("SnsFormat", get_args(SnsFormat), default="JSON")
    config.unknown()
    return SnsAction(topic, cast(SnsFormat, format_))


def _about(fields: Fields) -> About:
    return About(
        owner=fields.text("Owner", "1 to 256 characters", longest=256),
        runbook=fields.text("Runbook", "a URL with https:// or http://", pattern=WEB_ADDRESS, longest=2_048),
        note=fields.text("Note", "1 to 2,000 characters", longest=2_000),
    )


def _holidays(fields: Fields, problems: Problems) -> tuple[date, ...]:
    """Read Holidays: a list of days and countries, or one country alone."""
    given = fields.get("Holidays")
    if given is not None and isinstance(given.value, dict):
        return tuple(sorted(read_country_holidays(fields.fields("Holidays"))))
    days: set[date] = set()
    n_countries = 0
    for node, path in fields.items("Holidays", most=MOST_HOLIDAYS):
        if isinstance(node.value, dict):
            n_countries += 1
            if n_countries <= MOST_COUNTRIES:
                days |= read_country_holidays(Fields(node, path, problems))
            continue
        day = _day(node)
        if day is None:
            shown = repr(node.value) if isinstance(node.value, str) else "no text"
            problems.add(path, node, f"{shown}: expected a day such as 2013-12-25")
        else:
            days.add(day)
    if n_countries > MOST_COUNTRIES:
        fields.problem("Holidays", f"has {n_countries} countries; expected up to {MOST_COUNTRIES}")
    return tuple(sorted(days))


def _day(node: Node) -> date | None:
    if not isinstance(node.value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", node.value):
        return None
    try:
        return date.fromisoformat(node.value)
    except ValueError:
        return None
