"""Modules that the command imports: most of the time of a short one, and of a served page that is looked at first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "layers" / "anomalake"

#: Modules on top of those of a bare interpreter, of our own and of others (releases of libraries differ by a few).
MOST_OF_COMMAND = (35, 220)
MOST_OF_SERVE = (290, 680)

HEAVY = ("pandas", "boto3", "botocore", "awswrangler", "pyspark", "scipy")
#: What a command that has not begun needs neither.
NOT_YET = (
    "numpy", "pyarrow", "duckdb", "sqlglot", "obstore", "starlette", "uvicorn", "anomalake.services.lakes",
    "anomalake.page", "anomalake.model",
)  # fmt: skip
#: What is imported with the first job, and with the first request of the API.
LATER = (
    "anomalake.services.backtests.job_runs", "anomalake.services.detect", "anomalake.services.definitions.detectors",
    "anomalake.server.lookoutmetrics.handlers.detectors",
)  # fmt: skip

COMMAND = """
import json, sys
before = set(sys.modules)
import anomalake.cli.app
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# The server ends as soon as it is to begin: its first page is made then.
SERVE = """
import json, sys
before = set(sys.modules)
import anomalake.__main__
import anomalake.server.listening as listening

class Nothing:
    def getsockname(self): return ("127.0.0.1", 8765)
    def close(self): pass
    def run(self, sockets): pass

listening.listen = lambda port: Nothing()
listening.server = lambda app: Nothing()
sys.argv = ["anomalake", "serve", "--lake", sys.argv[1], "--no-detect"]
try:
    anomalake.__main__.main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def modules_of(code: str, *arguments: str) -> list[str]:
    """Run code in a new process, and return the modules that it has imported."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return modules


def is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def counts(modules: list[str]) -> tuple[int, int]:
    own = sum(is_below(module, ("anomalake",)) for module in modules)
    return own, len(modules) - own


@pytest.fixture(scope="module")
def command() -> list[str]:
    return modules_of(COMMAND)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return modules_of(SERVE, str(tmp_path_factory.mktemp("lake")))


def test_a_command_that_has_not_begun_imports_little(command: list[str]) -> None:
    assert "anomalake.cli.page" in command
    assert [module for module in command if is_below(module, (*HEAVY, *NOT_YET))] == []
    own, others = counts(command)
    assert own <= MOST_OF_COMMAND[0]
    assert others <= MOST_OF_COMMAND[1]


def test_the_first_page_of_a_server_imports_what_it_shows(serve: list[str]) -> None:
    assert {"anomalake.page.composing", "anomalake.server.application", "duckdb"} <= set(serve)
    assert [module for module in serve if is_below(module, (*HEAVY, *LATER))] == []
    own, others = counts(serve)
    assert own <= MOST_OF_SERVE[0]
    assert others <= MOST_OF_SERVE[1]


def test_what_is_imported_later_is_there(serve: list[str]) -> None:
    code = "import sys, json\nfor name in sys.argv[1:]: __import__(name)\nprint(json.dumps(sorted(sys.modules)))"
    assert set(LATER) <= set(modules_of(code, *LATER))
