"""Responses to CloudFormation's custom-resource requests. A request without a response would block a deployment."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from anomalake.definitions.messages import printable
from anomalake.errors import require

#: Bytes of a reason: CloudFormation accepts responses of up to 4 KB.
LONGEST_REASON = 1000

#: How often a response is sent that does not arrive.
MOST_SENDINGS = 3

#: How often a request may be passed on because the time of an invocation is over.
MOST_INVOCATIONS = 5
_INVOCATION = "AnomalakeInvocation"

Send = Callable[[str, bytes], None]
#: An error that says that work is left, and what passes the request on to another invocation.
GoOn = tuple[type[Exception], Callable[[Mapping[str, Any]], None]]


@dataclass(frozen=True, slots=True)
class ResourceResult:
    """A resource that was created, updated or deleted.

    Attributes
    ----------
    physical_id
        What Ref returns. A new one after an update makes CloudFormation delete the old resource.
    data
        What Fn::GetAtt returns.
    """

    physical_id: str
    data: Mapping[str, str] = field(default_factory=dict)


def is_request(event: object) -> bool:
    """Whether an event is CloudFormation's request to a custom resource."""
    return isinstance(event, dict) and {"RequestType", "ResponseURL", "StackId", "LogicalResourceId"} <= event.keys()


def answer(
    request: Mapping[str, Any],
    physical_id: str,
    make: Callable[[], object],
    send: Send | None = None,
    go_on: GoOn | None = None,
) -> None:
    """Create or update a resource as requested, and send the result to CloudFormation; a deletion does nothing.

    Parameters
    ----------
    physical_id
        Physical id of the resource; it never changes.
    make
        Creates or updates the resource. Its exception is sent as the reason, and raised after the response is sent.
    send
        Sends a body to a URL with PUT.
    go_on
        Where `make` raises this error, the request is passed on, and nothing is sent yet.
    """
    failure: Exception | None = None
    if request["RequestType"] != "Delete":
        try:
            make()
        except Exception as error:
            number = request.get(_INVOCATION, 1)
            if go_on is not None and isinstance(error, go_on[0]) and number < MOST_INVOCATIONS:
                go_on[1]({**request, _INVOCATION: number + 1})
                return
            failure = error
    result = ResourceResult(request.get("PhysicalResourceId") or physical_id)
    send_response(request, result, failure, send)
    if failure:
        raise failure


def send_response(
    request: Mapping[str, Any], result: ResourceResult, failure: Exception | None = None, send: Send | None = None
) -> None:
    """Send the response to a request.

    Parameters
    ----------
    failure
        The reason of a failure; None for a success.
    send
        Sends a body to a URL with PUT.

    Raises
    ------
    OSError
        No response arrived.
    """
    reason = f"{type(failure).__name__}: {failure}" if failure else "done"
    body = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": printable(" ".join(reason.split())).encode()[:LONGEST_REASON].decode(errors="ignore"),
        "PhysicalResourceId": result.physical_id,
        **{name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    if result.data and not failure:
        body["Data"] = dict(result.data)
    for attempt in range(1, MOST_SENDINGS + 1):
        try:
            (send or _put)(request["ResponseURL"], json.dumps(body, ensure_ascii=False).encode())
            return
        except (OSError, http.client.HTTPException):
            if attempt == MOST_SENDINGS:
                raise


def invoke_again(function: str, request: Mapping[str, Any]) -> None:
    """Invoke a function with a request, and do not wait for it."""
    require("boto3", extra="aws")
    import boto3

    boto3.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(request).encode())


def _put(url: str, body: bytes) -> None:
    parts = urlsplit(url)
    # CloudFormation uses https; an emulator uses http.
    connect = http.client.HTTPConnection if parts.scheme == "http" else http.client.HTTPSConnection
    connection = connect(parts.netloc, timeout=30)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", body, {"Content-Type": ""})
        status = connection.getresponse().status
    finally:
        connection.close()
    if status >= 300:
        raise OSError(f"CloudFormation's response URL: status {status}: expected 200")
