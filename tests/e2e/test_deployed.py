"""The stack, built by `sam build` and deployed by `sam deploy` to an emulator, with every way of sending alerts."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import anomalake
from anomalake.lake import layout
from anomalake.lake.rows import from_parquet
from anomalake.storage.objects import open_store
from tests.support.made import alert
from tests.support.patience import PATIENCE
from tests.support.stack import (
    ROOT,
    Deployed,
    build,
    deploy,
    docker_has,
    emulator,
    set_redrive,
    system,
    template,
    tool,
    until,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(
        sys.version_info[:2] != (3, 13),
        reason="the layers are built for python3.13, and the emulator runs functions itself",
    ),
    pytest.mark.skipif(tool("sam") is None, reason="sam is not installed"),
]

LIMIT = 262_144_000
FUNCTIONS = (
    "IngestFunction", "CompactFunction", "CrawlFunction", "CatalogFunction", "DetectFunction", "ScheduleFunction",
    "ApiFunction", "BacktestFunction",
)  # fmt: skip
#: The layers of dependencies.
DEPENDENCIES = ("IngestDependencies", "AnalyticsDependencies", "DetectionDependencies")
IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def stack(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # pragma: allowlist secret
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with emulator(tmp_path_factory.mktemp("emulator") / "log") as endpoint:
            # The emulator's CloudFormation does not support Glue and Athena, so analytics is disabled.
            deployed = deploy(
                built,
                endpoint,
                "alerts",
                linked_layers=DEPENDENCIES,
                AnalyticsEnabled="false",
                ApiEnabled="true",
                TableFormats="parquet,csv",
            )
            set_redrive(
                deployed,
                deployed.outputs["IngestQueueUrl"],
                deployed.outputs["IngestDeadLetterQueueUrl"],
                max_receive_count=2,
                seconds=2,
            )
            yield deployed


@pytest.fixture
def lake(stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.endpoint)
    return Lake(stack.outputs["Lake"])


class Lake:
    """What lies in the deployed lake."""

    def __init__(self, uri: str) -> None:
        self._store = open_store(uri)

    def events(self) -> set[str]:
        """The alertEventId of every row."""
        found = set()
        for file in self._store.list("tables/alert_rows"):
            found |= set(from_parquet(self._store.get(file.key), ["alert_event_id"])["alert_event_id"].to_pylist())
        return found

    def copy_to(self, folder: Path) -> None:
        """Fetch all of it into a folder."""
        copy = open_store(str(folder))
        for found in self._store.list(""):
            copy.put(found.key, self._store.get(found.key))

    def set_aside(self) -> list[dict[str, Any]]:
        """The records that were set aside."""
        return [json.loads(self._store.get(item.key)) for item in self._store.list(layout.SET_ASIDE)]

    def await_events(self, *alerts: dict[str, Any]) -> None:
        """Wait until every alert shows."""
        wanted = {item["alertEventId"] for item in alerts}
        until(lambda: wanted <= self.events(), f"not all in the lake: {wanted}")


def new_alert(seed: int = 1) -> dict[str, Any]:
    return alert(seed, alertEventId=f"arn:aws:lookoutmetrics:eu-west-1:123456789012:Alert:a:event/{uuid.uuid4()}")


def receive(stack: Deployed, queue: str, fits: str) -> dict[str, Any]:
    """The first message of a queue that holds a text; others stay there."""
    sqs = stack.client("sqs")

    def found() -> dict[str, Any] | None:
        answer = sqs.receive_message(QueueUrl=stack.outputs[queue], MaxNumberOfMessages=10, VisibilityTimeout=1)
        return next((item for item in answer.get("Messages", []) if fits in item["Body"]), None)

    message: dict[str, Any] = until(found, f"{queue} does not get {fits!r}")
    return message


def test_every_function_with_its_layers_fits_into_lambda(built: Path) -> None:
    resources = template(built / "template.yaml")["Resources"]
    functions = {
        name: resource for name, resource in resources.items() if resource["Type"] == "AWS::Serverless::Function"
    }
    assert set(functions) == set(FUNCTIONS)
    for name, function in functions.items():
        folders = [built / name, *(built / layer["Ref"] for layer in function["Properties"]["Layers"])]
        size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
        assert 0 < size < LIMIT, f"{name}: {size:,} bytes unzipped: expected less than {LIMIT:,}"


def test_the_layer_of_ingest_contains_only_what_it_imports(built: Path) -> None:
    packages = {path.name for path in (built / "IngestDependencies" / "python").iterdir()}
    assert {"aws_lambda_powertools", "obstore", "pyarrow"} <= packages
    assert not packages & {"pandas", "numpy", "awswrangler", "boto3", "botocore", "duckdb", "sqlglot", "pydantic"}


IMPORTS = """
import sys
sys.path[:0] = sys.argv[1:]
import app, obstore, pyarrow, aws_lambda_powertools
found = [app, obstore, pyarrow, aws_lambda_powertools]
if "DetectionDependencies" in "".join(sys.argv):
    import holidays, numpy, yaml, pyarrow.compute, pyarrow.csv, pyarrow.parquet
    from anomalake.detection.engine import NumpyModelEngine
    assert len(holidays.country_holidays("US", years=2024)) > 9
    found += [holidays, numpy, yaml, pyarrow.compute, pyarrow.csv, pyarrow.parquet]
