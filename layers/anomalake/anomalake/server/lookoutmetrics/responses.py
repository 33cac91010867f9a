"""Responses: answers, and errors in the service's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from anomalake.definitions.resource_errors import (
    AccessRefusedError,
    InvalidRequestError,
    QuotaExceededError,
    ResourceConflictError,
    ResourceError,
    ResourceNotFoundError,
)
from anomalake.errors import AnomalakeError, problems_of
from anomalake.server.lookoutmetrics.encoding import encode
from anomalake.server.lookoutmetrics.operations import Operation
from anomalake.server.lookoutmetrics.shapes.errors import (
    ACCESS_DENIED,
    CONFLICT,
    INTERNAL,
    NOT_FOUND,
    QUOTA_EXCEEDED,
    VALIDATION,
    ErrorShape,
)
from anomalake.storage.store import StoreError

#: Characters of a message.
_LONGEST_MESSAGE: Final = 2_000


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response: HTTP status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answer_response(operation: Operation, answer: Mapping[str, Any], request_id: str) -> ApiResponse:
    """Return the response with the answer of an operation; raises `AnswerError`."""
    body = encode(operation.output, answer)
    if operation.status == 204:
        return ApiResponse(204, {"x-amzn-RequestId": request_id}, b"")
    return ApiResponse(operation.status, _headers(request_id), body)


def error_response(error: AnomalakeError, operation: Operation | None, request_id: str) -> ApiResponse:
    """Return the response to a request that has failed.

    An error that the operation does not have becomes a ValidationException with the same message.

    Parameters
    ----------
    operation
        The operation that was called; None if there is no such operation.
    """
    message = "; ".join(problems_of(error))
    match error:
        case StoreError():
            return internal_error(f"the lake could not be read or written: {message}", request_id)
        case InvalidRequestError():
            fields = [{"Name": name, "Message": reason} for name, reason in error.fields]
            return _response(
                VALIDATION, {"Message": message, "Reason": error.reason, "Fields": fields or None}, request_id
            )
        case ResourceError():
            shape = _shape_of(error)
            members = {"Message": message, "ResourceId": str(error.resource_id), "ResourceType": error.resource_type}
            if shape is QUOTA_EXCEEDED:
                members["ServiceCode"] = "lookoutmetrics"
        case AccessRefusedError():
            shape, members = ACCESS_DENIED, {"Message": message}
        case _:
            shape, members = VALIDATION, {"Message": message, "Reason": "OTHER"}
    if operation is not None and shape not in operation.errors:
        shape, members = VALIDATION, {"Message": message, "Reason": "OTHER"}
    return _response(shape, members, request_id)


def internal_error(message: str, request_id: str) -> ApiResponse:
    """Return the response to a request that has failed without a fault of its own; clients send it again."""
    return _response(INTERNAL, {"Message": message}, request_id)


def _shape_of(error: ResourceError) -> ErrorShape:
    match error:
        case ResourceNotFoundError():
            return NOT_FOUND
        case ResourceConflictError():
            return CONFLICT
        case QuotaExceededError():
            return QUOTA_EXCEEDED
        case _:
            return VALIDATION


def _response(shape: ErrorShape, members: Mapping[str, Any], request_id: str) -> ApiResponse:
    shortened = {**members, "Message": members["Message"][:_LONGEST_MESSAGE]}
    headers = {**_headers(request_id), "x-amzn-ErrorType": shape.name}
    return ApiResponse(shape.status, headers, encode(shape.body, shortened))


def _headers(request_id: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "x-amzn-RequestId": request_id}
