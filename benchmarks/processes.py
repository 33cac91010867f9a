"""Commands in processes, with their time and memory, and a moto server."""

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

#: Seconds between two samples of the memory of a process tree.
SAMPLE = 0.02


class BenchmarkError(Exception):
    """The measured command failed or gave a wrong result."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command.

    Attributes
    ----------
    seconds
        From start to end.
    peak_bytes
        Peak of the resident memory of the process and its descendants; shared pages count once per process. 0 on a
        system without /proc.
    output
        Its standard output.
    """

    seconds: float
    peak_bytes: int
    output: str


def environment(**more: str) -> dict[str, str]:
    """Return the environment of this process without settings of lakes and AWS, with the package of this checkout."""
    removed = ("AWS_", "ANOMALAKE_", "POWERTOOLS_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(removed)}
    return {**inherited, "PYTHONPATH": f"{PACKAGE}{os.pathsep}{ROOT}", **more}


def aws(endpoint: str) -> dict[str, str]:
    """Return the environment variables for a client of an emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",  # pragma: allowlist secret
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run(command: Sequence[str], env: Mapping[str, str]) -> Run:
    """Run a command to its end and measure it.

    Raises
    ------
    BenchmarkError
        The exit code is not 0.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE):
            peak[0] = max(peak[0], _memory_of_tree(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, errors = process.communicate()
        seconds = time.perf_counter() - start
    finally:
        ended.set()
        watcher.join()
    if process.returncode:
        raise BenchmarkError(f"{' '.join(command[1:4])}: exit code {process.returncode}: {(errors or output)[-500:]}")
    return Run(seconds, peak[0], output)


def anomalake(*arguments: str, **variables: str) -> Run:
    """Run the command ``anomalake``."""
    return run([sys.executable, "-m", "anomalake", *arguments], environment(**variables))


def replay(source: Path, lake: str, count: int, **variables: str) -> Run:
    """Replay a file of `count` distinct alerts into a new lake with two workers, and check that all were loaded."""
    replayed = anomalake("replay", str(source), "--lake", lake, "--workers", "2", **variables)
    if not replayed.output.startswith(f"{count:,} loaded, 0 repeated, 0 refused\n"):
        raise BenchmarkError(f"replay of {count:,} alerts: the output is {replayed.output.strip()!r}")
    return replayed


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until a process listens on a port of 127.0.0.1.

    Raises
    ------
    BenchmarkError
        No process listens in time, or `process` has ended.
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
    """Run moto with a bucket in another process; yields its endpoint."""
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
        create_bucket = urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")
        urllib.request.urlopen(create_bucket, timeout=60).close()
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
            # The process has ended meanwhile, or the system has no /proc.
            continue
    return total * os.sysconf("SC_PAGE_SIZE")
