"""QuickSight templates with resolved references, and their requests, checked against boto3's model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape

from anomalake.definitions.detector_file import read_detector
from anomalake.definitions.metric_set import Measure, MetricSet
from tests.support.stack import ROOT

Json = dict[str, Any]

ACCOUNT = "123456789012"
USER = f"arn:aws:quicksight:eu-west-1:{ACCOUNT}:user/default/ann"
GROUP = f"arn:aws:quicksight:eu-west-1:{ACCOUNT}:group/default/readers"

HOSTILE = (
    "it's",
    'say "hi"',
    "${AWS::AccountId}",
    "${Measure}",
    "a`b; DROP TABLE x; --",
    "<script>alert(1)</script>",
    "007",
    "1e5",
    "no",
    "~",
    "a:b # c",
    "{{x}}",
    "zwölf 🙂",
    "\u202eevil",
    "timestamp",
    "value",
    "Score",
    "x" * 255,
    "x" * 254 + "y",
    "&alias *star !tag",
)


def metric_set(
    name: str = "orders",
    measures: tuple[str, ...] = ("revenue", "views"),
    dimensions: tuple[str, ...] = (),
    **others: Any,
) -> MetricSet:
    """Return a metric set with measures of SUM and AVG alternately."""
    return MetricSet(
        f"arn:aws:lookoutmetrics:eu-west-1:{ACCOUNT}:AnomalyDetector:{name}",
        "the time of it",
        tuple(Measure(measure, ("SUM", "AVG")[number % 2]) for number, measure in enumerate(measures)),
        dimensions,
        historical_data_path_list=("s3://bucket/backtest/",),
        **others,
    )


def _of_file(name: str) -> MetricSet:
    return read_detector(ROOT / "detectors" / f"{name}.yaml").metric_set


def metric_sets() -> dict[str, MetricSet]:
    """Return metric sets of all kinds."""
    return {
        "shop": _of_file("shop"),
        "flights": _of_file("flights"),
        "no dimension": metric_set("totals", ("Total",), timezone="Europe/Paris", frequency="P1D"),
        "five by five": metric_set(
            "five", tuple(f"measure_{n}" for n in range(5)), tuple(f"dim{n}" for n in range(5)), frequency="PT5M"
        ),
        "twenty by twenty": metric_set(
            "most", tuple(f"measure {n}" for n in range(20)), tuple(f"Dim-{n}" for n in range(20)), frequency="PT10M"
        ),
        "hostile": metric_set("Hostile-name__x_by_day", HOSTILE[::2], HOSTILE[1::2]),
    }


# ---- references ----

_NOTHING = object()


def resolved(template: Json, **parameters: Any) -> dict[str, Json]:
    """Return the resources that a deployment creates, by logical name, with resolved references."""
    values = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    values |= {"OwnerArn": USER, **parameters}
    for name, parameter in template["Parameters"].items():
        if parameter["Type"] == "CommaDelimitedList":
            values[name] = [item for item in values[name].split(",") if item]
    values |= {
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": "eu-west-1",
        "AWS::Partition": "aws",
        "AWS::StackName": "shop-quicksight",
        "AWS::NoValue": _NOTHING,
    }
    resolver = _Resolver(template, values)
    return {
        name: {"Type": resource["Type"], "Properties": resolver.value(resource["Properties"])}
        for name, resource in template["Resources"].items()
        if resolver.holds(resource.get("Condition"))
    }


class _Resolver:
    def __init__(self, template: Json, values: Json) -> None:
        self.conditions = template["Conditions"]
        self.resources = template["Resources"]
        self.values = values

    def holds(self, condition: str | None) -> bool:
        return condition is None or bool(self.value(self.conditions[condition]))

    def arn(self, name: str) -> str:
        return (
            f"arn:aws:quicksight:eu-west-1:{ACCOUNT}:{self.resources[name]['Type'].rpartition('::')[2].lower()}/{name}"
        )

    def named(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        resource, _, attribute = name.partition(".")
        assert resource in self.resources, name
        return self.arn(resource) if attribute else resource

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [item for item in map(self.value, node) if item is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, inside),) = node.items()
            match key:
                case "Ref":
                    return self.named(inside)
                case "Condition" if isinstance(inside, str):
                    return self.holds(inside)
                case "Fn::GetAtt":
                    return self.named(".".join(inside))
                case "Fn::Sub":
                    return re.sub(r"\$\{([^!}]+)\}", lambda match: str(self.named(match[1])), inside)
                case "Fn::Join":
                    return inside[0].join(self.value(inside[1]))
                case "Fn::If":
                    return self.value(inside[1] if self.holds(inside[0]) else inside[2])
                case "Fn::Equals":
                    return self.value(inside[0]) == self.value(inside[1])
                case "Fn::Not":
                    return not self.value(inside[0])
                case "Fn::And":
                    return all(map(self.value, inside))
        resolved_items = {key: self.value(item) for key, item in node.items()}
        return {key: item for key, item in resolved_items.items() if item is not _NOTHING}


# ---- requests ----

_OPERATIONS = {
    "DataSource": "CreateDataSource",
    "DataSet": "CreateDataSet",
    "Theme": "CreateTheme",
    "Analysis": "CreateAnalysis",
    "Dashboard": "CreateDashboard",
    "RefreshSchedule": "CreateRefreshSchedule",
}


def requests(resources: dict[str, Json]) -> Iterator[tuple[str, str, Json]]:
    """Yield the logical name, operation and request of each QuickSight resource."""
    for name, resource in resources.items():
        service, _, kind = resource["Type"].removeprefix("AWS::").partition("::")
        if service == "QuickSight":
            yield name, _OPERATIONS[kind], _request(kind, resource["Properties"])


def _request(kind: str, properties: Json) -> Json:
    """Return the API's request for the properties of a resource, which differ for some kinds."""
    if kind == "DataSet":
        return {key: value for key, value in properties.items() if key != "IngestionWaitPolicy"}
    if kind == "RefreshSchedule":
        schedule = dict(properties["Schedule"])
        frequency = dict(schedule["ScheduleFrequency"])
        frequency["Timezone"] = frequency.pop("TimeZone")
        return {**properties, "Schedule": {**schedule, "ScheduleFrequency": frequency}}
    return properties


