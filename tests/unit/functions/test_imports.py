"""Modules that a cold start of the function ingest imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.support.patience import PATIENCE
from tests.support.stack import ROOT

HEAVY = (
    "pandas", "numpy", "awswrangler", "boto3", "botocore.session", "botocore.client", "pydantic", "duckdb", "sqlglot",
    "aws_xray_sdk", "aws_lambda_powertools.utilities.batch", "aws_lambda_powertools.utilities.parser",
)  # fmt: skip

FIRST_ALERT = """
import sys, json
sys.modules["numpy"] = None  # the layer has none
from functions.ingest.app import respond
from anomalake.aws.glue import GlueCatalog
from anomalake.storage.objects import memory_store
from anomalake.lake.lake import Lake
store = memory_store()
alert = json.loads(sys.stdin.read())
first = Lake(store)
respond(alert, first, None)
for partition in {key.key.rsplit("/", 1)[0].split("/", 2)[2] for key in store.list("tables")}:
    store.put(f"partitions/{partition}", b"")
def no_client():
    raise AssertionError("Glue was called for a known partition")
known = Lake(store, GlueCatalog(store, "db", client=no_client))
print(respond(alert, known, None), file=sys.stderr)
del sys.modules["numpy"]
print(json.dumps({"modules": sorted(sys.modules)}))
"""

PANDAS_AND_BOTO3 = """
import json, sys
import pandas, boto3
print(json.dumps({"modules": sorted(sys.modules)}))
"""


#: Packages of the project that are not in Lambda's runtime, by the modules that they have.
PACKAGES = {
    "aws-lambda-powertools": "aws_lambda_powertools", "awswrangler": "awswrangler", "duckdb": "duckdb",
    "numpy": "numpy", "obstore": "obstore", "pandas": "pandas", "pyarrow": "pyarrow", "pyyaml": "yaml",
    "sqlglot": "sqlglot", "starlette": "starlette", "threadpoolctl": "threadpoolctl", "typer": "typer",
}  # fmt: skip
LAYER_OF = {
    "api": "detection", "backtest": "detection", "catalog": "analytics", "compact": "ingest", "crawl": "ingest",
    "detect": "detection", "ingest": "ingest", "schedule": "detection",
}  # fmt: skip

IMPORTED = """
import json, sys
class NotInTheLayer:
    def find_spec(self, name, path=None, target=None):
        if name in {absent}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInTheLayer())
import functions.{function}.app
print(json.dumps({{}}))
"""


def run(program: str, text: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=text,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'anomalake'}", "POWERTOOLS_SERVICE_NAME": "test"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_first_alert_of_a_known_partition_imports_nothing_heavy() -> None:
    alert = (ROOT / "events" / "valid" / "guide-2021.json").read_text()
    modules = set(run(FIRST_ALERT, alert)["modules"])
    assert "pyarrow" in modules
    assert not modules & set(HEAVY)


# The function macro is in a stack of its own, without a layer of dependencies: tests/unit/functions/test_macro.py.
@pytest.mark.parametrize("function", sorted({path.parent.name for path in ROOT.glob("functions/*/app.py")} - {"macro"}))
def test_a_function_imports_only_what_its_layer_has(function: str) -> None:
    layer = LAYER_OF[function]
    template = (ROOT / "template.yaml").read_text("utf-8")
    resource = template.partition(f"  {function.capitalize()}Function:")[2]
    assert re.search(r"Layers: \[!Ref PackageLayer, !Ref (\w+)Dependencies\]", resource)[1].lower() == layer  # type: ignore[index]
    requirements = (ROOT / "layers" / "dependencies" / layer / "requirements.txt").read_text("utf-8")
    absent = [module for package, module in PACKAGES.items() if not re.search(rf"(?m)^{package}==", requirements)]
    assert run(IMPORTED.format(absent=absent, function=function)) == {}


def test_ingest_imports_half_as_many_modules_as_pandas_and_boto3() -> None:
    """The time of a cold start depends on the machine: `python -m benchmarks cold_start` measures it."""
    alert = (ROOT / "events" / "valid" / "guide-2021.json").read_text()
    ours, theirs = len(run(FIRST_ALERT, alert)["modules"]), len(run(PANDAS_AND_BOTO3)["modules"])
    assert ours <= theirs / 2, f"{ours} modules: expected at most half of {theirs}"
