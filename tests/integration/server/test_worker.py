"""The process that does the server's long work: it ends with the server, and is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from anomalake.server.worker import Worker, WorkError
from tests.support.patience import PATIENCE
from tests.support.served import is_running


def double(number: int) -> int:
    return 2 * number


def process() -> int:
    return os.getpid()


def fail() -> None:
    raise ValueError("no such thing")


def wait() -> None:
    time.sleep(PATIENCE)


def start_another() -> int:
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({PATIENCE})"]).pid


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.stop()


def test_it_works_in_one_process_of_its_own(worker: Worker) -> None:
    assert worker.run(double, 21) == 42
    first = worker.run(process)
    assert first != os.getpid()
    with pytest.raises(WorkError, match=r"^ValueError: no such thing$"):
        worker.run(fail)
    assert worker.run(process) == first


def test_a_process_that_died_is_replaced(worker: Worker) -> None:
    first = worker.run(process)
    with pytest.raises(WorkError, match="has ended"):
        worker.run(kill_itself)
    assert worker.run(process) != first


def test_stopping_ends_its_work_and_the_processes_that_it_started(worker: Worker) -> None:
    first, another = worker.run(process), worker.run(start_another)
    problems = []

    def work() -> None:
        try:
            worker.run(wait)
        except WorkError as error:
            problems.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    worker.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert problems in (["the process that worked on it has ended"], ["the server is ending"])
    until = time.monotonic() + PATIENCE
    while is_running(first) or is_running(another):
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(WorkError, match="ending"):
        worker.run(double, 1)
