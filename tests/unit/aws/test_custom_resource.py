"""Responses to CloudFormation's custom-resource requests."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from anomalake.aws import custom_resource
from anomalake.lake.ports import CatalogError

REQUEST = {
    "RequestType": "Create",
    "ResponseURL": "https://responses/x?y=z",
    "StackId": "stack",
    "RequestId": "request",
    "LogicalResourceId": "Views",
}


def respond(request: dict[str, Any], make: Any) -> tuple[str, dict[str, Any]]:
    sent: list[tuple[str, bytes]] = []
    try:
        custom_resource.answer(request, "views", make, lambda url, body: sent.append((url, body)))
    except CatalogError:
        assert json.loads(sent[0][1])["Status"] == "FAILED"
    ((url, body),) = sent
    return url, json.loads(body)


def test_success_is_sent_to_cloudformation() -> None:
    calls: list[int] = []
    url, response = respond(REQUEST, lambda: calls.append(1))
    assert calls == [1]
    assert url == "https://responses/x?y=z"
    assert response == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": "views",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Views",
    }


def test_a_failure_is_sent_to_cloudformation_on_one_line() -> None:
    def fail() -> None:
        raise CatalogError("Glue:\n" + "down " * 1000 + "😀" * 1000)

    _, response = respond({**REQUEST, "RequestType": "Update", "PhysicalResourceId": "old"}, fail)
    assert response["Status"] == "FAILED"
    assert response["Reason"].startswith("CatalogError: Glue: down")
    assert "\n" not in response["Reason"]
    assert len(response["Reason"]) <= 1000
    assert response["PhysicalResourceId"] == "old"


def test_a_deletion_does_nothing_and_gets_a_response() -> None:
    def never() -> None:
        raise AssertionError("called for a deletion")

    _, response = respond({**REQUEST, "RequestType": "Delete", "PhysicalResourceId": "views"}, never)
    assert response["Status"] == "SUCCESS"


def test_only_requests_of_cloudformation_are_requests() -> None:
    assert custom_resource.is_request(REQUEST)
    assert not custom_resource.is_request({"Records": []})
    assert not custom_resource.is_request([REQUEST])


class Later(Exception):
    pass


def test_a_request_is_passed_on_while_work_is_left_and_then_answered() -> None:
    passed: list[Any] = []
    sent: list[bytes] = []

    def respond_to(request: dict[str, Any], left: bool) -> None:
        def make() -> None:
            if left:
                raise Later("ten are left")

        def send(_: str, body: bytes) -> None:
            sent.append(body)

        custom_resource.answer(request, "views", make, send, go_on=(Later, passed.append))

    respond_to(REQUEST, left=True)
    assert sent == []
    respond_to(passed[-1], left=True)
    respond_to(passed[-1], left=False)
    assert len(passed) == 2
    assert json.loads(sent[0])["Status"] == "SUCCESS"
    assert json.loads(sent[0])["RequestId"] == "request"


def test_a_request_that_is_passed_on_too_often_fails() -> None:
    passed: list[Any] = [REQUEST]
    sent: list[bytes] = []

    def make() -> None:
        raise Later("ten are left")

    for _ in range(custom_resource.MOST_INVOCATIONS):
        with contextlib.suppress(Later):
            custom_resource.answer(
                passed[-1], "views", make, lambda _, body: sent.append(body), go_on=(Later, passed.append)
            )
    assert len(passed) == custom_resource.MOST_INVOCATIONS
    assert json.loads(sent[0])["Status"] == "FAILED"
    assert "ten are left" in json.loads(sent[0])["Reason"]
