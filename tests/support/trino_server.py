"""A stand-in for a Trino server: its REST protocol, with answers that a test gives.

https://trino.io/docs/current/develop/client-protocol.html: ``POST /v1/statement`` begins a query; each response has the
``nextUri`` of the next one until the query is finished; ``columns``, ``data`` or ``error`` come when there are some.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UNBOUNDED = 2_147_483_647


@dataclass(frozen=True)
class Result:
    """Columns (names and types) and rows, as in Trino's JSON."""

    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """An error of Trino; ``kind`` is its ``errorType``."""

    name: str
    message: str
    kind: str = "USER_ERROR"


class TrinoStandIn(ThreadingHTTPServer):
    """Answers each statement as a function says.

    Attributes
    ----------
    url
        Its address.
    statements
        The statements that it was asked.
    headers
        The headers that they came with.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[str], Result | Failure]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.statements: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._answers: dict[int, Result | Failure] = {}

    def page(self, number: int, page: int) -> dict[str, Any]:
        """Return an answer about a statement: queued, then half of the rows, then the others."""
        status: dict[str, Any] = {
            "id": f"20260101_000000_{number:05d}_tests",
            "infoUri": f"{self.url}/ui/query.html?{number}",
            "stats": {"state": "QUEUED" if page == 0 else "RUNNING" if page == 1 else "FINISHED", "queued": page == 0},
            "warnings": [],
        }
        if page == 1:
            self._answers[number] = self.answer(self.statements[number])
        answer = self._answers[number] if page else Result()
        if isinstance(answer, Failure):
            status["stats"]["state"] = "FAILED"
            error = {"message": answer.message, "errorCode": 1, "errorName": answer.name, "errorType": answer.kind}
            return status | {"error": {**error, "failureInfo": {"type": "io.trino.spi.TrinoException"}}}
        if page < 2:
            status["nextUri"] = f"{self.url}/v1/statement/executing/{number}/{page + 1}"
        if page == 0:
            return status
        precise = "PARAMETRIC_DATETIME" in self.headers[number].get("x-trino-client-capabilities", "")
        status["columns"] = [_column(name, type_, precise) for name, type_ in answer.columns]
        half = len(answer.rows) // 2
        rows = answer.rows[:half] if page == 1 else answer.rows[half:]
        return status | ({"data": rows} if rows else {})


@contextmanager
def serving(answer: Callable[[str], Result | Failure]) -> Iterator[TrinoStandIn]:
    """Serve until the context ends."""
    with TrinoStandIn(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: TrinoStandIn
    protocol_version = "HTTP/1.1"
    # Without this, each answer waits for the acknowledgement of its headers.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        statement = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path != "/v1/statement" or not self.headers.get("X-Trino-User"):
            self.send_error(404 if self.path != "/v1/statement" else 401)
            return
        self.server.statements.append(statement)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self._send(self.server.page(len(self.server.statements) - 1, 0))

    def do_GET(self) -> None:
        match = re.fullmatch(r"/v1/statement/executing/(\d+)/(\d+)", self.path)
        if match:
            self._send(self.server.page(int(match[1]), int(match[2])))
        else:
            self.send_error(404)

    def _send(self, page: dict[str, Any]) -> None:
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


def _column(name: str, type_: str, precise: bool) -> dict[str, Any]:
    if precise:
        type_ = re.sub(r"\b(timestamp|time)\b(?!\()(?! zone)", r"\1(3)", type_)
    return {"name": name, "type": type_, "typeSignature": _signature(type_)}


def _signature(type_: str) -> dict[str, Any]:
    """The type as a tree, as Trino sends it beside its text."""
    name, _, rest = type_.partition("(")
    inside, _, after = rest.rpartition(")")
    parts = _split(inside) if inside else []
    raw = f"{name}{after}"
    if raw in ("array", "map"):
        arguments = [{"kind": "TYPE", "value": _signature(part)} for part in parts]
    elif raw == "row":
        arguments = [{"kind": "NAMED_TYPE", "value": _field(part)} for part in parts]
    elif raw == "varchar":
        arguments = [{"kind": "LONG", "value": int(parts[0]) if parts else UNBOUNDED}]
    else:
        arguments = [{"kind": "LONG", "value": int(part)} for part in parts]
    return {"rawType": raw, "arguments": arguments}


def _field(text: str) -> dict[str, Any]:
    match = re.fullmatch(r'("[^"]*"|(?!timestamp|time|interval|double)\w+) (\w.*)', text)
    if match is None:
        return {"typeSignature": _signature(text)}
    return {"fieldName": {"name": match[1].strip('"')}, "typeSignature": _signature(match[2])}


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
