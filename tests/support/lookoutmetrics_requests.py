"""Requests of the API as botocore makes them, valid and damaged ones, and botocore's judgement of responses."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import urlencode

from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import strategies as st

from anomalake.server.lookoutmetrics.operations import Operation
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.responses import ApiResponse
from anomalake.server.lookoutmetrics.service_model import service_model
from anomalake.server.lookoutmetrics.shapes.errors import BY_LETTER
from anomalake.server.lookoutmetrics.shapes.kinds import Boolean, Integer, ListOf, MapOf, Shape, Structure, Text
from anomalake.server.lookoutmetrics.validation import problems_of_value
from tests.support.lookoutmetrics import full_value

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
