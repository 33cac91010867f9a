"""Ctrl-C at several moments of every command: one line, exit code 130, no process and no unfinished file remains."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import made
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.slow

PACKAGE = str(Path(__file__).parents[3] / "layers" / "anomalake")
#: Waits in a module that a command imports, at its start or later, or in a function of it.
WAIT = "import pathlib, time; pathlib.Path({mark!r}).touch(); time.sleep({seconds})\n"


@contextmanager
def started(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as a group of processes, as a terminal does; all of them are killed at the end."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANOMALAKE_"))}
    environment |= {"PYTHONPATH": PACKAGE, "COLUMNS": "200", "HOME": str(folder), **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "anomalake", *arguments],
        cwd=folder, env=environment, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def interrupt(process: subprocess.Popen[bytes]) -> str:
    """Send Ctrl-C to the group; check the exit code, the line and that no process remains. Returns standard output."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err.decode()) == (130, "anomalake: interrupted\n")
    end = time.monotonic() + PATIENCE
    while group_exists(process.pid):
        assert time.monotonic() < end, "a process of the command still runs"
        time.sleep(0.02)
    return out.decode()


def group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def visible(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and "#" not in path.name
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made KPI data, stored alerts and a lake with them."""
    from anomalake import open_lake
    from anomalake.services import maintenance
    from anomalake.synth import ShopSettings, shop, write_shop

    folder = tmp_path_factory.mktemp("data")
    write_shop(shop(ShopSettings(intervals=500, series=2)), folder / "shop", 4)
    lines = [json.dumps(json.loads(text)) for text in made.texts(50)]
    (folder / "alerts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    maintenance.replay(str(folder / "lake"), [str(folder / "alerts.jsonl")])
    # A query records the columns of new names.
    open_lake(folder / "lake").query_rows("SHOW TABLES")
    return folder


#: Each command, with a function of anomalake in which Ctrl-C comes; it is called in the middle of the work.
COMMANDS = {
    "replay": (("replay", "{data}/alerts.jsonl", "--lake", "new"), "anomalake.lake.rows", "table_of"),
    "query": (("query", "SELECT * FROM alerts", "--lake", "{data}/lake"), "anomalake.query.output", "rows_of"),
    "export": (("export", "--lake", "{data}/lake", "--out", "out"), "anomalake.query.output", "rows_of"),
    "rebuild": (("rebuild", "--lake", "{data}/lake"), "anomalake.lake.rows", "table_of"),
    "compact": (("compact", "--lake", "{data}/lake"), "anomalake.lake.layout", "partition_in"),
    "backtest": (
        ("backtest", "{data}/shop/detector.yaml", "--lake", "new", "--scores", "scores.parquet"),
        "anomalake.detection.score_files", "_batches",
    ),
    "detect": (
        ("detect", "{data}/shop/detector.yaml", "--lake", "new", "--at", "2023-01-20T11:00"),
        "anomalake.sources.reading", "read_interval",
    ),
    "dashboard": (("dashboard", "--lake", "{data}/lake", "--out", "page.html"), "anomalake.page.page", "page"),
    "serve": (("serve", "--lake", "{data}/lake", "--port", "0"), "anomalake.page.page", "page"),
    "quicksight": (
        ("quicksight", "{data}/shop/detector.yaml", "--out", "out.yaml"),
        "anomalake.quicksight.template", "quicksight_template",
    ),
    "synth": (("synth", "shop"), "anomalake.synth.writing", "_rows"),
    "demo": (("demo", "demo"), "anomalake.demo.flights", "hourly_rows"),
    "feedback": (
        ("feedback", "--lake", "{data}/lake", "--group", "x", "--anomaly"),
        "anomalake.services.feedback", "give_feedback",
    ),
    "snooze": (
        ("snooze", "--lake", "{data}/lake", "--detector", "x", "--group", "y", "--until", "2026-01-01"),
        "anomalake.services.feedback", "snooze",
    ),
}  # fmt: skip

#: Makes a function of the command wait, at its first call.
AT_FUNCTION = """
import builtins, importlib.abc, pathlib, sys, time
class Waiting(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name != {module!r}:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        self.loader, spec.loader = spec.loader, self
        return spec
    def create_module(self, spec):
        return self.loader.create_module(spec)
    def exec_module(self, module):
        self.loader.exec_module(module)
        def wait(*arguments, **options):
            pathlib.Path("here").touch()
            time.sleep({seconds})
            raise AssertionError("Ctrl-C has no effect")
        setattr(module, {function!r}, wait)
import importlib.util
sys.meta_path.insert(0, Waiting())
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_during_the_work(name: str, data: Path, tmp_path: Path) -> None:
    arguments, module, function = COMMANDS[name]
    (tmp_path / "site").mkdir()
    code = AT_FUNCTION.format(module=module, function=function, seconds=PATIENCE)
    (tmp_path / "site" / "sitecustomize.py").write_text(code)
    path = os.pathsep.join([str(tmp_path / "site"), PACKAGE])
    work = tmp_path / "work"
    work.mkdir()
    before = visible(data / "lake")
    with started(work, *(text.format(data=data) for text in arguments), PYTHONPATH=path) as process:
        until((work / "here").exists, process)
        out = interrupt(process)
    assert out == "" or name == "synth"
    kept = {file.partition("/")[0] for file in visible(work)} - {"here", "new"}
    assert kept == set()
    assert not list(work.rglob(".*.*"))
    assert visible(data / "lake") == before


def test_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(WAIT.format(mark=str(tmp_path / "here"), seconds=PATIENCE))
    path = os.pathsep.join([str(tmp_path), PACKAGE])
    with started(tmp_path, "query", "SELECT 1", "--lake", "lake", PYTHONPATH=path) as process:
        until((tmp_path / "here").exists, process)
        assert interrupt(process) == ""


@pytest.mark.parametrize(
    ("command", "module", "function"),
    [
        (("backtest", "--scores", "scores.parquet"), "anomalake.cli.reports", "backtest_report"),
        (("detect", "--at", "2023-01-20T11:00"), "anomalake.cli.reports", "detection_report"),
    ],
)
def test_before_an_object_is_written(
    command: tuple[str, ...], module: str, function: str, data: Path, tmp_path: Path
) -> None:
    """Standard output has the whole object or nothing."""
    code = AT_FUNCTION.format(module=module, function=function, seconds=PATIENCE)
    (tmp_path / "sitecustomize.py").write_text(code)
    path = os.pathsep.join([str(tmp_path), PACKAGE])
    name, *options = command
    arguments = (name, str(data / "shop" / "detector.yaml"), "--lake", "lake", "--format", "json", *options)
    with started(tmp_path, *arguments, PYTHONPATH=path) as process:
        until((tmp_path / "here").exists, process)
        assert interrupt(process) == ""


def test_a_query_that_waits_for_standard_input(tmp_path: Path) -> None:
    """It is interrupted while it reads: a part of the query has come."""
    with started(tmp_path, "query", "-", "--lake", "lake") as process:
        assert process.stdin is not None
        process.stdin.write(b"SELECT " + b" " * 100_000)
        process.stdin.flush()
        # A pipe has less room: the command has begun to read.
        assert interrupt(process) == ""


def test_replay_in_several_processes(tmp_path: Path) -> None:
    line = json.dumps(json.loads(made.texts(1)[0])).encode() + b"\n"
    with started(tmp_path, "replay", "-", "--lake", "lake", "--workers", "2") as process:
        assert process.stdin is not None
        # More chunks than processes; then standard input stays open, and the command waits for more.
        chunk = line * (50_000_000 // len(line))
        feeding = threading.Thread(target=feed, args=(process, chunk))
        feeding.start()
        until(lambda: (tmp_path / "lake" / "originals").exists(), process)
        assert interrupt(process) == ""
        feeding.join(PATIENCE)
    assert not feeding.is_alive()


def feed(process: subprocess.Popen[bytes], chunk: bytes) -> None:
    assert process.stdin is not None
    try:
        for _ in range(100):
            process.stdin.write(chunk)
    except OSError:
        pass


def test_an_error_that_a_library_makes_of_ctrl_c_is_not_shown(data: Path, tmp_path: Path) -> None:
    """DuckDB, for example, raises `RuntimeError`."""
    code = AT_FUNCTION.format(module="anomalake.query.output", function="rows_of", seconds=PATIENCE)
    wait = f"time.sleep({PATIENCE})"
    assert wait in code
    changed = code.replace(
        wait, f"try: {wait}\n            except BaseException: raise RuntimeError('Query interrupted') from None"
    )
    (tmp_path / "sitecustomize.py").write_text(changed)
    path = os.pathsep.join([str(tmp_path), PACKAGE])
    with started(tmp_path, "query", "SELECT * FROM alerts", "--lake", str(data / "lake"), PYTHONPATH=path) as process:
        until((tmp_path / "here").exists, process)
        assert interrupt(process) == ""


def test_while_a_store_does_not_answer_and_a_second_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1",
        }  # fmt: skip
        for presses in (1, 2):
            with started(tmp_path, "rebuild", "--lake", "s3://kpis/lake", **variables) as process:
                connection, _ = silent.accept()
                for _ in range(presses - 1):
                    os.killpg(process.pid, signal.SIGINT)
                assert interrupt(process) == ""
                connection.close()


def test_workers_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    line = json.dumps(json.loads(made.texts(1)[0])).encode() + b"\n"
    with started(tmp_path, "replay", "-", "--lake", "lake", "--workers", "2") as process:
        feeding = threading.Thread(target=feed, args=(process, line * (50_000_000 // len(line))))
        feeding.start()
        until(lambda: (tmp_path / "lake" / "originals").exists(), process)
        process.kill()
        process.wait(PATIENCE)
        end = time.monotonic() + PATIENCE
        while group_exists(process.pid):
            assert time.monotonic() < end, "a worker still runs"
            time.sleep(0.02)
        feeding.join(PATIENCE)


def test_ctrl_c_is_ignored_where_it_was_ignored_before(data: Path, tmp_path: Path) -> None:
    """As in the background of a script, or with nohup."""
    command = [sys.executable, "-m", "anomalake", "replay", "-", "--lake", "lake"]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": PACKAGE}, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    until((tmp_path / "lake").exists, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate((data / "alerts.jsonl").read_bytes(), timeout=PATIENCE)
    assert (process.returncode, out[:9], err) == (0, b"50 loaded", b"")
