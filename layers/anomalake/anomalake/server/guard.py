"""Protection of the server: only this machine's browser, and only the server's own page."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anomalake.server.listening import ADDRESS
from anomalake.server.responses import error_response

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NO_CONTENT: Final = "default-src 'none'; frame-ancestors 'none'"


class Guard:
    """ASGI middleware: refuses requests from other hosts or origins, and sets security headers.

    Parameters
    ----------
    app
        The protected application.
    port
        Port of the server.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost")}
        if port == 80:
            self._hosts |= {ADDRESS, "localhost"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Content-Security-Policy", _NO_CONTENT)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refused(Headers(scope=scope))
        await (refused or self._app)(scope, receive, guarded)

    def _refused(self, headers: Headers) -> Response | None:
        hosts = [host.lower() for host in headers.getlist("host")]
        # Protection against DNS rebinding: a foreign name may resolve to this machine.
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return error_response(
                421, f"host {headers.get('host', '')[:100]!r}: expected {', '.join(sorted(self._hosts))}"
            )
        if not set(headers.getlist("origin")) <= self._origins:
            return error_response(403, f"origin {headers.get('origin', '')[:100]!r}: expected the page's own")
        return None
