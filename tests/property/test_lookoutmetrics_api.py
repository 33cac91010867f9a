"""Lookout for Metrics' API takes any request: every response is one that the service has, and no fault of the server.

Botocore serialises valid requests and parses every response, with the service model of `anomalake client install`.
"""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.definitions.resource_errors import (
    AccessRefusedError,
    InvalidRequestError,
    QuotaExceededError,
    ResourceConflictError,
    ResourceNotFoundError,
)
from anomalake.server.lookoutmetrics.answering import answer
from anomalake.server.lookoutmetrics.operations import OPERATIONS, TAGS_PATH, Operation
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.responses import ApiResponse
from anomalake.server.lookoutmetrics.service_model import service_model
from anomalake.server.lookoutmetrics.shapes.errors import BY_LETTER
from anomalake.server.lookoutmetrics.shapes.kinds import Boolean, Integer, ListOf, MapOf, Shape, Structure, Text
from anomalake.server.lookoutmetrics.validation import problems_of_value
from tests.support.lookoutmetrics import NO_WORKSPACE, Recorded, full_value, handling

MODEL = ServiceModel(service_model("lookoutmetrics"))
SERIALIZER = create_serializer("rest-json")
PARSER = create_parser("rest-json")
ERRORS = {error.name: error for error in BY_LETTER.values()}

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
_KNOWN: dict[str, st.SearchStrategy[Any]] = {}


def valid(shape: Shape) -> st.SearchStrategy[Any]:
    """Values that a shape allows."""
    if shape.name not in _KNOWN:
        _KNOWN[shape.name] = _valid(shape)
    return _KNOWN[shape.name]


