"""JSON responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

#: Longest message of an error.
_MOST_CHARACTERS: Final = 2_000


def json_response(status: int, fields: Mapping[str, Any]) -> Response:
    """A JSON response in ASCII."""
    return Response(json.dumps(fields).encode("ascii"), status, media_type="application/json")


def error_response(status: int, message: str) -> Response:
    """The response to a request that failed: a message on one line."""
    return json_response(status, {"error": message[:_MOST_CHARACTERS]})
