"""The endpoint of Lookout for Metrics' API on the local server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from anomalake.server.lookoutmetrics.answering import answer
from anomalake.server.lookoutmetrics.handling import Handler
from anomalake.server.lookoutmetrics.requests import MOST_BYTES, ApiRequest
from anomalake.server.signatures import Scope, scope_of
from anomalake.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Api:
    """The API of a lake.

    Attributes
    ----------
    workspace
        Returns the workspace of a request, by the scope of its signature.
    handlers
        Returns the handlers by name of their operation; called with each request, so that a server without any does not
        import them.
    report
        Called with a line for the operator of the server.
    """

    workspace: Callable[[Scope], Workspace]
    handlers: Callable[[], Mapping[str, Handler]]
    report: Callable[[str], None]

    async def answer(self, request: Request) -> Response:
        """Answer a request for an operation."""
        scope = scope_of(request.headers.get("authorization"))
        if scope is None:
            return _refused(
                403,
                "MissingAuthenticationTokenException",
                "expected a request that is signed with AWS Signature Version 4 (any key pair)",
            )
        body = await _body(request)
        if isinstance(body, Response):
            return body
        asked = ApiRequest(
            request.method,
            _raw_path(request),
            request.scope["query_string"].decode("ascii", "replace"),
            dict(request.headers),
            body,
        )
        return await run_in_threadpool(self._answer, scope, asked)

    def _answer(self, scope: Scope, asked: ApiRequest) -> Response:
        answered = answer(asked, self.workspace(scope), self.handlers(), lambda line, _: self.report(line))
        return Response(answered.body, answered.status, headers=dict(answered.headers))


async def _body(request: Request) -> bytes | Response:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return _refused(413, "RequestEntityTooLargeException", f"expected at most {MOST_BYTES:,} bytes")
    except ClientDisconnect:
        return _refused(400, "ValidationException", "the connection was closed before the end of the request")
    return bytes(body)


def _raw_path(request: Request) -> str:
    """Return the path as it was sent: an ARN in it is one segment, percent-encoded."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode("utf-8")
    return raw.partition(b"?")[0].decode("ascii", "replace")


_JSON: Final = "application/json"


def _refused(status: int, name: str, message: str) -> Response:
    body = json.dumps({"Message": message}).encode("ascii")
    return Response(body, status, headers={"x-amzn-ErrorType": name}, media_type=_JSON)
