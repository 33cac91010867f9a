"""An S3 server in this process that answers some requests with an error, before or after it did what was asked."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ERRORS = (("500 Internal Server Error", "InternalError"), ("503 Slow Down", "SlowDown"))


@contextmanager
def s3_server(fault_share: float = 0.0, seed: int = 0, cut_share: float = 0.0) -> Iterator[str]:
    """Serve on a free local port; yields the endpoint.

    Parameters
    ----------
    fault_share
        Share of the requests that are answered with an error.
    cut_share
        Share of the answers, listings and objects, of which only the first half is sent.
    """
    app = _Cut(_Faulty(DomainDispatcherApplication(create_backend_app), fault_share, seed), cut_share, seed)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


class _Faulty:
    def __init__(self, app: Any, share: float, seed: int) -> None:
        self._app = app
        self._share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            fails = environ["PATH_INFO"].count("/") > 1 and self._random.random() < self._share
            first = self._random.random() < 0.5
            status, code = self._random.choice(ERRORS)
        if not fails:
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        if not first:
            # Done without an answer, like a time-out.
            list(self._app(environ, lambda *_: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = f"<Error><Code>{code}</Code><Message>again</Message></Error>".encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


class _Cut:
    """Sends only the first half of some answers: complete as HTTP if it is a listing, else a broken connection.

    No answer is cut more than twice in a row.
    """

    def __init__(self, app: Any, share: float, seed: int) -> None:
        self._app = app
        self._share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._in_a_row: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        what = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        with self._lock:
            cuts = environ["REQUEST_METHOD"] == "GET" and self._random.random() < self._share
            cuts = cuts and self._in_a_row[what] < 2
            self._in_a_row[what] = self._in_a_row[what] + 1 if cuts else 0
        if not cuts:
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        answer: list[Any] = []
        body = b"".join(self._app(environ, lambda *given: answer.append(given)))
        status, headers, *rest = answer[-1]
        if "list-type" in environ["QUERY_STRING"]:
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("Content-Length", str(len(body) // 2)))
        start_response(status, headers, *rest)
        return [body[: len(body) // 2]]
