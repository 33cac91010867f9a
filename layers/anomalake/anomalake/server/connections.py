"""Connections of the HTTP server: bounded in number, and in the time that a client lets the server wait."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Connections at a time. A new one takes the place of the one that has waited longest for its client.
MOST_CONNECTIONS: Final = 100
#: Seconds that a client has to send a request, and to go on reading a response.
CLIENT_SECONDS = 10.0

_REQUEST_IS_INCOMPLETE: Final = (h11.IDLE, h11.SEND_BODY)


class BoundedConnection(H11Protocol):
    """uvicorn's connection, which is closed if its client lets the server wait.

    All clients are on this machine, so a limit for each address would not tell them apart.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting_since: float | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._note_waiting()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._note_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note_waiting()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note_waiting()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _note_waiting(self) -> None:
        waits = self.conn.their_state in _REQUEST_IS_INCOMPLETE or self.flow.write_paused
        if waits and self._waiting_since is None and not self.transport.is_closing():
            self._waiting_since = self.loop.time()
            self._deadline = self.loop.call_later(CLIENT_SECONDS, self.transport.abort)
        elif not waits:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        self._waiting_since = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self) -> None:
        """Close the connection that has waited longest; refuse this one if all have a complete request."""
        waiting = [
            (other._waiting_since, other)
            for other in self.connections
            if isinstance(other, BoundedConnection) and other is not self and other._waiting_since is not None
        ]
        if not waiting:
            # uvicorn answers its requests with 503.
            self.limit_concurrency = 0
            return
        oldest = min(waiting, key=lambda pair: pair[0])[1]
        self.connections.discard(oldest)
        oldest.transport.abort()
