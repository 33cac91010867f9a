"""Concurrent invocations in processes of their own that are killed, as a container can be, and delivered again."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from anomalake.alerts import AlertDocument
from anomalake.lake.lake import Lake
from anomalake.storage.objects import open_store
from tests.support.stores import WrappedStore


class SuicidalStore(WrappedStore):
    """Sends SIGKILL to its own process at a write: before it, in the middle of it, or after it."""

    def __init__(self, folder: Path, at: int, when: str) -> None:
        super().__init__(open_store(str(folder)))
        self._folder = folder
        self._left = at
        self._when = when

    def put(self, key: str, body: bytes) -> None:
        self._write("put", key, body)

    def put_new(self, key: str, body: bytes) -> bool:
        return bool(self._write("put_new", key, body))

    def _write(self, call: str, key: str, body: bytes) -> object:
        self._left -= 1
        if self._left == 0 and self._when == "amid":
            # What a folder's store leaves behind when it dies in the middle: a staged file, not yet renamed.
            staged = self._folder / f"{key}#1"
            staged.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(body[: len(body) // 2])
        if self._left == 0 and self._when != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        done = getattr(self._store, call)(key, body)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def invoke(folder: Path, batch: Sequence[str], at: int, when: str, said: Connection) -> None:
    """One invocation: take a batch in, say which of it failed."""
    store = SuicidalStore(folder, at, when)
    receipt = Lake(store).ingest(AlertDocument(text, f"message {i}", str(i)) for i, text in enumerate(batch))
    said.send([int(item.delivery or -1) for item in receipt.failed])


def deliver(folder: Path, texts: Sequence[str], *, concurrent: int, batch: int, kill_share: float, seed: int) -> int:
    """Deliver every text until an invocation that lived has taken it; returns how many invocations were killed."""
    r = random.Random(seed)
    context = multiprocessing.get_context("forkserver")
    # PyArrow imports pandas, where that is installed, at its first conversion: once here, not in each process.
    context.set_forkserver_preload(["tests.support.invocations", "pandas"])
    queue = [list(texts[i : i + batch]) for i in range(0, len(texts), batch)]
    running: list[tuple[multiprocessing.process.BaseProcess, Connection, list[str]]] = []
    killed = 0
    while queue or running:
        while queue and len(running) < concurrent:
            messages = queue.pop()
            at = r.randrange(1, 12) if r.random() < kill_share else 0
            here, there = context.Pipe(duplex=False)
            process = context.Process(
                target=invoke, args=(folder, messages, at, r.choice(["before", "amid", "after"]), there)
            )
            process.start()
            there.close()
            running.append((process, here, messages))
        process, here, messages = running.pop(0)
        process.join()
        if process.exitcode == 0:
            again = [messages[i] for i in here.recv()]
        else:
            assert process.exitcode == -signal.SIGKILL
            killed += 1
            again = messages
        here.close()
        if again:
            queue.insert(r.randrange(len(queue) + 1), again)
    return killed


def shuffled_deliveries(texts: Sequence[str], seed: int) -> list[str]:
    """Every text one to four times, in any order."""
    r = random.Random(seed)
    deliveries = [text for text in texts for _ in range(r.randrange(1, 5))]
    r.shuffle(deliveries)
    return deliveries


def one_line(text: str) -> str:
    """The same JSON on one line."""
    return json.dumps(json.loads(text), ensure_ascii=False)
