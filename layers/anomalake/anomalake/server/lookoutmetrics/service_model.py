"""The service model and the endpoint rules for botocore (boto3 and the AWS CLI), made from the table of operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from anomalake.server.lookoutmetrics.operations import OPERATIONS, Operation
from anomalake.server.lookoutmetrics.shapes.errors import ErrorShape
from anomalake.server.lookoutmetrics.shapes.kinds import (
    Boolean,
    Integer,
    ListOf,
    MapOf,
    Number,
    Shape,
    Structure,
    Text,
    Time,
)

#: Name of the service in botocore, and the version of its API.
SERVICE: Final = "lookoutmetrics"
VERSION: Final = "2017-07-25"

#: The texts that distinguish our files from botocore's own.
DOCUMENTATION: Final = "Lookout for Metrics' API, answered by anomalake. Written by anomalake client install."

_Document = dict[str, Any]


def service_model(signing_name: str) -> _Document:
    """Return the content of ``service-2.json``; `signing_name` is the service that signatures are for."""
    shapes: dict[str, _Document] = {}
    for operation in OPERATIONS.values():
        _add(operation.input, shapes, operation)
        _add(operation.output, shapes)
        for error in operation.errors:
            _add(error.body, shapes)
            shapes[error.name].update(_error_traits(error))
    return {
        "version": "2.0",
        "metadata": {
            "apiVersion": VERSION,
            "endpointPrefix": SERVICE,
            "jsonVersion": "1.1",
            "protocol": "rest-json",
            "protocols": ["rest-json"],
            "serviceAbbreviation": "LookoutMetrics",
            "serviceFullName": "Amazon Lookout for Metrics",
            "serviceId": "LookoutMetrics",
            "signatureVersion": "v4",
            "signingName": signing_name,
            "uid": f"{SERVICE}-{VERSION}",
        },
        "documentation": DOCUMENTATION,
        "operations": {name: _operation(operation) for name, operation in OPERATIONS.items()},
        "shapes": dict(sorted(shapes.items())),
    }


def endpoint_rules(url: str, signing_name: str, region: str | None) -> _Document:
    """Return the content of ``endpoint-rule-set-1.json``: every request goes to one URL.

    Parameters
    ----------
    url
        The URL. Endpoints that the caller states (``endpoint_url``, ``AWS_ENDPOINT_URL``) go before it.
    signing_name
        The service that signatures are for.
    region
        The region that signatures are for; None: that of the client.
    """
    scheme = {"name": "sigv4", "signingName": signing_name, **({"signingRegion": region} if region else {})}
    properties = {"authSchemes": [scheme]}
    stated = {"fn": "isSet", "argv": [{"ref": "Endpoint"}]}
    return {
        "version": "1.0",
        "documentation": DOCUMENTATION,
        "parameters": {
            "Region": _parameter("String", "AWS::Region", "The region of the client."),
            "UseDualStack": _parameter("Boolean", "AWS::UseDualStack", "Not used.", default=False),
            "UseFIPS": _parameter("Boolean", "AWS::UseFIPS", "Not used.", default=False),
            "Endpoint": _parameter("String", "SDK::Endpoint", "The URL that the caller states."),
        },
        "rules": [
            {
                "conditions": [stated],
                "endpoint": {"url": {"ref": "Endpoint"}, "properties": {}, "headers": {}},
                "type": "endpoint",
            },
            {"conditions": [], "endpoint": {"url": url, "properties": properties, "headers": {}}, "type": "endpoint"},
        ],
    }


def _parameter(kind: str, built_in: str, documentation: str, default: bool | None = None) -> _Document:
    required = {"required": False} if default is None else {"required": True, "default": default}
    return {"builtIn": built_in, **required, "documentation": documentation, "type": kind}


def _operation(operation: Operation) -> _Document:
    status = {} if operation.path == f"/{operation.name}" else {"responseCode": operation.status}
    return {
        "name": operation.name,
        "http": {"method": operation.method, "requestUri": operation.path, **status},
        "input": {"shape": operation.input.name},
        "output": {"shape": operation.output.name},
        "errors": [{"shape": error.name} for error in operation.errors],
        "documentation": operation.summary,
    }


def _error_traits(error: ErrorShape) -> _Document:
    fault = {"fault": True} if error.status >= 500 else {}
    return {"error": {"httpStatusCode": error.status}, "exception": True, **fault}


def _add(shape: Shape, shapes: dict[str, _Document], operation: Operation | None = None) -> _Document:
    """Add a shape, and those within it; return the reference to it."""
    document = _document(shape, shapes, operation)
    known = shapes.setdefault(shape.name, document)
    assert known.items() >= document.items(), shape.name
    return {"shape": shape.name}


def _document(shape: Shape, shapes: dict[str, _Document], operation: Operation | None) -> _Document:
    match shape:
        case Text():
            return _without_none(
                type="string",
                min=shape.shortest or None,
                max=shape.longest,
                pattern=shape.pattern or None,
                enum=list(shape.enum) or None,
            )
        case Integer():
            return _without_none(type="integer", min=shape.least, max=shape.most, box=True)
        case Number():
            return _without_none(type="double", min=shape.least, max=shape.most)
        case Boolean():
            return {"type": "boolean"}
        case Time():
            return {"type": "timestamp"}
        case ListOf():
            member = _add(shape.member, shapes)
            return _without_none(type="list", member=member, min=shape.shortest or None, max=shape.longest)
        case MapOf():
            return {
                "type": "map",
                "key": _add(shape.key, shapes),
                "value": _add(shape.value, shapes),
                "min": shape.shortest,
                "max": shape.longest,
            }
        case Structure():
            members = {
                name: {**_add(member, shapes), **_location(name, operation)} for name, member in shape.members.items()
            }
            return _without_none(type="structure", required=list(shape.required) or None, members=members)


def _location(name: str, operation: Operation | None) -> Mapping[str, str]:
    if operation is None or name not in operation.locations:
        return {}
    location = operation.locations[name]
    return {"locationName": location.name, **({} if location.part == "body" else {"location": location.part})}


def _without_none(**fields: Any) -> _Document:
    return {name: value for name, value in fields.items() if value is not None}
