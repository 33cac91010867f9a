"""From a request to its response."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from anomalake.errors import AnomalakeError, one_line
from anomalake.server.lookoutmetrics.handling import Handler
from anomalake.server.lookoutmetrics.operations import OPERATIONS, Operation
from anomalake.server.lookoutmetrics.requests import ApiRequest, members_of, operation_of
from anomalake.server.lookoutmetrics.responses import ApiResponse, answer_response, error_response, internal_error
from anomalake.server.lookoutmetrics.validation import valid_members
from anomalake.services.workspace import Workspace
from anomalake.storage.store import StoreError

#: Called with one line for the operator, and the error.
Report = Callable[[str, Exception], None]


def answer(
    request: ApiRequest,
    workspace: Workspace,
    handlers: Mapping[str, Handler],
    report: Report,
    request_id: str | None = None,
) -> ApiResponse:
    """Carry out one request, and return its response; raises nothing.

    Parameters
    ----------
    request
        The request. Who may send it has been checked.
    workspace
        What the handlers work with.
    handlers
        The handlers by name of their operation.
    report
        Called with errors that are not the caller's: of the store, and unexpected ones.
    request_id
        Id of the request, in the response and in reports; default: a new one.
    """
    request_id = request_id or str(uuid.uuid4())
    operation: Operation | None = None
    try:
        operation = operation_of(request)
        members = members_of(request, operation)
        return answer_response(operation, handlers[operation.name](workspace, members), request_id)
    except AnomalakeError as error:
        if isinstance(error, StoreError):
            report(_line(operation, request_id, error), error)
        return error_response(error, operation, request_id)
    except Exception as error:
        report(_line(operation, request_id, error), error)
        return internal_error(f"unexpected error; the server's log has it under request {request_id}", request_id)


def call(
    name: str, members: Mapping[str, Any], workspace: Workspace, handlers: Mapping[str, Handler]
) -> Mapping[str, Any]:
    """Carry out an operation without a request; raises the errors of its handler, and `InvalidRequestError`."""
    return handlers[name](workspace, valid_members(OPERATIONS[name].input, members))


def _line(operation: Operation | None, request_id: str, error: Exception) -> str:
    return f"{operation.name if operation else 'request'} {request_id}: {one_line(error)}"
