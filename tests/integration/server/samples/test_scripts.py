"""Functions, scripts and command lines of Lookout for Metrics' users, with boto3 and the AWS CLI unchanged."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from anomalake.server.lookoutmetrics.clients import install
from tests.integration.server.lookoutmetrics.conftest import old_clients as old_clients
from tests.support.emulated_aws import KEYS, REGION
from tests.support.patience import PATIENCE
from tests.support.samples import (
    BUSY,
    Lab,
    all_pages,
    backtested,
    delete_and_wait,
    metric_set,
    time_by_pattern,
    wait_for,
    wait_while,
    zipped,
)
from tests.support.served import Served

ROOT = Path(__file__).parents[4]


def test_the_workshops_steps_attach_an_alert_to_a_running_backtest(
    lab: Lab, sending: Served, called: list[tuple[str, str]]
) -> None:
    """Each step is a function of its own: it makes a client, and knows what the step before has returned."""
    function = boto3.client("lambda").create_function(
        FunctionName="workshop-alert",
        Runtime="python3.12",
        Role=lab.role_arn,
        Handler="index.handler",
        Code={"ZipFile": zipped("index.py", "def handler(event, context): ...\n")},
    )["FunctionName"]

    def create(event: dict[str, Any]) -> dict[str, Any]:
        client = boto3.client("lookoutmetrics")
        created = client.create_anomaly_detector(
            AnomalyDetectorName=event["name"], AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"}
        )
        return {**event, "arn": created["AnomalyDetectorArn"]}

    def create_set_and_backtest(event: dict[str, Any]) -> dict[str, Any]:
        client = boto3.client("lookoutmetrics")
        members = metric_set(lab, HistoricalDataPathList=[lab.history])
        created = client.create_metric_set(AnomalyDetectorArn=event["arn"], MetricSetName=event["name"], **members)
        client.back_test_anomaly_detector(AnomalyDetectorArn=event["arn"])
        return {**event, "set_arn": created["MetricSetArn"]}

    def attach_alert(event: dict[str, Any]) -> dict[str, Any]:
        functions = boto3.client("lambda")
        configuration = functions.get_function(FunctionName=function)["Configuration"]
        created = boto3.client("lookoutmetrics").create_alert(
            AlertName=f"{event['name']}-alert",
            AlertSensitivityThreshold=1,
            AnomalyDetectorArn=event["arn"],
            Action={
                "LambdaConfiguration": {"RoleArn": configuration["Role"], "LambdaArn": configuration["FunctionArn"]}
            },
        )
        variables = {"DETECTOR": event["arn"], "METRIC_SET": event["set_arn"]}
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        return {**event, "alert_arn": created["AlertArn"]}

    state = attach_alert(create_set_and_backtest(create({"name": "workshop"})))
    client = boto3.client("lookoutmetrics")
    assert wait_while(client, state["arn"], *BUSY) == "BACK_TEST_COMPLETE"
    groups = all_pages(
        client.list_anomaly_group_summaries,
        "AnomalyGroupSummaryList",
        AnomalyDetectorArn=state["arn"],
        SensitivityThreshold=1,
    )
    wanted = {group["AnomalyGroupId"] for group in groups}
    assert len(wanted) > 3
    wait_for(lambda: {json.loads(text)["anomalyGroupId"] for _, text in called} == wanted)
    assert {json.loads(text)["alertArn"] for _, text in called} == {state["alert_arn"]}


def test_the_workshops_steps_activate_at_once(lab: Lab, served: Served) -> None:
    client = boto3.client("lookoutmetrics")
    arn = client.create_anomaly_detector(
        AnomalyDetectorName="connector", AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"}
    )["AnomalyDetectorArn"]
    members = metric_set(lab, HistoricalDataPathList=[lab.history], TemplatedPathList=[lab.live])
    client.create_metric_set(AnomalyDetectorArn=arn, MetricSetName="connector", **members)
    client.activate_anomaly_detector(AnomalyDetectorArn=arn)
    alert = client.create_alert(
        AlertName="connector",
        AlertSensitivityThreshold=1,
        AnomalyDetectorArn=arn,
        Action={
            "LambdaConfiguration": {
                "RoleArn": lab.role_arn,
                "LambdaArn": f"arn:aws:lambda:{REGION}:{lab.account}:function:other",
            }
        },
    )["AlertArn"]
    assert wait_while(client, arn, *BUSY) == "ACTIVE"
    assert client.describe_alert(AlertArn=alert)["Alert"]["AlertStatus"] == "ACTIVE"
    delete_and_wait(client, arn)


def test_a_function_makes_readable_alerts(lab: Lab, sending: Served, called: list[tuple[str, str]]) -> None:
    client = boto3.client("lookoutmetrics")
    arn = backtested(client, lab, "readable")
    client.create_alert(
        AlertName="readable",
        AlertSensitivityThreshold=1,
        AnomalyDetectorArn=arn,
        Action={
            "LambdaConfiguration": {
                "RoleArn": lab.role_arn,
                "LambdaArn": boto3.client("lambda").create_function(
                    FunctionName="readable",
                    Runtime="python3.12",
                    Role=lab.role_arn,
                    Handler="index.handler",
                    Code={"ZipFile": zipped("index.py", "def handler(event, context): ...\n")},
                )["FunctionArn"],
            }
        },
    )
    wait_for(lambda: len(called) > 3)
    for _, text in called:
        mail = readable(json.loads(text))
        assert mail.count("<tr>") > 1
        assert arn in mail


def readable(alert: dict[str, Any]) -> str:
    """Write an alert as HTML, with the time series of its group."""
    arn, measure = alert["anomalyDetectorArn"], alert["impactedMetric"]["metricName"]
    client = boto3.client("lookoutmetrics", region_name=arn.split(":")[3])
    at = time_by_pattern(alert["timestamp"])
    found, token = None, {}
    while found is None:
        answer = client.list_anomaly_group_summaries(
            AnomalyDetectorArn=arn, SensitivityThreshold=0, MaxResults=2, **token
        )
        for group in answer["AnomalyGroupSummaryList"]:
            start, end = time_by_pattern(group["StartTime"]), time_by_pattern(group["EndTime"])
            if group["PrimaryMetricName"] == measure and start <= at <= end:
                found = group
        token = {"NextToken": answer["NextToken"]} if found is None else {}
    assert found["AnomalyGroupId"] == alert["anomalyGroupId"]
    answer = client.list_anomaly_group_time_series(
        AnomalyDetectorArn=arn, AnomalyGroupId=found["AnomalyGroupId"], MetricName=measure
    )
    column = [time_by_pattern(text) for text in answer["TimestampList"]].index(at)
    rows = [
        "<tr>"
        + "".join(f"<td>{html.escape(pair['DimensionValue'])}</td>" for pair in series["DimensionList"])
        + f"<td>{series['MetricValueList'][column]:.2f}</td></tr>"
        for series in answer["TimeSeriesList"]
    ]
    link = html.escape(alert["consoleUrl"])
    head = f"<tr><th>{measure}</th><th>{float(alert['anomalyScore']):.1f}</th></tr>"
    return f'<a href="{link}">{html.escape(str(alert["alertDescription"]))}</a><table>{head}{"".join(rows)}</table>'


@pytest.fixture
def inventory(lab: Lab, served: Served) -> Iterator[list[str]]:
    """Three detectors; one is a draft without a metric set."""
    client = boto3.client("lookoutmetrics")
    arns = []
    for name in ("one", "two", "draft"):
        arn = client.create_anomaly_detector(
            AnomalyDetectorName=name,
            AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"},
            Tags={"owner": name},
        )["AnomalyDetectorArn"]
        arns.append(arn)
        if name != "draft":
            members = metric_set(lab, HistoricalDataPathList=[lab.history])
            client.create_metric_set(AnomalyDetectorArn=arn, MetricSetName=f"{name}-set", **members)
    yield arns
    for arn in arns:
        delete_and_wait(client, arn)


def test_an_inventory_of_the_account_needs_no_arguments(inventory: list[str]) -> None:
    client = boto3.client("lookoutmetrics")
    detectors = all_pages(client.list_anomaly_detectors, "AnomalyDetectorSummaryList", MaxResults=1)
    by_arn = {detector["AnomalyDetectorArn"]: detector for detector in detectors}
    assert set(inventory) <= set(by_arn)
    for detector in client.list_anomaly_detectors()["AnomalyDetectorSummaryList"]:
        # A front end shows times, and sends all as JSON.
        times = [detector[name].strftime("%Y-%m-%d %H:%M:%S") for name in ("CreationTime", "LastModificationTime")]
        shown = json.dumps({**detector, "CreationTime": times[0], "LastModificationTime": times[1]})
        assert (
            json.loads(shown)["Tags"]
            == client.list_tags_for_resource(ResourceArn=detector["AnomalyDetectorArn"])["Tags"]
        )
    sets = client.list_metric_sets()["MetricSetSummaryList"]
    assert {one["AnomalyDetectorArn"] for one in sets} == set(inventory[:2])
    assert client.list_alerts()["AlertSummaryList"] == []


@pytest.mark.parametrize(
    ("document", "heading"),
    [("README.md", "If you come from Lookout for Metrics"), ("docs/lookout-for-metrics.md", "Start")],
)
def test_the_documents_first_lines_work(
    document: str, heading: str, served: Served, inventory: list[str], tmp_path: Path
) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```sh\n(.+?)```", section, re.DOTALL | re.MULTILINE)
    lines = [line.partition("  #")[0].strip() for line in "".join(blocks).splitlines()]
    # The server runs already, at another port; the AWS CLI has a test of its own.
    assert lines[:2] == ["anomalake serve --lake ./lake", "anomalake client install"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, **KEYS, "HOME": str(tmp_path), "AWS_DEFAULT_REGION": REGION}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", *lines[1].split(), "--url", served.url)
    [call] = [line for line in lines if line.startswith("python ")]
    printed = run(*shlex.split(call)[1:])
    assert all(arn in printed for arn in inventory)


def test_the_aws_cli_in_a_shell(
    lab: Lab, served: Served, inventory: list[str], old_clients: Path, tmp_path: Path
) -> None:
    install(tmp_path / ".aws" / "models", served.url)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    environment = {
        **kept,
        **KEYS,
        "HOME": str(tmp_path),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def aws(*words: str) -> Any:
        done = subprocess.run(
            [old_clients / "bin" / "aws", "lookoutmetrics", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")

    names = [one["AnomalyDetectorName"] for one in aws("list-anomaly-detectors")["AnomalyDetectorSummaryList"]]
    assert {"one", "two", "draft"} <= set(names)
    text = aws("list-metric-sets", "--query", "MetricSetSummaryList[].MetricSetName")
    assert text == ["one-set", "two-set"]
    created = aws(
        "create-anomaly-detector",
        "--anomaly-detector-name=shell",
        "--anomaly-detector-config=AnomalyDetectorFrequency=PT1H",
        "--tags=owner=ana,stage=dev",
    )
    arn = created["AnomalyDetectorArn"]
    members = metric_set(lab, HistoricalDataPathList=[lab.history])
    file = tmp_path / "metric-set.json"
    file.write_text(json.dumps({"AnomalyDetectorArn": arn, "MetricSetName": "shell-set", **members}))
    aws("create-metric-set", "--cli-input-json", f"file://{file}")
    aws("back-test-anomaly-detector", "--anomaly-detector-arn", arn)
    wait_for(lambda: aws("describe-anomaly-detector", "--anomaly-detector-arn", arn)["Status"] not in BUSY)
    answer = aws("list-anomaly-group-summaries", "--anomaly-detector-arn", arn, "--sensitivity-threshold", "50")
    assert answer["AnomalyGroupStatistics"]["TotalCount"] == len(answer["AnomalyGroupSummaryList"]) > 2
    aws("delete-anomaly-detector", "--anomaly-detector-arn", arn)


def test_a_detector_over_a_table_of_athena_keeps_what_it_is_given(lab: Lab, served: Served) -> None:
    """As a custom resource of CloudFormation makes it: create, read back, delete; its parameters are kept."""
    client = boto3.client("lookoutmetrics")
    arn = client.create_anomaly_detector(
        AnomalyDetectorName="table", AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT10M"}
    )["AnomalyDetectorArn"]
    members = {
        "MetricList": [{"MetricName": "latency", "AggregationFunction": "AVG"}],
        "DimensionList": ["host"],
        "Offset": 120,
        "TimestampColumn": {"ColumnName": "time", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "MetricSetFrequency": "PT10M",
        "Timezone": "UTC",
        "MetricSource": {
            "AthenaSourceConfig": {
                "RoleArn": lab.role_arn,
                "DatabaseName": "ops",
                "DataCatalog": "AwsDataCatalog",
                "TableName": "latencies",
                "WorkGroupName": "primary",
                "S3ResultsPath": f"s3://{lab.bucket}/results/",
                "BackTestConfiguration": {"RunBackTestMode": False},
            }
        },
    }
    set_arn = client.create_metric_set(AnomalyDetectorArn=arn, MetricSetName="table-set", **members)["MetricSetArn"]
    described = client.describe_metric_set(MetricSetArn=set_arn)
    assert {name: described[name] for name in members} == members
    delete_and_wait(client, arn)
