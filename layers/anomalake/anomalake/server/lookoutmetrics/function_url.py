"""Requests and responses of the API in the form of a Lambda function URL (payload format 2.0)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from anomalake.errors import AnomalakeError
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.responses import ApiResponse


class FunctionUrlError(AnomalakeError, ValueError):
    """An event that is no request of a function URL."""


def request_of(event: Any) -> ApiRequest:
    """Convert an event of a function URL; raises `FunctionUrlError`."""
    try:
        http = event["requestContext"]["http"]
        text = event.get("body") or ""
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode("utf-8")
        return ApiRequest(
            method=str(http["method"]),
            path=str(event["rawPath"]),
            query=str(event.get("rawQueryString", "")),
            headers={str(name).lower(): str(value) for name, value in event.get("headers", {}).items()},
            body=body,
        )
    except (AttributeError, KeyError, TypeError, UnicodeError, binascii.Error) as error:
        raise FunctionUrlError(
            f"event {str(event)[:200]}: {error!r}; expected a request of a function URL, payload format 2.0"
        ) from error


def result_of(response: ApiResponse) -> Mapping[str, Any]:
    """Convert a response into the result of a function URL."""
    return {"statusCode": response.status, "headers": dict(response.headers), "body": response.body.decode("utf-8")}
