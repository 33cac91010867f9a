"""The threads of the local server's jobs go on, whatever goes wrong in one look or one detector's work."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from anomalake.server.local_jobs import JobSettings, LocalJobs
from anomalake.server.worker import Worker
from anomalake.services.backtests.due import DueBacktests
from anomalake.services.backtests.jobs import JobRun
from tests.support.patience import PATIENCE


class Steps:
    """Waits until something has happened a number of times; the first time it fails."""

    def __init__(self, times: int) -> None:
        self._left = times
        self._lock = threading.Lock()
        self.done = threading.Event()

    def __call__(self, *_: Any) -> list[str]:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.done.set()
            elif self._left > 0:
                raise RuntimeError("unexpected")
        return []


@pytest.fixture
def jobs(tmp_path: Path) -> tuple[LocalJobs, list[str]]:
    said: list[str] = []
    settings = JobSettings(str(tmp_path), str(tmp_path / "detectors"), "us-east-1", "123456789012")
    return LocalJobs(settings, said.append, tick=0.01), said


def test_a_look_that_fails_is_told_and_repeated(
    jobs: tuple[LocalJobs, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Steps(3)
    monkeypatch.setattr(DueBacktests, "names", looks)
    local, said = jobs
    local.start()
    assert looks.done.wait(PATIENCE)
    local.stop()
    assert said == ["RuntimeError: unexpected"] * 2


def test_work_that_fails_is_told_and_does_not_hold_up_the_rest(
    jobs: tuple[LocalJobs, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = Steps(3)
    monkeypatch.setattr(DueBacktests, "ended", ends)
    monkeypatch.setattr(DueBacktests, "names", lambda self: [])
    monkeypatch.setattr(Worker, "run", lambda *_: JobRun("ENDED"))
    local, said = jobs
    local.start()
    for name in ("one", "two", "three"):
        local.backtest(name)
    assert ends.done.wait(PATIENCE)
    local.stop()
    assert [line for line in said if "unexpected" in line] == [
        "one: RuntimeError: unexpected",
        "two: RuntimeError: unexpected",
    ]
