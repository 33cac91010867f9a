"""A demo that takes less time than the whole one: ten weeks of flights, and the hours of the blizzard."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
from datetime import date, datetime
from pathlib import Path

import pytest
from rich.console import Console

from anomalake.cli.demo_run import run_demo
from anomalake.demo import storm

#: A backtest of ten weeks tests the last three, so its alerts are not about the blizzard.
LAST = date(2013, 3, 10)
SPAN = (datetime(2013, 2, 7, 5, tzinfo=storm.ZONE), datetime(2013, 2, 10, 9, tzinfo=storm.ZONE))


def said(folder: Path) -> str:
    """Run the demo; return what it prints."""
    text = io.StringIO()
    run_demo(folder, Console(file=text, width=80), last=LAST, span=SPAN)
    return text.getvalue()


def demo_of_this_run(folders: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Return the folder of a demo, a copy that is only read, and what the demo printed.

    The first test process that asks makes them for all.
    """
    base = folders.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-demo"
    shared.mkdir(exist_ok=True)
    folder, copy, printed = shared / "demo", shared / "copy", shared / "printed"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            for half_made in (folder, copy):
                shutil.rmtree(half_made, ignore_errors=True)
            text = said(folder)
            shutil.copytree(folder, copy)
            printed.write_text(text, "utf-8")
    return folder, copy, printed.read_text("utf-8")
