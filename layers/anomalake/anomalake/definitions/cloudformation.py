"""A CloudFormation template with a detector, as the fields of a detector file.

CloudFormation has no types ``AWS::LookoutMetrics::*`` any more, but templates with them exist. Their properties are the
request fields of CreateAnomalyDetector and CreateAlert. A translated template (`anomalake.cloudformation`) has custom
resources with the same properties.
"""

from __future__ import annotations

from collections.abc import Iterator

from anomalake.definitions.document import DocumentError, Node, function_of

DETECTOR_TYPE = "AWS::LookoutMetrics::AnomalyDetector"
ALERT_TYPE = "AWS::LookoutMetrics::Alert"

#: Types of a translated template.
CUSTOM_DETECTOR = "Custom::LookoutMetricsAnomalyDetector"
CUSTOM_ALERT = "Custom::LookoutMetricsAlert"

#: Properties of every custom resource.
CUSTOM_PROPERTIES = ("ServiceToken", "ServiceTimeout")

_CUSTOM_TYPES = {CUSTOM_DETECTOR: DETECTOR_TYPE, CUSTOM_ALERT: ALERT_TYPE}


def fields_of(root: Node) -> Node:
    """Return the fields of the detector and the alerts of a template; any other document is returned as it is.

    A detector or an alert without a name has its logical id, as CloudFormation's own names begin with it.

    Raises
    ------
    DocumentError
        The template has no detector, or several.
    """
    if not isinstance(root.value, dict):
        return root
    if _type_of(root) in (DETECTOR_TYPE, ALERT_TYPE):
        resources = {"": root}
    else:
        listed = root.value.get("Resources")
        if listed is None or not isinstance(listed.value, dict):
            return root
        resources = listed.value
    detectors = list(_named(resources, DETECTOR_TYPE, "AnomalyDetectorName"))
    if len(detectors) != 1:
        names = ", ".join(name for name, _ in detectors)
        has = f"{len(detectors)} resources of type {DETECTOR_TYPE}: {names}" if detectors else f"no {DETECTOR_TYPE}"
        raise DocumentError(f"has {has}; a file has one detector", None)
    ((_, detector),) = detectors
    members = dict(detector.value) if isinstance(detector.value, dict) else {}
    alerts = [alert for _, alert in _named(resources, ALERT_TYPE, "AlertName")]
    if alerts:
        members["Alerts"] = Node([_of_this_detector(alert) for alert in alerts], alerts[0].line)
    return Node(members, detector.line, repeated=detector.repeated)


def _type_of(resource: Node) -> str | None:
    if not isinstance(resource.value, dict) or "Type" not in resource.value:
        return None
    value = resource.value["Type"].value
    return _CUSTOM_TYPES.get(value, value) if isinstance(value, str) else None


def _named(resources: dict[str, Node], type_: str, name_field: str) -> Iterator[tuple[str, Node]]:
    """Yield the logical ids and the properties of the resources of a type."""
    for logical_id, resource in resources.items():
        if _type_of(resource) != type_ or not isinstance(resource.value, dict):
            continue
        properties = _without_custom(resource.value.get("Properties", Node({}, resource.line)))
        members = properties.value
        if logical_id and isinstance(members, dict) and name_field not in members:
            properties = Node(
                {name_field: Node(logical_id, resource.line), **members},
                properties.line,
                repeated=properties.repeated,
            )
        yield logical_id, properties


def _without_custom(properties: Node) -> Node:
    """Leave out the properties of every custom resource."""
    if not isinstance(properties.value, dict):
        return properties
    members = {name: node for name, node in properties.value.items() if name not in CUSTOM_PROPERTIES}
    return Node(members, properties.line, repeated=properties.repeated)


def _of_this_detector(alert: Node) -> Node:
    """Leave out a reference to the detector, which is the only one of the template."""
    if not isinstance(alert.value, dict):
        return alert
    arn = alert.value.get("AnomalyDetectorArn")
    if arn is None or function_of(arn) is None:
        return alert
    members = {name: node for name, node in alert.value.items() if name != "AnomalyDetectorArn"}
    return Node(members, alert.line, repeated=alert.repeated)
