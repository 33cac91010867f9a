"""The real server, in a process of its own, and boto3 with our service model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from anomalake.server.lookoutmetrics.clients import install
from tests.support.patience import PATIENCE


@dataclass
class Served:
    """A running ``anomalake serve``."""

    process: subprocess.Popen[str]
    url: str
    models: Path
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, region: str = "us-east-1") -> Any:
        """A client of Lookout for Metrics that calls this server; one for each region."""
        if region not in self._clients:
            self._clients[region] = self._new_client(region)
        return self._clients[region]

    def _new_client(self, region: str) -> Any:
        session = botocore.session.Session()
        session.set_config_variable("data_path", str(self.models))
        config = Config(retries={"total_max_attempts": 1})
        boto = boto3.Session(botocore_session=session, aws_access_key_id="any", aws_secret_access_key="pair")
        return boto.client("lookoutmetrics", region_name=region, endpoint_url=self.url, config=config)

    def status(self, arn: str) -> str:
        """Return the status of a detector."""
        return str(self.client().describe_anomaly_detector(AnomalyDetectorArn=arn)["Status"])

    def wait(self, arn: str, *while_: str) -> str:
        """Wait as the samples' loop does; return the first other status."""
        until = time.monotonic() + PATIENCE
        while (status := self.status(arn)) in while_:
            assert time.monotonic() < until, status
            time.sleep(0.1)
        return status

    def children(self) -> list[int]:
        """Return the processes of the server, with the server."""
        return [self.process.pid, *_children(self.process.pid)]

    def kill(self) -> None:
        """End the server at once, as a loss of power does."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code, and what the server has said since its start."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


@contextmanager
def serving(lake: Path, models: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Run ``anomalake serve`` on a free port."""
    command = [sys.executable, "-m", "anomalake", "serve", "--lake", str(lake), "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(environment or {})}
    )
    assert process.stdout is not None
    try:
        line = ""
        while (found := re.search(r"http://127\.0\.0\.1:\d+", line)) is None:
            line = process.stdout.readline()
            assert line, process.wait(PATIENCE)
        install(models, found[0], force=True)
        yield Served(process, found[0], models)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)
        process.stdout.close()


def is_running(process: int) -> bool:
    """Whether there is a process, and it is no zombie."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text("ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _children(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text("ascii").split():
            found += [int(child), *_children(int(child))]
    return found
