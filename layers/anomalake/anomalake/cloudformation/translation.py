"""The translation of a template: which edits make its detectors and alerts custom resources."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from anomalake.cloudformation.edits import Edit, Insert, Path, Replace
from anomalake.cloudformation.principals import principal_edits
from anomalake.cloudformation.references import References
from anomalake.cloudformation.text_edits import short_path
from anomalake.definitions.cloudformation import ALERT_TYPE, CUSTOM_ALERT, CUSTOM_DETECTOR, DETECTOR_TYPE
from anomalake.definitions.document import Node, function_of
from anomalake.definitions.fields import Problems

#: Seconds that CloudFormation waits for an answer: as long as a Lambda function may run.
SERVICE_TIMEOUT = 900

_CUSTOM_TYPES = {DETECTOR_TYPE: CUSTOM_DETECTOR, ALERT_TYPE: CUSTOM_ALERT}
_DETECTOR_PROPERTIES = (
    "AnomalyDetectorName", "AnomalyDetectorDescription", "AnomalyDetectorConfig", "KmsKeyArn", "MetricSetList", "Tags",
)  # fmt: skip
_ALERT_PROPERTIES = (
    "AlertName", "AlertDescription", "AnomalyDetectorArn", "AlertSensitivityThreshold", "Action", "AlertFilters",
    "Tags",
)  # fmt: skip
_PROPERTIES = {DETECTOR_TYPE: _DETECTOR_PROPERTIES, ALERT_TYPE: _ALERT_PROPERTIES}
_REQUIRED = {DETECTOR_TYPE: ("AnomalyDetectorConfig",), ALERT_TYPE: ("AnomalyDetectorArn", "Action")}
_SOURCES = ("S3SourceConfig", "AthenaSourceConfig")


def edits_of(template: Node, references: References, problems: Problems) -> list[Edit]:
    """Return the edits that translate a template; none if it has nothing to translate.

    What cannot be translated is added to the problems.
    """
    members = template.value if isinstance(template.value, dict) else {}
    listed = members.get("Resources")
    if listed is None or not isinstance(listed.value, dict):
        problems.add("Resources", template, "is missing; expected a CloudFormation template")
        return []
    edits: list[Edit] = []
    service = {"ServiceToken": references.function, "ServiceTimeout": SERVICE_TIMEOUT}
    for path, node in _resources(("Resources",), listed):
        custom_type = _custom_type(path, node, problems)
        if custom_type is not None:
            edits += [Replace((*path, "Type"), custom_type), Insert((*path, "Properties"), service)]
    for path, node in _mappings((), template, problems):
        if path[:1] == ("Resources",) and isinstance(node.value, dict) and "Principal" in node.value:
            edits += principal_edits((*path, "Principal"), node.value["Principal"], references.role, problems)
    return [*_parameters(members, references), *edits] if edits else []


def _parameters(template: dict[str, Node], references: References) -> Iterator[Edit]:
    there = template.get("Parameters")
    names = there.value if there is not None and isinstance(there.value, dict) else {}
    missing = {name: value for name, value in references.parameters.items() if name not in names}
    if missing and names:
        yield Insert(("Parameters",), missing)
    elif missing and there is not None:
        yield Replace(("Parameters",), missing)
    elif missing:
        yield Insert((), {"Parameters": missing}, before="Resources")


def _resources(path: Path, listed: Node) -> Iterator[tuple[Path, Node]]:
    """Yield the resources, also those of a loop, each with its path."""
    for name, node in listed.value.items() if isinstance(listed.value, dict) else ():
        if name.startswith("Fn::ForEach::") and isinstance(node.value, list) and len(node.value) == 3:
            yield from _resources((*path, name, 2), node.value[2])
        else:
            yield (*path, name), node


def _custom_type(path: Path, resource: Node, problems: Problems) -> str | None:
    """Return the type of a detector or an alert as a custom resource; None for any other resource."""
    members = resource.value if isinstance(resource.value, dict) else {}
    type_ = members["Type"].value if "Type" in members else None
    if not isinstance(type_, str) or type_ not in _CUSTOM_TYPES:
        return None
    properties, place = members.get("Properties"), (*path, "Properties")
    if properties is None or not properties.value:
        problems.add(short_path(place), resource, f"is missing; expected the properties of {type_}")
        return None
    if not isinstance(properties.value, dict) or function_of(properties) is not None:
        problems.add(short_path(place), properties, "expected names and values")
        return None
    _check_names(place, properties, type_, problems)
    if type_ == DETECTOR_TYPE and "MetricSetList" in properties.value:
        _check_metric_sets((*place, "MetricSetList"), properties.value["MetricSetList"], problems)
    return _CUSTOM_TYPES[type_]


def _check_names(path: Path, properties: Node, type_: str, problems: Problems) -> None:
    given = properties.value if isinstance(properties.value, dict) else {}
    known = _PROPERTIES[type_]
    for name, node in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            problems.add(short_path((*path, name)), node, f"no such property; {hint}")
    for name in _REQUIRED[type_]:
        if name not in given:
            problems.add(short_path((*path, name)), properties, "is missing")


def _check_metric_sets(path: Path, metric_sets: Node, problems: Problems) -> None:
    for at, alternative in _alternatives(path, metric_sets):
        if not isinstance(alternative.value, list):
            continue
        if len(alternative.value) != 1:
            problems.add(short_path(at), alternative, f"has {len(alternative.value)} members; expected 1")
        for place, metric_set in enumerate(alternative.value):
            for below, member in _alternatives((*at, place), metric_set):
                source = member.value.get("MetricSource") if isinstance(member.value, dict) else None
                if source is not None:
                    _check_source((*below, "MetricSource"), source, problems)


def _check_source(path: Path, source: Node, problems: Problems) -> None:
    for at, alternative in _alternatives(path, source):
        for name, config in alternative.value.items() if isinstance(alternative.value, dict) else ():
            if name not in _SOURCES and function_of(alternative) is None:
                what = f"is not supported; expected {' or '.join(_SOURCES)}"
                problems.add(short_path((*at, name)), config, what)


def _alternatives(path: Path, node: Node) -> Iterator[tuple[Path, Node]]:
    """Yield a node, or those that Fn::If chooses from."""
    choice = node.value.get("Fn::If") if function_of(node) == "Fn::If" and isinstance(node.value, dict) else None
    if choice is None or not isinstance(choice.value, list):
        yield path, node
        return
    for place, branch in list(enumerate(choice.value))[1:]:
        yield from _alternatives((*path, "Fn::If", place), branch)


def _mappings(path: Path, node: Node, problems: Problems) -> Iterator[tuple[Path, Node]]:
    """Yield each mapping with its path. A name that a mapping has twice is a problem."""
    for name in node.repeated:
        problems.add(short_path((*path, name)), node, "is repeated; expected it once")
    members: Any = node.value
    if isinstance(members, dict):
        yield path, node
        for name, member in members.items():
            yield from _mappings((*path, name), member, problems)
    elif isinstance(members, list):
        for place, member in enumerate(members):
            yield from _mappings((*path, place), member, problems)