if "AnalyticsDependencies" in "".join(sys.argv):
    import awswrangler, pandas, sqlglot
    found += [awswrangler, pandas, sqlglot]
print(*(module.__file__ for module in found))
"""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_imports_its_layers(built: Path, name: str) -> None:
    function = template(built / "template.yaml")["Resources"][name]["Properties"]
    folders = [built / name, *(built / layer["Ref"] / "python" for layer in function["Layers"])]
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTS, *map(str, folders)],
        env={"POWERTOOLS_SERVICE_NAME": "test", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert all(Path(file).is_relative_to(built) for file in done.stdout.split())


@pytest.mark.docker
@pytest.mark.skipif(not docker_has(IMAGE), reason=f"Docker with the image {IMAGE} is not there")
@pytest.mark.parametrize("event", ["valid/guide-2021.json", "envelopes/sns-in-sqs.json"])
def test_sam_local_invoke_takes_an_event_file(built: Path, event: str) -> None:
    done = subprocess.run(
        [
            tool("sam") or "sam", "local", "invoke", "IngestFunction", "--template-file", str(built / "template.yaml"),
            "--event", str(ROOT / "events" / event), "--skip-pull-image",
        ],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer in ({"stored": 1, "repeated": 0, "clashes": 0}, {"batchItemFailures": []}), done.stderr


def test_alerts_come_from_the_queue(stack: Deployed, lake: Lake) -> None:
    alerts = [new_alert(seed) for seed in range(6)]
    entries = [{"Id": str(i), "MessageBody": json.dumps(item)} for i, item in enumerate(alerts)]
    stack.client("sqs").send_message_batch(QueueUrl=stack.outputs["IngestQueueUrl"], Entries=entries)
    lake.await_events(*alerts)


def test_the_nested_stacks_are_deployed(stack: Deployed) -> None:
    declared = {
        resource["Properties"]["AlarmDescription"]
        for resource in system()["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and resource.get("Condition") != "Analytics"
    }
    alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert sorted(alarm["AlarmDescription"] for alarm in alarms) == sorted(declared)
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(stack.outputs["AlarmTopicArn"],)}
    roles = {role["Arn"] for role in stack.client("iam").list_roles()["Roles"]}
    functions = stack.client("lambda").list_functions()["Functions"]
    assert len(functions) == 6
    assert {function["Role"] for function in functions} <= roles


def test_alerts_come_from_the_topic(stack: Deployed, lake: Lake) -> None:
    sent = new_alert()
    stack.client("sns").publish(TopicArn=stack.outputs["AlertsTopicArn"], Message=json.dumps(sent))
    lake.await_events(sent)


def test_alerts_come_as_events(stack: Deployed, lake: Lake) -> None:
    sent = new_alert()
    entry = {"Source": "anomalake.alerts", "DetailType": "Anomaly", "Detail": json.dumps(sent)}
    stack.client("events").put_events(Entries=[entry])
    lake.await_events(sent)


def test_alerts_come_as_files_in_the_inbox(stack: Deployed, lake: Lake) -> None:
    alerts = [new_alert(seed) for seed in range(30)]
    body = gzip.compress("\n".join(json.dumps(item) for item in alerts).encode())
    stack.client("s3").put_object(Bucket=stack.outputs["BucketName"], Key="inbox/a b+c/é.jsonl.gz", Body=body)
    lake.await_events(*alerts)


def test_alerts_come_by_direct_invocation(stack: Deployed, lake: Lake) -> None:
    sent = new_alert()
    answers = [invoke(stack, sent) for _ in range(2)]
    assert answers == [
        {"stored": 1, "repeated": 0, "clashes": 0},
        {"stored": 0, "repeated": 1, "clashes": 0},
    ]
    assert sent["alertEventId"] in lake.events()


def test_a_bad_record_of_a_direct_invocation_is_an_error_and_its_neighbours_are_stored(
    stack: Deployed, lake: Lake
) -> None:
    good, bad = new_alert(), {**new_alert(), "timestamp": "yesterday"}
    answer = invoke(stack, {"Records": [good, bad]})
    assert "errorType" in answer
    assert "1 records refused, 0 failed, 1 stored" in answer["errorMessage"]
    assert "timestamp" in answer["errorMessage"]
    assert "\n" not in answer["errorMessage"]
    assert good["alertEventId"] in lake.events()
    assert bad["alertEventId"] not in lake.events()


def test_a_failed_asynchronous_invocation_goes_to_the_failure_queue_and_can_be_taken_in_from_there(
    stack: Deployed, lake: Lake
) -> None:
    bad = {**new_alert(), "impactedMetric": None}
    arn = stack.outputs["IngestFunctionArn"]
    stack.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=json.dumps(bad))
    record = json.loads(receive(stack, "FailureQueueUrl", bad["alertEventId"])["Body"])
    assert bad.items() <= record["requestPayload"].items()
    # Mended and sent on in its envelope, as a redrive of that queue does.
    good = {**record, "requestPayload": {**bad, "impactedMetric": new_alert()["impactedMetric"]}}
    stack.client("sqs").send_message(QueueUrl=stack.outputs["IngestQueueUrl"], MessageBody=json.dumps(good))
    lake.await_events(bad)


def test_a_poison_message_ends_in_the_dead_letter_queue_and_harms_no_neighbour(stack: Deployed, lake: Lake) -> None:
    good, mark = new_alert(), uuid.uuid4().hex
    entries = [
        {"Id": "0", "MessageBody": f'{{"poison": "{mark}"'},
        {"Id": "1", "MessageBody": json.dumps(good)},
    ]
    stack.client("sqs").send_message_batch(QueueUrl=stack.outputs["IngestQueueUrl"], Entries=entries)
    lake.await_events(good)
    assert receive(stack, "IngestDeadLetterQueueUrl", mark)["Body"] == entries[0]["MessageBody"]
    aside = [item for item in lake.set_aside() if mark in item.get("body", "")]
    assert len(aside) == 1, "set aside once, however often it was delivered"
    assert "JSON" in aside[0]["expected"]


def test_redrive_brings_in_what_failed_once_the_cause_is_mended(stack: Deployed, lake: Lake) -> None:
    sent, key = new_alert(), f"inbox/{uuid.uuid4().hex}.json"
    bucket = stack.outputs["BucketName"]
    event = {
        "id": str(uuid.uuid4()),
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }
    sqs = stack.client("sqs")
    sqs.send_message(QueueUrl=stack.outputs["IngestQueueUrl"], MessageBody=json.dumps(event))
    failed = receive(stack, "IngestDeadLetterQueueUrl", key)

    # The object is restored where no rule watches: only the redrive can bring it in.
    quiet = {"Bucket": bucket, "NotificationConfiguration": {}}
    stack.client("s3").put_bucket_notification_configuration(**quiet)
    try:
        stack.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(sent).encode())
    finally:
        quiet["NotificationConfiguration"] = {"EventBridgeConfiguration": {}}
        stack.client("s3").put_bucket_notification_configuration(**quiet)
    assert sent["alertEventId"] not in lake.events()
    redrive(stack, "IngestDeadLetterQueueUrl", "IngestQueueUrl", key)
    lake.await_events(sent)
    assert failed["Body"] == json.dumps(event)


def test_what_came_in_comes_out_of_a_query(stack: Deployed, lake: Lake, tmp_path: Path) -> None:
    alerts = [new_alert(seed) for seed in range(4)]
    for item in alerts:
        assert invoke(stack, item)["stored"] == 1
    lake.copy_to(tmp_path / "lake")
    found = anomalake.open_lake(tmp_path / "lake").query(
        "SELECT alert_event_id, metric_name, count(*) AS series FROM metric_values GROUP BY 1, 2"
    )
    counted = {row.alert_event_id: (row.metric_name, row.series) for row in found.itertuples()}
    for entry in alerts:
        metric = entry["impactedMetric"]
        assert counted[entry["alertEventId"]] == (metric["metricName"], len(metric["relevantTimeSeries"]))


DETECTOR = {
    "AnomalyDetectorName": "shop",
    "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "PT1H"},
    "MetricSet": {
        "MetricSetName": "shop",
        "MetricList": [{"MetricName": "views", "AggregationFunction": "SUM"}],
        "DimensionList": ["country"],
        "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "Offset": 600,
        "MetricSource": {
            "S3SourceConfig": {
                "HistoricalDataPathList": ["ecommerce/backtest/"],
                "TemplatedPathList": ["ecommerce/live/{{yyyyMMdd}}/{{HHmm}}"],
                "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": True}},
            }
        },
    },
}


def rows(start: datetime, hours: int, **views: int) -> str:
    """CSV with daily seasonality in three countries and a little noise, for all hours except the given ones."""
    noise = random.Random(start.isoformat())
    lines = ["timestamp,country,views"]
    for hour in range(hours):
        at = start + timedelta(hours=hour)
        for k, country in enumerate(("de", "fr", "uk")):
            usual = 1000 + 200 * k + 100 * abs(12 - at.hour) + noise.randint(-20, 20)
            lines.append(f"{at:%Y-%m-%d %H:%M:%S},{country},{views.get(country, usual)}")
    return "\n".join(lines) + "\n"


def test_a_detector_file_gets_its_schedule_and_its_intervals_are_judged_and_told(stack: Deployed, lake: Lake) -> None:
    s3, scheduler, sqs = stack.client("s3"), stack.client("scheduler"), stack.client("sqs")
    bucket, group = stack.outputs["BucketName"], stack.outputs["ScheduleGroupName"]
    s3.put_object(Bucket=bucket, Key="detectors/shop.json", Body=json.dumps(DETECTOR).encode())

    def schedules() -> list[str]:
        return [list_schedule["Name"] for list_schedule in scheduler.list_schedules(GroupName=group)["Schedules"]]

    until(lambda: schedules() == ["shop"], "the detector gets no schedule")
    schedule = scheduler.get_schedule(Name="shop", GroupName=group)
    assert schedule["ScheduleExpression"] == "cron(10 * * * ? *)"
    assert schedule["Target"]["Arn"] == stack.outputs["DetectFunctionArn"]

    # People: a queue in the place of an e-mail.
    queue = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = stack.outputs["LongTextTopicArn"]
    stack.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )

    began = datetime(2026, 3, 2)
    s3.put_object(Bucket=bucket, Key="ecommerce/backtest/all.csv", Body=rows(began, 24 * 21).encode())
    first = began + timedelta(days=21)
    for hour, views in enumerate(({}, {"de": 20})):
        at = first + timedelta(hours=hour)
        body = rows(at, 1, **views).encode()  # type: ignore[arg-type]
        s3.put_object(Bucket=bucket, Key=f"ecommerce/live/{at:%Y%m%d}/{at:%H%M}/rows.csv", Body=body)

    def detect(at: datetime) -> dict[str, Any]:
        payload = json.dumps({"detector": "shop", "at": f"{at.isoformat()}Z"})
        answer = stack.client("lambda").invoke(FunctionName=stack.outputs["DetectFunctionArn"], Payload=payload)
        result: dict[str, Any] = json.loads(answer["Payload"].read())
        return result

    key = "2026-03-23T01:00:00+00:00"
    assert detect(first)["executions"] == {"2026-03-23T00:00:00+00:00": "SUCCEEDED"}
    assert [detect(first + timedelta(hours=1))["executions"] for _ in range(2)] == [{key: "SUCCEEDED"}] * 2
    (event,) = {item for item in lake.events() if ":Alert:shop:event/" in item}
    (message,) = until(
        lambda: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"),
        "the topic delivers no message",
    )
    assert "views" in message["Body"]
    assert "de" in message["Body"]
    assert event.rsplit("/", 1)[1] in message["Body"]

    # An interval whose files never came: recorded, and nothing is raised.
    assert detect(first + timedelta(hours=2))["executions"] == {"2026-03-23T02:00:00+00:00": "FAILED"}

    s3.delete_object(Bucket=bucket, Key="detectors/shop.json")
    until(lambda: schedules() == [], "the detector keeps its schedule")


def test_the_api_makes_a_detector_runs_its_backtest_and_activates_it(stack: Deployed, lake: Lake) -> None:
    """Requests of the function URL, which the emulator does not serve, are given to its function."""
    bucket = stack.outputs["BucketName"]
    assert stack.outputs["ApiUrl"].startswith("http")
    began = datetime(2026, 3, 2)
    body = rows(began, 24 * 28) + rows(began + timedelta(days=28), 1, de=20).split("\n", 1)[1]
    stack.client("s3").put_object(Bucket=bucket, Key="api/backtest/all.csv", Body=body.encode())

    def api(operation: str, **members: Any) -> dict[str, Any]:
        event = {
            "version": "2.0",
            "rawPath": f"/{operation}",
            "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "requestContext": {"http": {"method": "POST", "path": f"/{operation}"}},
            "body": json.dumps(members),
            "isBase64Encoded": False,
        }
        answer = stack.client("lambda").invoke(FunctionName=stack.outputs["ApiFunctionArn"], Payload=json.dumps(event))
        result = json.loads(answer["Payload"].read())
        assert result["statusCode"] == 200, result
        answered: dict[str, Any] = json.loads(result["body"])
        return answered

    config = {"AnomalyDetectorFrequency": "PT1H"}
    arn = api("CreateAnomalyDetector", AnomalyDetectorName="orders", AnomalyDetectorConfig=config)["AnomalyDetectorArn"]
    source = {
        "RoleArn": "arn:aws:iam::123456789012:role/L4MTestRole",
        "HistoricalDataPathList": [f"s3://{bucket}/api/backtest/"],
        "TemplatedPathList": [f"s3://{bucket}/api/live/{{{{yyyyMMdd}}}}/{{{{HHmm}}}}"],
        "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": True, "Delimiter": ","}},
    }
    metric_set = {name: DETECTOR["MetricSet"][name] for name in ("MetricList", "DimensionList", "TimestampColumn")}
    api(
        "CreateMetricSet",
        AnomalyDetectorArn=arn,
        MetricSetName="orders",
        MetricSource={"S3SourceConfig": source},
        **metric_set,
    )

    def status() -> str:
        found: str = api("DescribeAnomalyDetector", AnomalyDetectorArn=arn)["Status"]
        return found

    assert status() == "INACTIVE"
    api("BackTestAnomalyDetector", AnomalyDetectorArn=arn)
    until(lambda: status() == "BACK_TEST_COMPLETE", "the backtest does not end")
    listed = api("ListAnomalyGroupSummaries", AnomalyDetectorArn=arn, SensitivityThreshold=50)
    (group,) = listed["AnomalyGroupSummaryList"]
    assert group["StartTime"] == "2026-03-30T00:00Z[UTC]"
    assert any(group["AnomalyGroupId"] in event for event in lake.events())

    api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
    scheduler, schedules = stack.client("scheduler"), stack.outputs["ScheduleGroupName"]

    def scheduled() -> list[str]:
        return [one["Name"] for one in scheduler.list_schedules(GroupName=schedules)["Schedules"]]

    until(lambda: "orders" in scheduled(), "the detector gets no schedule")
    api("DeleteAnomalyDetector", AnomalyDetectorArn=arn)
    # The emulator sends no event for objects that DeleteObjects deletes.
    gone = {"detail": {"object": {"key": "detectors/orders.json"}}}
    stack.client("lambda").invoke(FunctionName="alerts-schedule", Payload=json.dumps(gone))
    assert "orders" not in scheduled()
    assert api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"] == []


def redrive(stack: Deployed, source: str, destination: str, fits: str) -> None:
    """Move a message back, as SQS's own StartMessageMoveTask does, which the emulator lacks."""
    sqs = stack.client("sqs")
    message = receive(stack, source, fits)
    sqs.send_message(QueueUrl=stack.outputs[destination], MessageBody=message["Body"])
    sqs.delete_message(QueueUrl=stack.outputs[source], ReceiptHandle=message["ReceiptHandle"])


def invoke(stack: Deployed, event: Any) -> dict[str, Any]:
    answer = stack.client("lambda").invoke(FunctionName=stack.outputs["IngestFunctionArn"], Payload=json.dumps(event))
    result: dict[str, Any] = json.loads(answer["Payload"].read())
    return result
