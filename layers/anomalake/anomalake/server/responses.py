"""JSON responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def json_response(status: int, fields: Mapping[str, Any]) -> Response:
    """A JSON response in ASCII."""
    return Response(json.dumps(fields).encode("ascii"), status, media_type="application/json")


def error_response(status: int, message: str) -> Response:
    """The response to a request that failed: a message on one line."""
    return json_response(status, {"error": message})


def line_of_error(error: Exception) -> str:
    """An error on one line; errors of other packages with their type."""
    text = " ".join(str(error).split())
    known = type(error).__module__.startswith("anomalake")
    return (text if known else f"{type(error).__name__}: {text}")[:2_000]
