"""Reading of requests: the JSON body and its fields."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from anomalake.errors import AnomalakeError

#: The request header with the page's token.
TOKEN: Final = "X-Anomalake-Token"

GROUP_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
SERIES_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")
SNOOZE_ID: Final = re.compile(r"[0-9a-f]{32}")
COMMENT_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{16}")

_MOST_BYTES: Final = 64 * 1024
_MOST_PAIRS: Final = 50
_LONGEST_NAME: Final = 4_096


class RequestError(AnomalakeError):
    """A request that is refused: the HTTP status, and the reason on one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def read_body(request: Request, token: str) -> Mapping[str, Any]:
    """Read the JSON object in the body of a request with the page's token; raises `RequestError`."""
    given_token = request.headers.get(TOKEN, "")
    if not secrets.compare_digest(given_token.encode("utf-8"), token.encode("utf-8")):
        raise RequestError(403, "the page is not the server's own: reload it")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestError(415, "expected application/json")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise RequestError(413, f"expected at most {_MOST_BYTES:,} bytes")
    except ClientDisconnect as error:
        raise RequestError(400, "the connection was closed before the end of the request") from error
    try:
        fields = json.loads(bytes(body).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"body: {str(error)[:100]}; expected JSON") from error
    if not isinstance(fields, dict):
        raise RequestError(400, f"body: {type(fields).__name__}; expected an object")
    return fields


def check_names(fields: Mapping[str, Any], *names: str) -> None:
    """Check that a request has no other fields; raises `RequestError`."""
    others = fields.keys() - set(names)
    if others:
        raise RequestError(400, f"{shown(min(others))}: expected only {', '.join(names)}")


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Read a required text; raises `RequestError`."""
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise RequestError(400, f"{name}: {shown(value)}: expected a text of 1 to {_LONGEST_NAME:,} characters")
    return value


def id_of(fields: Mapping[str, Any], name: str, pattern: re.Pattern[str], *, required: bool = True) -> str | None:
    """Read an id that matches a pattern; raises `RequestError`."""
    value = fields.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise RequestError(400, f"{name}: {shown(value)}: expected an id")
    return value


def required_id_of(fields: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    """Read a required id that matches a pattern; raises `RequestError`."""
    value = id_of(fields, name, pattern)
    assert value is not None
    return value


def flag_of(fields: Mapping[str, Any], name: str) -> bool:
    """Read a required truth value; raises `RequestError`."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise RequestError(400, f"{name}: {shown(value)}: expected true or false")
    return value


def instant_of(fields: Mapping[str, Any], name: str, *, required: bool = True) -> datetime | None:
    """Read a time with its zone, as UTC; raises `RequestError`."""
    value = fields.get(name)
    if value is None and not required:
        return None
    try:
        instant = datetime.fromisoformat(value)  # type: ignore[arg-type]
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise RequestError(400, f"{name}: {shown(value)}: expected a time with its zone, such as 2021-02-17T11:00Z")


def dimensions_of(fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Read pairs of dimension name and value; raises `RequestError`."""
    value = fields.get("dimensions")
    pairs = value if value is not None else []
    if not isinstance(pairs, list) or len(pairs) > _MOST_PAIRS or not all(map(_is_pair, pairs)):
        raise RequestError(400, f"dimensions: {shown(value)}: expected up to {_MOST_PAIRS} pairs of a name and a value")
    return tuple((name, dimension_value) for name, dimension_value in pairs)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(text, str) and len(text) <= _LONGEST_NAME for text in value)
    )


def shown(value: Any) -> str:
    """A value for a message: JSON, at most 100 characters."""
    return json.dumps(value)[:100]
