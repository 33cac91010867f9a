"""The ASGI application: the page, its document, the operations that the page calls, and Lookout for Metrics' API.

A new operation of the page gets a function in `operations` and a route here.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from anomalake.server.api_endpoint import Api
from anomalake.server.documents import Documents, Site
from anomalake.server.guard import Guard
from anomalake.server.lookoutmetrics.operations import TAGS_PATH
from anomalake.server.operations import (
    Operation,
    comment_operation,
    feedback_operation,
    perform,
    snooze_operation,
    undo_comment_operation,
    undo_feedback_operation,
    undo_snooze_operation,
)
from anomalake.server.requests import RequestError, read_body
from anomalake.server.responses import error_response, json_response

#: The response header with the reason why a document is an older one.
PROBLEM: Final = "X-Anomalake-Problem"

_MOST_LINES: Final = 20
_POLICY = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]*)"')


def application(site: Site, port: int, *, token: str | None = None, api: Api | None = None) -> ASGIApp:
    """Build the application of a lake's page; raises what `Site.make` raises.

    Parameters
    ----------
    port
        Port of the server: requests with another port in the ``Host`` header are refused.
    token
        The page's token; default: a new one.
    api
        Lookout for Metrics' API; None: it is not answered.
    """
    token = token or secrets.token_urlsafe(32)
    documents = Documents(site, token)
    documents.start()

    async def home(request: Request) -> Response:
        rendered = await documents.newest()
        policy = _POLICY.search(rendered.page)
        rules = [html.unescape(policy[1].decode("utf-8"))] if policy else ["default-src 'none'"]
        headers = {
            "Content-Security-Policy": "; ".join([*rules, "frame-ancestors 'none'"]),
            **_problem_header(documents),
        }
        return Response(rendered.page, media_type="text/html", headers=headers)

    async def document(request: Request) -> Response:
        rendered = await documents.newest()
        headers = {"ETag": rendered.etag, "Cache-Control": "no-cache", **_problem_header(documents)}
        if rendered.etag in _etags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return Response(rendered.body, media_type="application/gzip", headers=headers)

    def endpoint_of(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            fields = await read_body(request, token)
            try:
                lines = await run_in_threadpool(perform, operation, site, fields)
            except RequestError as error:
                if error.status >= 500:
                    site.report(str(error))
                raise
            finally:
                documents.written()
            if len(lines) > _MOST_LINES:
                lines = [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES:,} more"]
            return json_response(200, {"said": list(lines)})

        return endpoint

    app = Starlette(
        routes=[
            Route("/", home, methods=["GET"]),
            Route("/document", document, methods=["GET"]),
            Route("/feedback", endpoint_of(feedback_operation), methods=["POST"]),
            Route("/snooze", endpoint_of(snooze_operation), methods=["POST"]),
            Route("/comment", endpoint_of(comment_operation), methods=["POST"]),
            Route("/undo/feedback", endpoint_of(undo_feedback_operation), methods=["POST"]),
            Route("/undo/snooze", endpoint_of(undo_snooze_operation), methods=["POST"]),
            Route("/undo/comment", endpoint_of(undo_comment_operation), methods=["POST"]),
            *(_api_routes(api) if api is not None else []),
        ],
        exception_handlers={
            RequestError: lambda _, error: error_response(error.status, str(error)),
            HTTPException: lambda _, error: error_response(error.status_code, error.detail),
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, port)


def _api_routes(api: Api) -> list[Route]:
    """Return the routes of Lookout for Metrics' API, which come after those of the page."""
    return [
        Route(f"{TAGS_PATH}{{arn:path}}", api.answer, methods=["GET", "POST", "DELETE"]),
        Route("/{operation}", api.answer, methods=["POST"]),
    ]


def _problem_header(documents: Documents) -> dict[str, str]:
    problem = documents.problem.encode("ascii", "backslashreplace").decode("ascii")
    return {PROBLEM: problem[:1_000]} if problem else {}


def _etags(text: str) -> set[str]:
    return {etag.strip().removeprefix("W/") for etag in text.split(",")}
