"""Lookout for Metrics' API takes any request: every response is one that the service has, and no fault of the server.

Botocore serialises valid requests and parses every response, with the service model of `anomalake client install`.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
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
from anomalake.server.lookoutmetrics.operations import OPERATIONS, TAGS_PATH
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.validation import problems_of_value
from tests.support.lookoutmetrics import NO_WORKSPACE, Recorded, full_value, handling
from tests.support.lookoutmetrics_requests import JUNK, TEXTS, damaged, judged, serialized, valid


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
@settings(max_examples=200)
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