@lru_cache(maxsize=1)
def service_model() -> Any:
    """Return boto3's model of QuickSight."""
    return botocore.session.get_session().get_service_model("quicksight")


def violations(operation: str, request: Json) -> list[str]:
    """Return violations of the model in a request. botocore itself does not check patterns, enumerations and maxima."""
    return list(_violations(service_model().operation_model(operation).input_shape, request, operation))


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                yield f"{path}: lacks {name}"
        for name, member in value.items():
            if name not in shape.members:
                yield f"{path}: has no member {name}"
            else:
                yield from _violations(shape.members[name], member, f"{path}.{name}")
        if shape.is_tagged_union and len(value) != 1:
            yield f"{path}: {len(value)} members of a union"
        return
    bounds = shape.metadata
    if isinstance(value, str | list | dict) and not bounds.get("min", 0) <= len(value) <= bounds.get("max", 10**9):
        yield f"{path}: length {len(value)}, expected {bounds.get('min', 0)} to {bounds.get('max')}"
    if isinstance(shape, ListShape):
        for index, member in enumerate(value):
            yield from _violations(shape.member, member, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        for key, member in value.items():
            yield from _violations(shape.key, key, f"{path}<{key}>")
            yield from _violations(shape.value, member, f"{path}.{key}")
    elif shape.type_name == "string":
        if not isinstance(value, str):
            yield f"{path}: {value!r}, expected text"
        elif shape.enum and value not in shape.enum:
            yield f"{path}: {value!r}, expected one of {shape.enum}"
        elif "pattern" in bounds and not re.fullmatch(bounds["pattern"], value):
            yield f"{path}: {value!r}, expected {bounds['pattern']}"
    elif shape.type_name == "boolean":
        if not isinstance(value, bool):
            yield f"{path}: {value!r}, expected a boolean"
    elif shape.type_name in ("integer", "long", "double", "float"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path}: {value!r}, expected a number"
    elif shape.type_name != "timestamp":
        yield f"{path}: {shape.type_name} is not checked"