def _valid(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case Text():
            sample = st.just(full_value(shape))
            if shape.enum:
                return st.sampled_from(shape.enum)
            if shape.check is not None:
                return sample
            if not shape.pattern:
                return TEXTS
            matching = st.from_regex(shape.compiled, fullmatch=True, alphabet=st.characters(codec="utf-8"))
            return sample | matching.filter(lambda text: shape.shortest <= len(text) <= (shape.longest or 0))
        case Integer():
            return st.integers(shape.least, shape.most)
        case Boolean():
            return st.booleans()
        case ListOf():
            return st.lists(valid(shape.member), min_size=shape.shortest, max_size=min(shape.longest or 3, 3))
        case MapOf():
            return st.dictionaries(valid(shape.key), valid(shape.value), min_size=shape.shortest, max_size=3)
        case Structure() if shape.one_of:
            return st.one_of(*(st.fixed_dictionaries({name: valid(of)}) for name, of in shape.members.items()))
        case Structure():
            required = {name: valid(of) for name, of in shape.members.items() if name in shape.required}
            others = {name: valid(of) for name, of in shape.members.items() if name not in shape.required}
            return st.fixed_dictionaries(required, optional=others)
    raise AssertionError(f"{shape.name}: requests have no such member")


def serialized(operation: Operation, members: dict[str, Any]) -> ApiRequest:
    """Return the request that botocore sends."""
    sent = SERIALIZER.serialize_to_request(members, MODEL.operation_model(operation.name))
    query = sent["query_string"]
    body = sent["body"]
    return ApiRequest(
        sent["method"],
        sent["url_path"],
        urlencode(query, doseq=True),
        {},
        body if isinstance(body, bytes) else body.encode("utf-8"),
    )


def judged(response: ApiResponse, operation: Operation | None, *, fault: bool = False) -> dict[str, Any]:
    """Check that a response is one that the service has; return its members."""
    assert fault or response.status < 500, response.body
    shape = MODEL.operation_model(operation.name).output_shape if operation else None
    raw = {
        "status_code": response.status,
        "headers": {name.lower(): value for name, value in response.headers.items()},
        "body": response.body,
    }
    parsed = cast(dict[str, Any], PARSER.parse(raw, shape))
    assert parsed.pop("ResponseMetadata")["RequestId"]
    if response.status < 300:
        assert operation is not None
        assert response.status == operation.status
        return parsed
    error = ERRORS[parsed["Error"]["Code"]]
    assert response.status == error.status
    assert operation is None or error in operation.errors
    assert problems_of_value(error.body, json.loads(response.body)) == []
    assert len(parsed["Error"]["Message"]) <= 2_000
    assert b"Traceback" not in response.body
    return cast(dict[str, Any], json.loads(response.body))


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=20)
@given(data=st.data())
def test_valid_requests_arrive_as_they_are_and_are_answered(name: str, data: st.DataObject) -> None:
    operation = OPERATIONS[name]
    members = data.draw(valid(operation.input))
    recorded = Recorded()
    parsed = judged(recorded.answer(serialized(operation, members)), operation)
    assert recorded.calls == [(operation.name, members)]
    assert parsed == full_value(operation.output)


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """A value of which a part is missing, added or replaced."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        rest = {key: item for key, item in value.items() if key != name}
        return rest if draw(st.booleans()) else {**rest, name: draw(damaged(value[name]))}
    if isinstance(value, dict) and draw(st.booleans()):
        return {**value, draw(st.text(max_size=10)): draw(JUNK)}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [draw(damaged(value[0])), *value[1:]]
    return draw(JUNK)


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if not operation.locations])
@settings(max_examples=20)
@given(data=st.data())
def test_damaged_requests_are_answered_or_refused(name: str, data: st.DataObject) -> None:
    operation = OPERATIONS[name]
    body = json.dumps(data.draw(damaged(data.draw(valid(operation.input)))))
    recorded = Recorded()
    request = ApiRequest("POST", operation.path, "", {}, body.encode("utf-8"))
    refused = judged(recorded.answer(request), operation)
    if recorded.calls:
        [(_, members)] = recorded.calls
        assert problems_of_value(operation.input, members) == []
    else:
        assert refused["Reason"] in ("FIELD_VALIDATION_FAILED", "CANNOT_PARSE")


PATHS = (
    st.sampled_from([operation.path for operation in OPERATIONS.values()])
    | st.builds(str.__add__, st.just(TAGS_PATH), st.text(max_size=50))
    | st.text(max_size=50)
)
BODIES = st.binary(max_size=100) | st.builds(lambda junk: json.dumps(junk).encode(), JUNK)
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]) | st.text(max_size=10)


@given(
    method=METHODS,
    path=PATHS,
    query=st.text(max_size=50) | st.builds(lambda keys: urlencode([("tagKeys", key) for key in keys]), st.lists(TEXTS)),
    headers=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
    body=BODIES,
)
@settings(max_examples=500)
def test_any_request_is_answered_or_refused(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    recorded = Recorded()
    response = recorded.answer(ApiRequest(method, path, query, headers, body))
    called = OPERATIONS[recorded.calls[0][0]] if recorded.calls else None
    judged(response, called)
    assert recorded.reported == []


RESOURCES = st.tuples(st.text(max_size=3_000), st.text(max_size=20), st.sampled_from(["AnomalyDetector", "Alert"]))
REFUSALS = st.one_of(
    st.builds(lambda of: ResourceNotFoundError(*of), RESOURCES),
    st.builds(lambda of: ResourceConflictError(*of), RESOURCES),
    st.builds(lambda of: QuotaExceededError(*of), RESOURCES),
    st.builds(AccessRefusedError, st.text()),
    st.builds(InvalidRequestError, st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple)),
)


@given(name=st.sampled_from(list(OPERATIONS)), error=REFUSALS)
def test_every_refusal_of_a_handler_is_an_error_of_its_operation(name: str, error: Exception) -> None:
    operation = OPERATIONS[name]
    request = serialized(operation, full_value(operation.input))
    judged(answer(request, NO_WORKSPACE, handling(error, operation.name), lambda line, error: None), operation)


@given(name=st.sampled_from(list(OPERATIONS)), text=st.text())
def test_every_fault_of_a_handler_is_an_internal_error(name: str, text: str) -> None:
    operation = OPERATIONS[name]
    request = serialized(operation, full_value(operation.input))
    reported: list[str] = []
    handlers = handling(LookupError(text), operation.name)
    response = answer(request, NO_WORKSPACE, handlers, lambda line, error: reported.append(line))
    judged(response, operation, fault=True)
    assert response.headers["x-amzn-ErrorType"] == "InternalServerException"
    assert len(reported) == 1
