"""Properties of templates' detectors and alerts as members of the API, and which of them can be updated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from anomalake.definitions.cloudformation import CUSTOM_PROPERTIES
from anomalake.definitions.resource_errors import InvalidRequestError

#: CloudFormation sends numbers and booleans as texts.
_WHOLE = ("AlertSensitivityThreshold", "Offset", "DatabasePort")
_BOOLEAN = ("ContainsHeader", "RunBackTestMode")
#: Lists that templates give as one text.
_LISTS = ("TemplatedPathList", "HistoricalDataPathList")
#: Names that CloudFormation spells in its own way.
_SPELLED = {"CloudwatchConfig": "CloudWatchConfig"}


@dataclass(frozen=True, slots=True)
class Updates:
    """What an update operation of the API can change.

    Attributes
    ----------
    resource
        Name of the resource in operations.
    name, arn
        Members with its name and its ARN.
    members
        Members of the update operation.
    cleared
        Value that takes a member away, where there is one.
    kept
        Members that stay as they are when the template has them no longer: no update clears them, and the detector
        finds the same with them.
    """

    resource: Literal["AnomalyDetector", "MetricSet", "Alert"]
    name: str
    arn: str
    members: tuple[str, ...]
    cleared: Mapping[str, Any] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def replaces(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Whether a change of properties needs another resource."""
        for name in _changed_names(old, new):
            is_removed = name not in new and name not in self.cleared and name not in self.kept
            if name not in (*self.members, "MetricSetList", "Tags") or (name in self.members and is_removed):
                return True
        return False

    def changed(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """Members of the update operation; empty if it has nothing to change."""
        names = [name for name in _changed_names(old, new) if name in self.members]
        values = {**self.cleared, **new}
        return {name: values[name] for name in names if name in values}


def _changed_names(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


DETECTOR: Final = Updates(
    "AnomalyDetector",
    "AnomalyDetectorName",
    "AnomalyDetectorArn",
    ("AnomalyDetectorConfig", "AnomalyDetectorDescription", "KmsKeyArn"),
    kept=("AnomalyDetectorDescription", "KmsKeyArn"),
)
METRIC_SET: Final = Updates(
    "MetricSet",
    "MetricSetName",
    "MetricSetArn",
    ("MetricSetDescription", "MetricList", "Offset", "TimestampColumn", "DimensionList", "MetricSetFrequency",
     "MetricSource", "DimensionFilterList"),
    cleared={"Offset": 0},
    kept=("MetricSetDescription",),
)  # fmt: skip
ALERT: Final = Updates(
    "Alert",
    "AlertName",
    "AlertArn",
    ("AlertDescription", "AlertSensitivityThreshold", "Action", "AlertFilters"),
    kept=("AlertDescription",),
)


def properties_of(given: object) -> dict[str, Any]:
    """Return the properties of a request as members of the API.

    Raises
    ------
    InvalidRequestError
        A text that is no number or boolean, where one is expected.
    """
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"ResourceProperties {str(given)[:60]!r}: expected names and values")
    members = {name: _member(name, value, name) for name, value in _named(given) if name not in CUSTOM_PROPERTIES}
    metric_sets = members.get("MetricSetList")
    if metric_sets is not None and not (
        isinstance(metric_sets, list) and len(metric_sets) <= 1 and all(isinstance(item, dict) for item in metric_sets)
    ):
        raise _invalid("MetricSetList", "expected a list of one metric set")
    tags = members.get("Tags")
    if isinstance(tags, list):
        # The form of other resources in CloudFormation.
        members["Tags"] = {str(tag.get("Key")): str(tag.get("Value")) for tag in tags if isinstance(tag, dict)}
    elif tags is not None and not isinstance(tags, dict):
        raise _invalid("Tags", "expected keys and values")
    return members


def _named(given: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """Members with the API's names; those of the CDK may begin with a small letter."""
    named = [(f"{str(name)[:1].upper()}{str(name)[1:]}", value) for name, value in given.items()]
    return [(_SPELLED.get(name, name), value) for name, value in named]


def _member(name: str, value: Any, path: str) -> Any:
    if name == "Tags":
        return value
    if isinstance(value, Mapping):
        return {key: _member(key, member, f"{path}.{key}") for key, member in _named(value)}
    if name in _LISTS and isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [_member("", item, f"{path}[{place}]") for place, item in enumerate(value)]
    if name in _WHOLE and isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.0+)?", value):
            raise _invalid(path, f"{value[:60]!r}: expected a whole number")
        return int(value.partition(".")[0])
    if name in _BOOLEAN and isinstance(value, str):
        if value not in ("true", "false"):
            raise _invalid(path, f"{value[:60]!r}: expected true or false")
        return value == "true"
    return value


def _invalid(path: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path}: {what}", ((path, what),))
