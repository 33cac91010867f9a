"""Connections of the page's server: clients that do not send a request do not keep others from being answered."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from itertools import count

import pytest

from anomalake.page.document import PageDocument
from anomalake.server import connections
from anomalake.server.application import application
from anomalake.server.documents import Site
from anomalake.server.listening import listen, server
from anomalake.storage.objects import memory_store
from tests.support.documents import empty
from tests.support.patience import PATIENCE

#: A body that is larger than the buffers of a connection.
LARGE = b"x" * 8_000_000
BEGINNINGS = {
    "nothing": b"",
    "headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "body": b"POST /feedback HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Anomalake-Token: own\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    "response": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
}


@contextmanager
def served(site: Site) -> Iterator[int]:
    """A running server, by its port."""
    listening = listen(0)
    port = listening.getsockname()[1]
    running = server(application(site, port, token="own"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield port
    running.should_exit = True
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def port() -> Iterator[int]:
    with served(Site(empty, lambda packed, token: LARGE, memory_store(), print)) as port:
        yield port


def opened(port: int, beginning: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    text = BEGINNINGS[beginning]
    client.sendall(text % port if b"%d" in text else text)
    return client


def status(port: int) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/document")
        answer = connection.getresponse()
        assert answer.read() if answer.status == 200 else True
        return answer.status


def is_closed(client: socket.socket) -> bool:
    """Read what the server sent, until it closes the connection; fails with `TimeoutError` if it does not."""
    try:
        while client.recv(1_000_000):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_good_request_is_answered_beside_many_unfinished_ones(port: int, beginning: str) -> None:
    with ExitStack() as stack:
        for number in range(150):
            stack.enter_context(opened(port, beginning))
            if number % 50 == 49:
                assert status(port) == 200
        assert status(port) == 200


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_connection_is_closed_when_its_client_lets_the_server_wait(
    port: int, beginning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CLIENT_SECONDS", 0.1)
    with opened(port, beginning) as client:
        assert is_closed(client)


def test_a_complete_request_may_take_longer_and_more_than_the_most_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "CLIENT_SECONDS", 0.1)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    entered, done, makes = threading.Event(), threading.Event(), []

    def make() -> PageDocument:
        makes.append(None)
        if len(makes) > 1:
            entered.set()
            assert done.wait(PATIENCE)
        return empty()

    site = Site(make, lambda packed, token: b"page", memory_store(), print, clock=count(0.0, 100.0).__next__)
    with served(site) as port, ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(status, port)]
        assert entered.wait(PATIENCE)
        with opened(port, "headers") as client:
            assert is_closed(client)
        assert not slow[0].done()
        monkeypatch.setattr(connections, "MOST_CONNECTIONS", 1)
        assert status(port) == 503
        done.set()
        assert slow[0].result(PATIENCE) == 200


def test_an_answer_waits_for_no_acknowledgement_of_its_first_part() -> None:
    async def nodelay() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen(0) as listening:
            async with await asyncio.start_server(connected, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                option = await found
                writer.close()
        return option

    assert asyncio.run(nodelay()) != 0
