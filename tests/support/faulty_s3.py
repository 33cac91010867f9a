"""An S3 server in this process that answers some requests with an error, before or after it did what was asked."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ERRORS = (("500 Internal Server Error", "InternalError"), ("503 Slow Down", "SlowDown"))


@contextmanager
def s3_server(fault_share: float = 0.0, seed: int = 0) -> Iterator[str]:
    """Serve on a free local port; yields the endpoint."""
    app = _Faulty(DomainDispatcherApplication(create_backend_app), fault_share, seed)
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
