"""The whole of Lookout for Metrics' API on a real lake: every operation, with any members, valid and invalid ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.server.lookoutmetrics.operations import OPERATIONS, TAGS_PATH, Operation
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.shapes.kinds import ListOf, MapOf, Shape, Structure, Text
from tests.support.api_world import World, filled, names_in_it
from tests.support.lookoutmetrics_requests import MODEL, damaged, judged, serialized, valid


@st.composite
def plausible(draw: st.DrawFn, members: Any) -> Any:
    """Members in which most names are those of something that is there."""
    if isinstance(members, list):
        return [draw(plausible(item)) for item in members]
    if not isinstance(members, dict):
        return members
    known = names_in_it()
    return {
        name: draw(st.sampled_from(known[name]))
        if name in known and not (name == "MetricName" and isinstance(value, list)) and draw(st.integers(0, 7))
        else draw(plausible(value))
        for name, value in members.items()
    }


@st.composite
def requests(draw: st.DrawFn, operation: Operation) -> ApiRequest:
    """Requests of an operation: those of botocore where it makes them, else what another client would send."""
    members = draw(plausible(draw(valid(operation.input))))
    if draw(st.integers(0, 4)) == 0:
        members = draw(damaged(members))
    shape = MODEL.operation_model(operation.name).input_shape
    if isinstance(members, dict) and not ParamValidator().validate(members, shape).has_errors():
        return serialized(operation, members)
    if not operation.locations:
        return ApiRequest("POST", operation.path, "", {}, json.dumps(members).encode())
    given: Mapping[str, Any] = members if isinstance(members, dict) else {}
    return ApiRequest(
        operation.method,
        TAGS_PATH + quote(str(given.get("ResourceArn", "")), safe="/"),
        urlencode({"tagKeys": given.get("TagKeys", ())}, doseq=True),
        {},
        json.dumps({"tags": given.get("Tags")}).encode() if operation.method == "POST" else b"",
    )


def check(world: World, operation: Operation, request: ApiRequest) -> dict[str, Any]:
    """Send a request; check its answer, and that of the next page."""
    response = world.answer(request)
    assert world.reported == [], request
    answered = judged(response, operation)
    if response.status < 300:
        check_values(operation.output, answered)
        token = answered.get("NextToken")
        if token is not None:
            body = json.dumps({**json.loads(request.body), "NextToken": token}).encode()
            rest = judged(world.answer(ApiRequest("POST", operation.path, "", {}, body)), operation)
            assert rest.get("NextToken") != token
    return answered


def check_values(shape: Shape, value: Any) -> None:
    """Check that a parsed answer has members and enumerated values of the model only.

    Limits of requests are none of answers: a detector file may have a folder as its source, for example.
    """
    match shape:
        case Structure():
            assert value.keys() <= shape.members.keys()
            for name, member in value.items():
                check_values(shape.members[name], member)
        case ListOf() | MapOf():
            of = shape.member if isinstance(shape, ListOf) else shape.value
            for item in value if isinstance(shape, ListOf) else value.values():
                check_values(of, item)
        case Text(enum=tuple(allowed)) if allowed:
            assert value in allowed


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=10)
@given(data=st.data())
def test_every_operation_answers_or_refuses(name: str, data: st.DataObject) -> None:
    world = World()
    check(world, OPERATIONS[name], data.draw(requests(OPERATIONS[name])))


@settings(max_examples=10)
@given(data=st.data())
def test_any_operations_after_one_another(data: st.DataObject) -> None:
    world = World()
    for name in data.draw(st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=2, max_size=10)):
        check(world, OPERATIONS[name], data.draw(requests(OPERATIONS[name])))
    # Whatever was done, all is listed and described.
    for summary in check(world, OPERATIONS["ListAnomalyDetectors"], listing("ListAnomalyDetectors"))[
        "AnomalyDetectorSummaryList"
    ]:
        arn = summary["AnomalyDetectorArn"]
        described = check(world, OPERATIONS["DescribeAnomalyDetector"], listing("DescribeAnomalyDetector", arn))
        assert described["AnomalyDetectorName"] == summary["AnomalyDetectorName"]


def listing(operation: str, arn: str | None = None) -> ApiRequest:
    return serialized(OPERATIONS[operation], {"AnomalyDetectorArn": arn} if arn else {})


def test_every_operation_in_a_folder(tmp_path: Path) -> None:
    world = World(*filled(str(tmp_path)))

    @settings(max_examples=30)
    @given(data=st.data())
    def answers_or_refuses(data: st.DataObject) -> None:
        operation = OPERATIONS[data.draw(st.sampled_from(sorted(OPERATIONS)))]
        check(world, operation, data.draw(requests(operation)))

    answers_or_refuses()
