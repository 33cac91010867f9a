"""Other processes: commands with their time and memory, and a moto server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "layers" / "anomalake"
REGION = "us-east-1"

#: Seconds between two looks at the memory of a process tree.
SAMPLE = 0.02


class BenchmarkError(Exception):
    """What was to be measured did not do its work."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command.

    Attributes
    ----------
    seconds
        From start to end.
    peak_bytes
        Resident memory of the process and all that it started, added up, peak; pages that they share count
        once for each. 0 where the system does not tell.
    output
        What it printed.
    """

    seconds: float
    peak_bytes: int
    output: str


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of lakes and AWS, with this checkout's package."""
    ours = ("AWS_", "ANOMALAKE_", "POWERTOOLS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": f"{PACKAGE}{os.pathsep}{ROOT}", **more}


def aws(endpoint: str) -> dict[str, str]:
    """Variables for a client of an emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",  # pragma: allowlist secret
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run(command: Sequence[str], env: Mapping[str, str]) -> Run:
    """Run a command to its end.

    Raises
    ------
    BenchmarkError
        It failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE):
            peak[0] = max(peak[0], _memory_of_tree(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, errors = process.communicate()
        seconds = time.perf_counter() - start
    finally:
        over.set()
        watcher.join()
    if process.returncode:
        raise BenchmarkError(f"{' '.join(command[1:4])}: exit code {process.returncode}: {(errors or output)[-500:]}")
    return Run(seconds, peak[0], output)


def anomalake(*arguments: str, **variables: str) -> Run:
    """Run the command ``anomalake``."""
    return run([sys.executable, "-m", "anomalake.cli.app", *arguments], environment(**variables))


def replay(source: Path, lake: str, count: int, **variables: str) -> Run:
    """Replay a file of so many distinct alerts into a new lake in two processes, and see that all were loaded."""
    done = anomalake("replay", str(source), "--lake", lake, "--workers", "2", **variables)
    if not done.output.startswith(f"{count:,} loaded, 0 repeated, 0 refused\n"):
        raise BenchmarkError(f"replay of {count:,} alerts: it says {done.output.strip()!r}")
    return done


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until somebody listens on a port of 127.0.0.1.

    Raises
    ------
    BenchmarkError
        Nobody does, or the process that was to has ended.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise BenchmarkError(f"nothing answers on port {port}; exit code {process.poll()}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def moto_server(bucket: str) -> Iterator[str]:
    """moto in a process of its own, with a bucket in it; yields its endpoint."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=environment(**aws(endpoint)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        made = urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")
        urllib.request.urlopen(made, timeout=60).close()
        yield endpoint
    finally:
        stop(process)


def _memory_of_tree(root: int) -> int:
    total = 0
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            # It has ended meanwhile, or the system has no such files.
            continue
    return total * os.sysconf("SC_PAGE_SIZE")
