"""Requests: which operation is called, and with which members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from anomalake.alerts.strict_json import StrictJsonError, parse
from anomalake.definitions.messages import shown
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.server.lookoutmetrics.operations import OPERATIONS, TAGS_PATH, Operation
from anomalake.server.lookoutmetrics.validation import valid_members

#: Bytes of a body.
MOST_BYTES: Final = 1024 * 1024
#: Characters of a path, and of a query.
LONGEST_PATH: Final = 8_192
#: Parameters of a query.
_MOST_PARAMETERS: Final = 200


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request.

    Attributes
    ----------
    method
        Such as ``POST``.
    path
        The path as it was sent, percent-encoded, without a prefix of the server's own.
    query
        The query as it was sent, without ``?``.
    headers
        Headers, with names in lower case.
    body
        The body.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


_POSTS: Final = {operation.path: operation for operation in OPERATIONS.values() if not operation.locations}
_TAGS: Final = {operation.method: operation for operation in OPERATIONS.values() if operation.locations}


def operation_of(request: ApiRequest) -> Operation:
    """Return the operation that a request calls; raises `InvalidRequestError` (UNKNOWN_OPERATION)."""
    found = _POSTS.get(request.path) if request.method == "POST" else None
    if found is None and request.path.startswith(TAGS_PATH) and len(request.path) <= LONGEST_PATH:
        found = _TAGS.get(request.method)
    if found is None:
        raise InvalidRequestError(
            f"{request.method[:20]} {shown(request.path)}: is no operation of Lookout for Metrics; "
            "expected POST /OPERATION or /tags/ARN",
            reason="UNKNOWN_OPERATION",
        )
    return found


def members_of(request: ApiRequest, operation: Operation) -> dict[str, Any]:
    """Return the members of a request, valid by the table; raises `InvalidRequestError`."""
    body = _body(request.body) if operation.method == "POST" else {}
    if not isinstance(body, dict):
        raise _unreadable(f"body: {shown(request.body[:100])}: expected a JSON object")
    members = dict(body)
    for name, location in operation.locations.items():
        match location.part:
            case "uri":
                members[name] = _text(request.path[len(TAGS_PATH) :], "the resource's ARN in the path")
            case "querystring":
                members[name] = _parameters(request.query, location.name)
            case "body":
                members.pop(name, None)
                members[name] = members.pop(location.name, None)
    return valid_members(operation.input, members)


def _body(body: bytes) -> Any:
    if len(body) > MOST_BYTES:
        raise _unreadable(f"body: {len(body):,} bytes: expected at most {MOST_BYTES:,}")
    if not body.strip():
        return {}
    try:
        return parse(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _unreadable(f"body: byte {error.start}: expected UTF-8") from error
    except StrictJsonError as error:
        raise _unreadable(f"body: {error}") from error


def _parameters(query: str, name: str) -> list[str] | None:
    if len(query) > LONGEST_PATH * 4:
        raise _unreadable(f"query: {len(query):,} characters: expected at most {LONGEST_PATH * 4:,}")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
    except UnicodeDecodeError as error:
        raise _unreadable("query: expected percent-encoded UTF-8") from error
    except ValueError as error:
        raise _unreadable(f"query: expected at most {_MOST_PARAMETERS} parameters") from error
    values = [value for parameter, value in pairs if parameter == name]
    return values or None


def _text(encoded: str, what: str) -> str:
    try:
        return unquote_to_bytes(encoded.encode("utf-8")).decode("utf-8")
    except UnicodeError as error:
        raise _unreadable(f"{what}: expected percent-encoded UTF-8") from error


def _unreadable(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, reason="CANNOT_PARSE")
