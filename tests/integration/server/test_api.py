"""The real server: boto3 creates detectors, backtests and activates them; the server is killed, and started again."""

from __future__ import annotations

import gzip
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from anomalake.alerts import AlertDocument, StoredAlert, read_alert
from anomalake.records.backtest_jobs import from_json
from anomalake.records.executions import read_executions
from anomalake.storage.objects import open_store
from anomalake.synth import ShopSettings, shop, write_shop
from tests.support.emulated_aws import KEYS, emulated_aws
from tests.support.patience import PATIENCE
from tests.support.served import Served, is_running, serving

BUCKET = "123456789012-lookoutmetrics-lab"
ROLE = "arn:aws:iam::123456789012:role/L4MTestRole"
BUSY = ("BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE", "ACTIVATING")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with emulated_aws() as endpoint:
        for name, value in {"AWS_ENDPOINT_URL": endpoint, **KEYS}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield endpoint


def upload(folder: Path, settings: ShopSettings) -> None:
    """Put a shop's data into the bucket."""
    write_shop(shop(settings), folder)
    s3 = boto3.client("s3", region_name="us-east-1")
    for file in folder.rglob("*.csv"):
        s3.upload_file(str(file), BUCKET, f"shop/{file.relative_to(folder).as_posix()}")


def create(client: Any, name: str = "shop", **tags: str) -> str:
    """Create a detector with a metric set, as the samples do; return its ARN."""
    arn: str = client.create_anomaly_detector(
        AnomalyDetectorName=name,
        AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"},
        Tags={"team": "shop", **tags},
    )["AnomalyDetectorArn"]
    source = {
        "RoleArn": ROLE,
        "HistoricalDataPathList": [f"s3://{BUCKET}/shop/backtest/"],
        "TemplatedPathList": [f"s3://{BUCKET}/shop/live/{{{{yyyyMMdd}}}}/{{{{HHmm}}}}"],
        "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": True, "Delimiter": ","}},
    }
    client.create_metric_set(
        AnomalyDetectorArn=arn,
        MetricSetName="shop-rows",
        MetricList=[{"MetricName": name, "AggregationFunction": "SUM"} for name in ("views", "revenue")],
        DimensionList=["platform", "marketplace"],
        TimestampColumn={"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        MetricSetFrequency="PT1H",
        MetricSource={"S3SourceConfig": source},
    )
    return arn


def test_a_script_creates_backtests_and_waits(aws: str, tmp_path: Path) -> None:
    upload(tmp_path / "shop", ShopSettings(intervals=500, series=3))
    with serving(tmp_path / "lake", tmp_path / "models", "--no-detect") as served:
        client = served.client("eu-west-1")
        arn = create(client)
        # The region is that of the signature, the account that of the server's credentials.
        assert arn == "arn:aws:lookoutmetrics:eu-west-1:123456789012:AnomalyDetector:shop"
        assert served.status(arn) == "INACTIVE"
        client.back_test_anomaly_detector(AnomalyDetectorArn=arn)
        assert served.status(arn) in (*BUSY, "BACK_TEST_COMPLETE")
        assert served.wait(arn, *BUSY) == "BACK_TEST_COMPLETE"
        (summary,) = client.list_anomaly_detectors()["AnomalyDetectorSummaryList"]
        assert (summary["AnomalyDetectorName"], summary["Status"]) == ("shop", "BACK_TEST_COMPLETE")
        groups = tmp_path / "lake" / "detection" / "detector=shop" / "backtest" / "groups.jsonl.gz"
        assert groups.stat().st_size > 100
        # Of a second backtest the same is left; the page shows it as any other.
        before = groups.read_bytes()
        client.back_test_anomaly_detector(AnomalyDetectorArn=arn)
        assert served.wait(arn, *BUSY) == "BACK_TEST_COMPLETE"
        assert groups.read_bytes() == before
        until = time.monotonic() + PATIENCE
        while b'"shop"' not in (document := gzip.decompress(read(f"{served.url}/document"))):
            assert time.monotonic() < until, document[:500]
            time.sleep(1)
        processes = served.children()
        assert len(processes) > 1
        # That the lake's queries do not read source data in S3 is a note of the page, and no fault.
        assert served.interrupt() == (0, "")
        wait_for_the_end_of(processes)


def test_a_server_that_is_killed_takes_its_backtest_up_again(aws: str, tmp_path: Path) -> None:
    upload(tmp_path / "shop", ShopSettings(intervals=3_000, series=10))
    lake, models = tmp_path / "lake", tmp_path / "models"
    with serving(lake, models, "--no-detect") as served:
        arn = create(served.client())
        served.client().back_test_anomaly_detector(AnomalyDetectorArn=arn)
        assert served.wait(arn, "BACK_TEST_ACTIVATING") == "BACK_TEST_ACTIVE"
        processes = served.children()
        served.kill()
        wait_for_the_end_of(processes)
    assert newest_job(lake)["phase"] == "RUNNING"
    with serving(lake, models, "--no-detect") as served:
        assert served.wait(arn, *BUSY) == "BACK_TEST_COMPLETE"
        job = newest_job(lake)
        assert (job["phase"], job["deaths"], job["reason"]) == ("DONE", 1, "")
        assert served.interrupt() == (0, "")


def test_alerts_of_a_backtest_are_sent_once_where_the_detector_asks_for_it(aws: str, tmp_path: Path) -> None:
    upload(tmp_path / "shop", ShopSettings(intervals=500, series=3))
    topic, queue = subscribed()
    lake, models = tmp_path / "lake", tmp_path / "models"
    with serving(lake, models, "--no-detect") as served:
        client = served.client()
        arn = create(client, **{"anomalake:BacktestAlerts": "send"})
        client.back_test_anomaly_detector(AnomalyDetectorArn=arn)
        client.create_alert(
            AlertName="call",
            AnomalyDetectorArn=arn,
            AlertSensitivityThreshold=1,
            Action={"SNSConfiguration": {"RoleArn": ROLE, "SnsTopicArn": topic}},
        )
        assert served.wait(arn, *BUSY) == "BACK_TEST_COMPLETE"
        bodies = received(queue)
        assert len(bodies) > 3
        alerts = [StoredAlert.of(read_alert(AlertDocument(body, "alert"))) for body in bodies]
        assert {alert.detector_arn for alert in alerts} == {arn}
        assert len({alert.body.key for alert in alerts}) == len(alerts)
        served.kill()
    with serving(lake, models, "--no-detect", "--send-backtest-alerts") as served:
        served.client().back_test_anomaly_detector(AnomalyDetectorArn=arn)
        assert served.wait(arn, *BUSY) == "BACK_TEST_COMPLETE"
        assert received(queue, at_least=0) == []


def test_a_failure_has_its_reason(aws: str, tmp_path: Path) -> None:
    upload(tmp_path / "shop", ShopSettings(intervals=20, series=1))
    with serving(
        tmp_path / "lake", tmp_path / "models", "--account", "000000000042", "--region", "us-west-2"
    ) as served:
        client = served.client()
        arn = create(client)
        assert arn.split(":")[3:5] == ["us-west-2", "000000000042"]
        client.back_test_anomaly_detector(AnomalyDetectorArn=arn)
        assert served.wait(arn, *BUSY) == "FAILED"
        described = client.describe_anomaly_detector(AnomalyDetectorArn=arn)
        assert described["FailureType"] == "BACK_TEST_ACTIVATION_FAILURE"
        assert described["FailureReason"].startswith("Insufficient amount of data was found at the source location")
        client.delete_anomaly_detector(AnomalyDetectorArn=arn)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            client.describe_anomaly_detector(AnomalyDetectorArn=arn)


def test_due_intervals_of_an_active_detector_run(aws: str, tmp_path: Path) -> None:
    upload(tmp_path / "shop", ShopSettings(intervals=300, series=2))
    with serving(tmp_path / "lake", tmp_path / "models") as served:
        client = served.client()
        arn = create(client)
        client.activate_anomaly_detector(AnomalyDetectorArn=arn)
        assert served.wait(arn, "ACTIVATING") in ("LEARNING", "ACTIVE", "FAILED")
        executions = list(read_executions(open_store(str(tmp_path / "lake")), "shop"))
        assert len(executions) >= 1
        client.deactivate_anomaly_detector(AnomalyDetectorArn=arn)
        assert served.status(arn) == "DEACTIVATED"
        code, said = served.interrupt()
        # The shop's data are of 2023.
        assert code == 0
        assert "shop: " in said
        assert "no file is there" in said


def test_others_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "lake", tmp_path / "models", "--account", "123456789012") as served:
        assert asked(served, "/ListAnomalyDetectors", {}) == (403, "MissingAuthenticationTokenException")
        signed = {"Authorization": authorization()}
        assert asked(served, "/ListAnomalyDetectors", signed)[0] == 200
        assert asked(served, "/ListAnomalyDetectors", signed | {"Origin": "https://elsewhere.example"})[0] == 403
        assert asked(served, "/ListAnomalyDetectors", signed | {"Host": "elsewhere.example"})[0] == 421
        assert asked(served, "/CreateRocket", signed)[0] == 400
        assert asked(served, "/ListAnomalyDetectors", signed, b" " * (1024 * 1024 + 1))[0] == 413
        client = served.client()
        arn = client.create_anomaly_detector(
            AnomalyDetectorName="draft", AnomalyDetectorConfig={"AnomalyDetectorFrequency": "P1D"}
        )["AnomalyDetectorArn"]
        client.tag_resource(ResourceArn=arn, Tags={"team": "a/b c"})
        assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"team": "a/b c"}


