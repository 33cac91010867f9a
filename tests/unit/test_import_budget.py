"""Modules that the ingest function imports before its first alert, which is most of a cold start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION = ROOT / "functions" / "ingest"
PACKAGE = ROOT / "layers" / "anomalake"

#: Modules on top of those of a bare interpreter, of our own and of others (releases of Python differ by a few).
#: `python -m benchmarks cold_start` shows the cost of each.
MOST_OWN_MODULES = 45
MOST_OTHER_MODULES = 210

HEAVY = (
    "pandas",
    "numpy",
    "awswrangler",
    "boto3",
    "botocore",
    "aws_xray_sdk",
    "pydantic",
    "duckdb",
    "sqlglot",
    "typer",
    "click",
    "rich",
    "asyncio",
    "multiprocessing",
)

# The function's layer has no numpy, and pyarrow imports it only where it is installed.
WITHOUT_NUMPY = """
import sys
class NoNumpy:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoNumpy())
"""
WHAT_IS_LOADED = """
before = set(sys.modules)
import app
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def in_fresh_interpreter(code: str) -> str:
    """Run code with the function's environment in a new process, and return its output."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{FUNCTION}{os.pathsep}{PACKAGE}",
        "ANOMALAKE_LAKE": "s3://bucket/lake",
        "ANOMALAKE_FORMATS": "parquet",
        "ANOMALAKE_DATABASE": "anomalake",
        "POWERTOOLS_SERVICE_NAME": "ingest",
    }
    environment.pop("ANOMALAKE_TRACING", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    modules: list[str] = json.loads(in_fresh_interpreter(WITHOUT_NUMPY + WHAT_IS_LOADED))
    return modules


def test_the_function_is_imported(loaded: list[str]) -> None:
    assert {"app", "anomalake.lake.lake", "anomalake.storage.objects", "pyarrow.lib", "obstore"} <= set(loaded)


@pytest.mark.parametrize("package", HEAVY)
def test_no_heavy_package_is_imported(package: str, loaded: list[str]) -> None:
    found = [module for module in loaded if module == package or module.startswith(f"{package}.")]
    if package == "botocore":
        # Powertools checks that it is installed: a package with one short file, without the clients.
        found = [module for module in found if module != "botocore"]
    assert found == []


def test_few_modules_are_imported(loaded: list[str]) -> None:
    own = [module for module in loaded if module.partition(".")[0] == "anomalake"]
    assert len(own) <= MOST_OWN_MODULES
    assert len(loaded) - len(own) <= MOST_OTHER_MODULES


def test_queries_and_bulk_loading_are_not_imported(loaded: list[str]) -> None:
    assert [module for module in loaded if module.startswith(("anomalake.query", "anomalake.lake.bulk"))] == []
