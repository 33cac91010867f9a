"""The page over HTTP: for this machine only, and what people say on it goes into the lake."""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import re
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anomalake.errors import AnomalakeError
from anomalake.lake.lake import Clock, utc_now
from anomalake.page.document import PageDocument, pack
from anomalake.page.page import compressed
from anomalake.records.errors import RecordError
from anomalake.records.snoozes import Snooze
from anomalake.services.feedback import UnknownAnomalyError, give_feedback, line_of, snooze
from anomalake.storage.store import ObjectStore, StoreError

#: The only address that it listens at.
ADDRESS: Final = "127.0.0.1"
#: Seconds that a document counts as new.
MAX_AGE: Final = 10.0
#: The header that a request bears the page's token in.
TOKEN: Final = "X-Anomalake-Token"
#: The header that says why a document is an older one.
PROBLEM: Final = "X-Anomalake-Problem"

_MOST_BYTES: Final = 64 * 1024
_MOST_LINES: Final = 20
_MOST_PAIRS: Final = 50
_LONGEST_NAME: Final = 4_096
_GROUP = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SERIES = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_POLICY = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]*)"')
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"


class PortInUseError(AnomalakeError, OSError):
    """Somebody else listens at the port."""


class Refused(AnomalakeError):
    """A request that is not done: the status, and why, in one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Site:
    """What the server shows and where it writes to.

    Attributes
    ----------
    make
        Makes the document from the lake.
    show
        Makes the page's HTML of a packed document and the page's token.
    store
        The lake that feedback and snoozes go to.
    tell
        Takes a line for who runs the server.
    """

    make: Callable[[], PageDocument]
    show: Callable[[bytes, str], bytes]
    store: ObjectStore
    tell: Callable[[str], None]
    now: Clock = utc_now
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Made:
    """A document as it is sent: gzipped, its page, and the digest of all that it says but for when."""

    digest: str
    body: bytes
    page: bytes

    @property
    def etag(self) -> str:
        """As HTTP has it; it stays as long as the document says the same."""
        return f'"{self.digest}"'


class Documents:
    """The newest document, made anew where the last one is old or the lake was written to.

    One is made at a time, in a thread of its own; where that fails the last good one stays.

    Parameters
    ----------
    site
        What is shown.
    token
        The page's.
    """

    def __init__(self, site: Site, token: str) -> None:
        self._site = site
        self._token = token
        self._lock = asyncio.Lock()
        self._made: Made | None = None
        self._at = 0.0
        self._writes = self._seen = 0
        self.problem = ""

    def start(self) -> None:
        """Make the first one; raises what `Site.make` raises."""
        self._made, self._at = self._make(), self._site.clock()

    def written(self) -> None:
        """Note that the lake holds something new."""
        self._writes += 1

    async def newest(self) -> Made:
        """The document, at most `MAX_AGE` old unless there is a `problem`."""
        async with self._lock:
            old = self._site.clock() - self._at >= MAX_AGE
            if self._made is None or old or self._seen != self._writes:
                await self._renew()
            if self._made is None:
                raise Refused(503, self.problem)
            return self._made

    async def _renew(self) -> None:
        writes = self._writes
        try:
            self._made, self.problem = await run_in_threadpool(self._make), ""
        except Exception as error:  # whatever it is, what was shown before stays
            self.problem = _line(error)
            self._site.tell(self.problem)
        # What is written while it is made is for the next one. A failure is not tried again at once.
        self._at, self._seen = self._site.clock(), writes

    def _make(self) -> Made:
        document = self._site.make()
        digest = hashlib.sha256(pack(replace(document, made_at=0))).hexdigest()[:32]
        if self._made is not None and self._made.digest == digest:
            return self._made
        packed = pack(document)
        return Made(digest, compressed(packed), self._site.show(packed, self._token))


class Guard:
    """Lets in only what this machine's browser asks for from the page itself, and says so to the browser.

    Parameters
    ----------
    app
        What is guarded.
    port
        That the server listens at.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost")}
        if port == 80:
            self._hosts |= {ADDRESS, "localhost"}
        self._origins = {f"http://{one}" for one in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Content-Security-Policy", _NOTHING)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refused(Headers(scope=scope))
        await (refused or self._app)(scope, receive, guarded)

    def _refused(self, headers: Headers) -> Response | None:
        hosts = [one.lower() for one in headers.getlist("host")]
        # A name that somebody else's DNS lets point to this machine is no name of it.
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _error(421, f"host {headers.get('host', '')[:100]!r}: expected {', '.join(sorted(self._hosts))}")
        if not set(headers.getlist("origin")) <= self._origins:
            return _error(403, f"origin {headers.get('origin', '')[:100]!r}: expected the page's own")
        return None


def application(site: Site, port: int, *, token: str | None = None) -> ASGIApp:
    """The page, its document, and what it takes in, as an ASGI application; raises what `Site.make` raises.

    Parameters
    ----------
    port
        That it will be asked at: others in the ``Host`` header are refused.
    token
        The page's; a new one unless given.
    """
    token = token or secrets.token_urlsafe(32)
    documents = Documents(site, token)
    documents.start()

    async def home(request: Request) -> Response:
        made = await documents.newest()
        policy = _POLICY.search(made.page)
        rules = [html.unescape(policy[1].decode("utf-8"))] if policy else ["default-src 'none'"]
        headers = {"Content-Security-Policy": "; ".join([*rules, "frame-ancestors 'none'"]), **_told(documents)}
        return Response(made.page, media_type="text/html", headers=headers)

    async def document(request: Request) -> Response:
        made = await documents.newest()
        headers = {"ETag": made.etag, "Cache-Control": "no-cache", **_told(documents)}
        if made.etag in _etags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return Response(made.body, media_type="application/gzip", headers=headers)

    def taking(take: Callable[[Mapping[str, Any]], Sequence[str]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            given = await _body(request, token)
            try:
                said = await run_in_threadpool(_taken, take, given)
            except Refused as refused:
                if refused.status >= 500:
                    site.tell(str(refused))
                raise
            finally:
                documents.written()
            if len(said) > _MOST_LINES:
                said = [*said[:_MOST_LINES], f"… and {len(said) - _MOST_LINES:,} more"]
            return _json(200, {"said": list(said)})

        return endpoint

    app = Starlette(
        routes=[
            Route("/", home, methods=["GET"]),
            Route("/document", document, methods=["GET"]),
            Route("/feedback", taking(lambda given: _feedback(site, given)), methods=["POST"]),
            Route("/snooze", taking(lambda given: _snooze(site, given)), methods=["POST"]),
        ],
        exception_handlers={
            Refused: lambda _, error: _error(error.status, str(error)),
            HTTPException: lambda _, error: _error(error.status_code, error.detail),
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, port)


def listen(port: int) -> socket.socket:
    """A socket of this machine alone; port 0 is any free one; raises `PortInUseError`."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise PortInUseError(f"port {port}: {error.strerror}; expected a free one, or --port 0 for any") from error
    return listening


def server(app: ASGIApp) -> uvicorn.Server:
    """What runs the application, until it is interrupted; it logs what goes wrong, and no request."""
    config = uvicorn.Config(
        app, access_log=False, log_level="error", server_header=False, proxy_headers=False, lifespan="off", ws="none",
        http="h11", loop="asyncio", limit_concurrency=100, timeout_graceful_shutdown=3,
    )  # fmt: skip
    return uvicorn.Server(config)


def _told(documents: Documents) -> dict[str, str]:
    problem = documents.problem.encode("ascii", "backslashreplace").decode("ascii")
    return {PROBLEM: problem[:1_000]} if problem else {}


def _etags(text: str) -> set[str]:
    return {one.strip().removeprefix("W/") for one in text.split(",")}


async def _body(request: Request, token: str) -> Mapping[str, Any]:
    """The object that a request of the page bears; raises `Refused`."""
    shown = request.headers.get(TOKEN, "")
    if not secrets.compare_digest(shown.encode("utf-8"), token.encode("utf-8")):
        raise Refused(403, "this page is not the server's own: load it anew")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "expected application/json")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise Refused(413, f"expected at most {_MOST_BYTES:,} bytes")
    except ClientDisconnect as error:
        raise Refused(400, "the request broke off") from error
    try:
        given = json.loads(bytes(body).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"body: {str(error)[:100]}; expected JSON") from error
    if not isinstance(given, dict):
        raise Refused(400, f"body: {type(given).__name__}; expected an object")
    return given


def _taken(take: Callable[[Mapping[str, Any]], Sequence[str]], given: Mapping[str, Any]) -> Sequence[str]:
    try:
        return take(given)
    except UnknownAnomalyError as error:
        raise Refused(404, _line(error)) from error
    except RecordError as error:
        raise Refused(409, _line(error)) from error
    except StoreError as error:
        raise Refused(503, _line(error)) from error
    except ValueError as error:
        raise Refused(400, _line(error)) from error
    except Refused:
        raise
    except Exception as error:  # a fault of ours is told in one line too
        raise Refused(500, _line(error)) from error


def _feedback(site: Site, given: Mapping[str, Any]) -> list[str]:
    _only(given, "detector", "group", "is_anomaly", "series", "at")
    is_anomaly = given.get("is_anomaly")
    if not isinstance(is_anomaly, bool):
        raise Refused(400, f"is_anomaly: {_shown(is_anomaly)}: expected true or false")
    group, series = _matching(given, "group", _GROUP), _matching(given, "series", _SERIES, needed=False)
    said = give_feedback(
        site.store, detector=_text(given, "detector"), group_id=group, series_id=series,
        at=_instant(given, "at", needed=False), is_anomaly=is_anomaly, now=site.now(),
    )  # fmt: skip
    return [line_of(one) for one in said]


def _snooze(site: Site, given: Mapping[str, Any]) -> list[str]:
    _only(given, "detector", "until", "group", "series", "measure", "dimensions")
    until = _instant(given, "until")
    assert until is not None
    measure = _text(given, "measure") if given.get("measure") is not None else None
    group, series = (
        _matching(given, name, one, needed=False) for name, one in (("group", _GROUP), ("series", _SERIES))
    )
    snooze(site.store, _text(given, "detector"), Snooze(until, group, series, measure, _pairs(given)))
    return [f"silent until {until.isoformat()}"]


def _only(given: Mapping[str, Any], *names: str) -> None:
    others = given.keys() - set(names)
    if others:
        raise Refused(400, f"{_shown(min(others))}: expected only {', '.join(names)}")


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise Refused(400, f"{name}: {_shown(value)}: expected a text of 1 to {_LONGEST_NAME:,} characters")
    return value


def _matching(given: Mapping[str, Any], name: str, pattern: re.Pattern[str], *, needed: bool = True) -> str | None:
    value = given.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Refused(400, f"{name}: {_shown(value)}: expected an id")
    return value


def _instant(given: Mapping[str, Any], name: str, *, needed: bool = True) -> datetime | None:
    value = given.get(name)
    if value is None and not needed:
        return None
    try:
        instant = datetime.fromisoformat(value)  # type: ignore[arg-type]
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise Refused(400, f"{name}: {_shown(value)}: expected a time with its zone, such as 2021-02-17T11:00Z")


def _pairs(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    value = given.get("dimensions")
    pairs = value if value is not None else []
    if not isinstance(pairs, list) or len(pairs) > _MOST_PAIRS or not all(_is_pair(one) for one in pairs):
        raise Refused(400, f"dimensions: {_shown(value)}: expected up to {_MOST_PAIRS} pairs of a name and a value")
    return tuple((name, one) for name, one in pairs)


def _is_pair(given: Any) -> bool:
    return (
        isinstance(given, list)
        and len(given) == 2
        and all(isinstance(one, str) and len(one) <= _LONGEST_NAME for one in given)
    )


def _shown(value: Any) -> str:
    return json.dumps(value)[:100]


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    known = type(error).__module__.startswith("anomalake")
    return (text if known else f"{type(error).__name__}: {text}")[:2_000]


def _error(status: int, line: str) -> Response:
    return _json(status, {"error": line})


def _json(status: int, told: Mapping[str, Any]) -> Response:
    # In ASCII, whatever a name holds.
    return Response(json.dumps(told).encode("ascii"), status, media_type="application/json")
