"""The socket and the HTTP server."""

from __future__ import annotations

import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from anomalake.errors import AnomalakeError
from anomalake.server.connections import BoundedConnection

#: The only address that the server listens at.
ADDRESS: Final = "127.0.0.1"


class PortInUseError(AnomalakeError, OSError):
    """Another process uses the port."""


def listen(port: int) -> socket.socket:
    """Open a socket that only this machine can reach; port 0 is any free port; raises `PortInUseError`."""
    # Where the protocol is named, asyncio sets TCP_NODELAY: else each answer waits 40 ms for an acknowledgement.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise PortInUseError(f"port {port}: {error.strerror}; expected a free port, or 0 for any free port") from error
    return listening


def server(app: ASGIApp) -> uvicorn.Server:
    """A server for an application. It logs errors, but no requests; it answers 503 if all connections are in use."""
    config = uvicorn.Config(
        app, access_log=False, log_level="error", server_header=False, proxy_headers=False, lifespan="off", ws="none",
        http=BoundedConnection, loop="asyncio", timeout_graceful_shutdown=2,
    )  # fmt: skip
    return uvicorn.Server(config)