def authorization(region: str = "us-east-1") -> str:
    scope = f"AKIDEXAMPLE/20261127/{region}/lookoutmetrics/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"


def asked(served: Served, path: str, headers: dict[str, str], body: bytes = b"{}") -> tuple[int, str]:
    """Ask without boto3; return the status, and the type of an error."""
    request = urllib.request.Request(served.url + path, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("x-amzn-ErrorType", "")


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        body: bytes = answer.read()
    return body


def newest_job(lake: Path) -> dict[str, Any]:
    file = max((lake / "detection" / "detector=shop" / "backtest-jobs").rglob("*.json"), key=lambda path: path.name)
    return from_json(file.read_bytes()).to_fields()


def wait_for_the_end_of(processes: list[int]) -> None:
    until = time.monotonic() + PATIENCE
    while any(is_running(process) for process in processes):
        assert time.monotonic() < until
        time.sleep(0.1)


def subscribed() -> tuple[str, str]:
    """Create a topic, and a queue that gets its messages."""
    sns, sqs = (boto3.client(name, region_name="us-east-1") for name in ("sns", "sqs"))
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    address = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=address)
    return topic, queue


def received(queue: str, at_least: int = 1) -> list[str]:
    """Take all messages from a queue, waiting for some."""
    sqs, bodies = boto3.client("sqs", region_name="us-east-1"), []
    until = time.monotonic() + PATIENCE
    while True:
        taken = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in taken:
            bodies.append(json.loads(message["Body"])["Message"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        if not taken and len(bodies) >= at_least:
            return bodies
        assert time.monotonic() < until
