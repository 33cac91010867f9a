"""After `anomalake client install`, boto3 (today's and 1.40.60) and the AWS CLI go to anomalake without a change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anomalake.server.lookoutmetrics.clients import install
from anomalake.server.lookoutmetrics.encoding import encode
from anomalake.server.lookoutmetrics.operations import OPERATIONS
from tests.integration.server.lookoutmetrics.conftest import Served
from tests.support.lookoutmetrics import DETECTOR_ARN, METRIC_SET_ARN, full_value
from tests.support.patience import PATIENCE

CALL_ALL = Path(__file__).with_name("call_all.py")


@pytest.fixture
def installed(served: Served, environment: dict[str, str]) -> None:
    install(Path(environment["HOME"]) / ".aws" / "models", served.url)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("version", ["today's", "1.40.60"])
def test_boto3_calls_every_operation(
    version: str, served: Served, environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    python = sys.executable if version == "today's" else request.getfixturevalue("old_clients") / "bin" / "python"
    members = {name: full_value(operation.input) for name, operation in OPERATIONS.items()}
    done = subprocess.run(
        [python, CALL_ALL],
        input=json.dumps(members),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["version"] == "1.40.60") == (version == "1.40.60")
    assert printed["class"] == "LookoutMetrics"
    assert served.recorded.calls == list(members.items())
    assert printed["answers"] == {
        name: [operation.status, json.loads(encode(operation.output, full_value(operation.output)))]
        for name, operation in OPERATIONS.items()
    }
    assert printed["refused"] == ["FIELD_VALIDATION_FAILED", "NextToken"]
    assert all("/us-east-1/lookoutmetrics/aws4_request" in header for header in served.authorizations)


def aws(old_clients: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    call = [old_clients / "bin" / "aws", "lookoutmetrics", *arguments]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["list-metric-sets"], ("ListMetricSets", {})),
        (
            ["create-anomaly-detector", "--anomaly-detector-name", "shop", "--anomaly-detector-config",
             "AnomalyDetectorFrequency=PT1H", "--tags", "owner=ana,stage=dev"],
            ("CreateAnomalyDetector", {"AnomalyDetectorName": "shop", "Tags": {"owner": "ana", "stage": "dev"},
             "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"}}),
        ),
        (
            ["untag-resource", "--resource-arn", METRIC_SET_ARN, "--tag-keys", "a b", "c"],
            ("UntagResource", {"ResourceArn": METRIC_SET_ARN, "TagKeys": ["a b", "c"]}),
        ),
    ],
    ids=["list", "create", "untag"],
)  # fmt: skip
def test_the_aws_cli_calls_operations(
    arguments: list[str], call: tuple[str, Any], served: Served, environment: dict[str, str], old_clients: Path
) -> None:
    done = aws(old_clients, environment, *arguments)
    assert done.returncode == 0, done.stderr
    assert served.recorded.calls == [call]
    printed = json.loads(done.stdout or "{}")
    assert printed.keys() == OPERATIONS[call[0]].output.members.keys()


@pytest.mark.usefixtures("installed")
def test_the_aws_cli_says_why_a_call_is_refused(served: Served, environment: dict[str, str], old_clients: Path) -> None:
    done = aws(old_clients, environment, "describe-alert", "--alert-arn", DETECTOR_ARN.removeprefix("arn:"))
    assert done.returncode != 0
    assert "(ValidationException) when calling the DescribeAlert operation" in done.stderr
    assert "expected an ARN" in done.stderr
