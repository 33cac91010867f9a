"""Responses to CloudFormation's custom-resource requests."""

from __future__ import annotations

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
        raise CatalogError("Glue:\n" + "down " * 1000)

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
