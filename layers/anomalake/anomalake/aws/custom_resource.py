"""A function's part in CloudFormation's custom resources: every request gets an answer, or a deployment would wait."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

#: CloudFormation takes answers of up to 4 KB.
LONGEST_REASON = 1000

Send = Callable[[str, bytes], None]


def is_request(event: object) -> bool:
    """Whether an event is CloudFormation's request to a custom resource."""
    return isinstance(event, dict) and {"RequestType", "ResponseURL", "StackId", "LogicalResourceId"} <= event.keys()


def answer(request: Mapping[str, Any], physical_id: str, make: Callable[[], object], send: Send | None = None) -> None:
    """Do what a request to create or update asks, and tell CloudFormation how it went; to delete asks nothing.

    Parameters
    ----------
    physical_id
        Id of the resource, the same ever after.
    make
        Creates or updates it; what it raises is told as the reason, and raised again when CloudFormation knows.
    send
        Puts a body to a URL.
    """
    failure: Exception | None = None
    if request["RequestType"] != "Delete":
        try:
            make()
        except Exception as error:
            failure = error
    reason = f"{type(failure).__name__}: {failure}" if failure else "done"
    body = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": " ".join(reason.split())[:LONGEST_REASON],
        "PhysicalResourceId": request.get("PhysicalResourceId") or physical_id,
        **{name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    (send or _put)(request["ResponseURL"], json.dumps(body).encode())
    if failure:
        raise failure


def _put(url: str, body: bytes) -> None:
    parts = urlsplit(url)
    # CloudFormation's are https; an emulator's are not.
    connect = http.client.HTTPConnection if parts.scheme == "http" else http.client.HTTPSConnection
    connection = connect(parts.netloc, timeout=30)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", body, {"Content-Type": ""})
        status = connection.getresponse().status
    finally:
        connection.close()
    if status >= 300:
        raise OSError(f"CloudFormation's answer URL: status {status}: expected 200")
