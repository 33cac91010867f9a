"""The clients of users: today's boto3, the last one with Lookout for Metrics, and the AWS CLI."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from anomalake.server.lookoutmetrics.requests import ApiRequest
from tests.support.lookoutmetrics import Recorded

#: The environment with requirements/clients.txt, which `make test` makes beside its own.
CLIENTS = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-clients")


@pytest.fixture(scope="session")
def old_clients() -> Path:
    """The environment with boto3 1.40.60 and the AWS CLI."""
    if not (CLIENTS / "bin" / "aws").exists():
        pytest.skip(f"{CLIENTS} is not there; `make test` makes it")
    return CLIENTS


class Served:
    """A server at 127.0.0.1 whose handlers answer full answers.

    Attributes
    ----------
    recorded
        What the handlers were called with.
    authorizations
        The Authorization headers, in turn.
    """

    def __init__(self) -> None:
        self.recorded, self.authorizations = Recorded(), list[str]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                url = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.authorizations.append(headers.get("authorization", ""))
                body = self.rfile.read(int(headers.get("content-length", 0)))
                response = outer.recorded.answer(ApiRequest(self.command, url.path, url.query, headers, body))
                self.send_response(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                if response.status != 204:
                    self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user: a home, a key pair, a region, and no variable about models or endpoints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return {
        **kept,
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",  # pragma: allowlist secret
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
