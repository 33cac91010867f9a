"""Detector files that are written from definitions, and definitions that are read from detector files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from anomalake.aws.detector_files import DetectorFile, DetectorFiles
from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.definitions.detector_file import DERIVED_FROM
from anomalake.definitions.plain_fields import plain_fields, with_alert_filters
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.records.definitions import AlertDefinition, DetectorDefinition, MetricSetDefinition, definition_folder

#: When a detector file was written whose store does not know it.
_UNKNOWN_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_METRIC_SET_FIELDS: Final = ("MetricSet", "MetricSetList", "MetricSets")
#: Fields of a detector file that are no settings: a definition has them elsewhere, or they are answers of the API.
_NOT_SETTINGS: Final = frozenset(
    {
        "Alerts", "AnomalyDetectorArn", "AnomalyDetectorConfig", "AnomalyDetectorDescription", "AnomalyDetectorName",
        "ClientToken", "CreationTime", DERIVED_FROM, "FailureReason", "FailureType", "KmsKeyArn",
        "LastModificationTime", "ResponseMetadata", "Status", "Tags", *_METRIC_SET_FIELDS,
    }
)  # fmt: skip
_NOT_KEPT: Final = frozenset(
    {"AnomalyDetectorArn", "ClientToken", "CreationTime", "LastModificationTime", "ResponseMetadata", "Tags"}
)
#: Members that a definition has beside the fields of its metric set and its alerts.
_ELSEWHERE: Final = frozenset({"AnomalyDetectorArn", "MetricSetArn", "AlertArn", "Tags"})


def arn_prefix(detector_arn: str) -> str:
    """Return the part of ARNs that a detector and all that belongs to it have in common, with its colon."""
    return detector_arn.partition("AnomalyDetector:")[0]


def kept_members(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a request that a metric set or an alert keeps as its fields."""
    return {name: value for name, value in members.items() if name not in _ELSEWHERE and value is not None}


def detector_fields(definition: DetectorDefinition) -> dict[str, Any]:
    """Return the fields of the detector file of a definition."""
    fields: dict[str, Any] = {
        "AnomalyDetectorName": definition.name,
        "AnomalyDetectorArn": definition.arn,
    }
    if definition.description:
        fields["AnomalyDetectorDescription"] = definition.description
    if definition.frequency:
        fields["AnomalyDetectorConfig"] = {"AnomalyDetectorFrequency": definition.frequency}
    fields |= dict(definition.settings)
    if definition.metric_set is not None:
        fields["MetricSet"] = {**definition.metric_set.fields, "MetricSetArn": definition.metric_set.arn}
    if definition.alerts:
        fields["Alerts"] = [
            {**alert.fields, "AlertName": alert.name, "AlertArn": alert.arn, "AnomalyDetectorArn": definition.arn}
            for alert in definition.alerts
        ]
    return fields


def detector_text(definition: DetectorDefinition) -> bytes:
    """Return the detector file of a definition: equal bytes for equal content."""
    fields = detector_fields(definition)
    return json.dumps({DERIVED_FROM: _source(definition.name, fields), **fields}, indent=1).encode("ascii")


def is_derived(file: DetectorFile) -> bool:
    """Whether a detector file was written from a definition, and was not changed by a user since."""
    if not file.body.startswith(b"{"):
        return False
    try:
        fields = json.loads(file.body)
    except (ValueError, RecursionError):
        return False
    return bool(fields.pop(DERIVED_FROM, None) == _source(file.name, fields))


def _source(name: str, fields: Mapping[str, Any]) -> str:
    """Return where the fields of a file come from, with their digest, which shows whether they were changed."""
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode("ascii")).hexdigest()[:16]
    return f"{definition_folder(name)}#{digest}"


def checked(files: DetectorFiles, definition: DetectorDefinition, part: str = "") -> Detector:
    """Read a definition as detection does.

    Parameters
    ----------
    part
        Path of the part that the request has, such as ``MetricSet.``: fields of errors are named without it.

    Raises
    ------
    InvalidRequestError
        The definition cannot be used.
    """
    try:
        return files.parse(DetectorFile(definition.name, definition.name, detector_text(definition)))
    except DetectorFileError as error:
        raise invalid(error, part) from error


def invalid(error: DetectorFileError, part: str = "") -> InvalidRequestError:
    """Return the error of a request for that of the file that it would make."""
    members = tuple((path.removeprefix(part), what) for path, what in error.members)
    lines = [f"{path}: {what}" if path else what for path, what in members] or list(error.problems)
    return InvalidRequestError("; ".join(lines), members)


def definition_of_file(files: DetectorFiles, file: DetectorFile, written_at: datetime | None) -> DetectorDefinition:
    """Return the definition of a detector that only has a file; one that cannot be read has `failure`."""
    at = written_at or _UNKNOWN_TIME
    try:
        document = files.document(file)
        return _definition(files.parse_document(file, document), plain_fields(document), at)
    except DetectorFileError as error:
        return DetectorDefinition(
            name=file.name,
            arn=files.arn(file.name),
            description="",
            frequency="",
            kms_key_arn="",
            tags={},
            created_at=at,
            changed_at=at,
            wanted="ACTIVE",
            failure="; ".join(error.problems),
        )


def _definition(detector: Detector, fields: Mapping[str, Any], at: datetime) -> DetectorDefinition:
    (metric_set,) = (fields[name] for name in _METRIC_SET_FIELDS if name in fields)
    metric_set = _kept(metric_set[0] if isinstance(metric_set, list) else metric_set)
    name = metric_set.setdefault("MetricSetName", detector.name)
    arn = metric_set.pop("MetricSetArn", "")
    prefix = arn_prefix(detector.arn)
    return DetectorDefinition(
        name=detector.name,
        arn=detector.arn,
        description=detector.description,
        frequency=detector.frequency,
        kms_key_arn=_text(fields.get("KmsKeyArn")),
        tags=_tags(fields.get("Tags")),
        created_at=at,
        changed_at=at,
        metric_set=MetricSetDefinition(
            name=name,
            arn=_text(arn) or f"{prefix}MetricSet/{detector.name}/{name}",
            fields=metric_set,
            tags={},
            created_at=at,
            changed_at=at,
        ),
        alerts=tuple(_alert(prefix, alert, at) for alert in fields.get("Alerts", ())),
        settings={name: value for name, value in fields.items() if name not in _NOT_SETTINGS},
        wanted="ACTIVE",
    )


def _alert(prefix: str, given: Mapping[str, Any], at: datetime) -> AlertDefinition:
    fields = with_alert_filters(_kept(given))
    fields.pop("AlertType", None)
    arn = fields.pop("AlertArn", "")
    name = fields["AlertName"]
    return AlertDefinition(name, arn or f"{prefix}Alert:{name}", fields, {}, at, at)


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _NOT_KEPT}


def _text(given: object) -> str:
    return given if isinstance(given, str) else ""


def _tags(given: object) -> dict[str, str]:
    """Return tags as of the API (a map) or of CloudFormation (a list of keys and values)."""
    if isinstance(given, list):
        given = {item.get("Key"): item.get("Value") for item in given if isinstance(item, dict)}
    pairs = given.items() if isinstance(given, dict) else ()
    return {key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)}
