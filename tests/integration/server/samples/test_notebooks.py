"""The sample notebooks of Lookout for Metrics, step by step, with boto3 unchanged."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.samples import (
    BUSY,
    Lab,
    all_pages,
    backtested,
    delete_and_wait,
    is_gone,
    metric_set,
    time_by_pattern,
    wait_for,
    wait_while,
    zipped,
)
from tests.support.served import Served

STEPS = {"P1D": timedelta(days=1), "PT1H": timedelta(hours=1), "PT10M": timedelta(minutes=10)}


def test_1_the_data_are_prepared(lab: Lab, served: Served) -> None:
    objects = all_objects(lab.bucket)
    assert "ecommerce/backtest/input.csv" in objects
    assert sum(key.startswith("ecommerce/live/") for key in objects) == 72
    assert boto3.client("iam").get_role(RoleName="L4MTestRole")["Role"]["Arn"] == lab.role_arn
    # The next notebook's first cell: the client is there, and knows nothing yet.
    assert boto3.client("lookoutmetrics").list_anomaly_detectors()["AnomalyDetectorSummaryList"] == []


def test_2_a_backtest(lab: Lab, served: Served) -> None:
    client = boto3.client("lookoutmetrics")
    arn = client.create_anomaly_detector(
        AnomalyDetectorName="initial-backtest",
        AnomalyDetectorDescription="My detector for a backtest",
        AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"},
    )["AnomalyDetectorArn"]
    assert arn == f"arn:aws:lookoutmetrics:us-east-1:{lab.account}:AnomalyDetector:initial-backtest"
    set_arn = client.create_metric_set(
        AnomalyDetectorArn=arn,
        MetricSetName="initial-backtest-set",
        MetricSetDescription="the shop's rows",
        **metric_set(lab, HistoricalDataPathList=[lab.history]),
    )["MetricSetArn"]
    assert set_arn == f"arn:aws:lookoutmetrics:us-east-1:{lab.account}:MetricSet/initial-backtest/initial-backtest-set"

    client.back_test_anomaly_detector(AnomalyDetectorArn=arn)
    assert wait_while(client, arn, *BUSY) == "BACK_TEST_COMPLETE"

    groups = all_pages(
        client.list_anomaly_group_summaries,
        "AnomalyGroupSummaryList",
        AnomalyDetectorArn=arn,
        SensitivityThreshold=50,
        MaxResults=2,
    )
    assert len(groups) > 2
    assert len({group["AnomalyGroupId"] for group in groups}) == len(groups)
    assert all(group["AnomalyGroupScore"] >= 50 for group in groups)
    assert {group["PrimaryMetricName"] for group in groups} == {"views", "revenue"}

    delete_and_wait(client, arn)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.list_anomaly_group_summaries(AnomalyDetectorArn=arn, SensitivityThreshold=50)


def test_3_a_detector_on_live_data_with_an_alert(lab: Lab, served: Served) -> None:
    client = boto3.client("lookoutmetrics")
    arn = client.create_anomaly_detector(
        AnomalyDetectorName="live",
        AnomalyDetectorDescription="My detector for live data",
        AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"},
    )["AnomalyDetectorArn"]
    described = client.describe_anomaly_detector(AnomalyDetectorArn=arn)
    assert described["Status"] == "INACTIVE"
    assert abs(datetime.now(UTC) - described["CreationTime"]) < timedelta(minutes=10)

    members = metric_set(lab, TemplatedPathList=[lab.live])
    set_arn = client.create_metric_set(AnomalyDetectorArn=arn, MetricSetName="live-set", **members)["MetricSetArn"]
    described_set = client.describe_metric_set(MetricSetArn=set_arn)
    assert {name: described_set[name] for name in members} == members
    assert described_set["AnomalyDetectorArn"] == arn

    client.activate_anomaly_detector(AnomalyDetectorArn=arn)
    # Two days are less than the detector learns from.
    assert wait_while(client, arn, *BUSY) == "LEARNING"

    sns = boto3.client("sns")
    topic = sns.create_topic(Name="live-alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15555550100")
    queue = queue_of(topic, "live-alerts")
    alert_arn = client.create_alert(
        AlertName="live-alert",
        AlertSensitivityThreshold=50,
        AlertDescription="an alert for the notebook",
        AnomalyDetectorArn=arn,
        Action={"SNSConfiguration": {"RoleArn": lab.role_arn, "SnsTopicArn": topic}},
    )["AlertArn"]
    assert alert_arn == f"arn:aws:lookoutmetrics:us-east-1:{lab.account}:Alert:live-alert"
    alert = client.describe_alert(AlertArn=alert_arn)["Alert"]
    assert (alert["AlertType"], alert["AlertStatus"], alert["AlertSensitivityThreshold"]) == ("SNS", "ACTIVE", 50)
    assert alert["Action"]["SNSConfiguration"]["RoleArn"] == lab.role_arn

    delete_and_wait(client, arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_alert(AlertArn=alert_arn)
    assert messages_in(queue) == []


@pytest.mark.parametrize("server", ["served", "sending"])
def test_3_an_alert_goes_to_its_topic_only_with_send(server: str, lab: Lab, request: pytest.FixtureRequest) -> None:
    served: Served = request.getfixturevalue(server)
    client = boto3.client("lookoutmetrics")
    arn = client.create_anomaly_detector(
        AnomalyDetectorName="collapse", AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"}
    )["AnomalyDetectorArn"]
    members = metric_set(lab, HistoricalDataPathList=[lab.history], TemplatedPathList=[lab.live])
    client.create_metric_set(AnomalyDetectorArn=arn, MetricSetName="collapse-set", **members)
    topic = boto3.client("sns").create_topic(Name=f"collapse-{server}")["TopicArn"]
    queue = queue_of(topic, f"collapse-{server}")
    client.create_alert(
        AlertName="collapse-alert",
        AlertSensitivityThreshold=50,
        AnomalyDetectorArn=arn,
        Action={"SNSConfiguration": {"RoleArn": lab.role_arn, "SnsTopicArn": topic}},
    )
    client.activate_anomaly_detector(AnomalyDetectorArn=arn)
    # With the history there is enough to learn from at once.
    assert wait_while(client, arn, *BUSY, "LEARNING") == "ACTIVE"

    groups = all_pages(
        client.list_anomaly_group_summaries, "AnomalyGroupSummaryList", AnomalyDetectorArn=arn, SensitivityThreshold=50
    )
    assert "revenue" in {group["PrimaryMetricName"] for group in groups}
    alerts = [json.loads(message) for message in messages_in(queue)]
    expected = {group["AnomalyGroupId"] for group in groups} if server == "sending" else set()
    assert {alert["anomalyGroupId"] for alert in alerts} == expected
    executions = client.describe_anomaly_detection_executions(AnomalyDetectorArn=arn)["ExecutionList"]
    assert {execution["Status"] for execution in executions} == {"COMPLETED"}

    client.deactivate_anomaly_detector(AnomalyDetectorArn=arn)
    assert wait_while(client, arn, "DEACTIVATING") == "DEACTIVATED"
    delete_and_wait(client, arn)
    assert served.process.poll() is None


def test_4_anomalies_are_exported(lab: Lab, served: Served) -> None:
    client = boto3.client("lookoutmetrics")
    arn = backtested(client, lab, "export")
    frequency = client.describe_anomaly_detector(AnomalyDetectorArn=arn)["AnomalyDetectorConfig"][
        "AnomalyDetectorFrequency"
    ]
    groups = all_pages(
        client.list_anomaly_group_summaries,
        "AnomalyGroupSummaryList",
        AnomalyDetectorArn=arn,
        SensitivityThreshold=0,
        MaxResults=100,
    )
    rows: list[dict[str, Any]] = []
    for group in groups:
        series = all_pages(
            client.list_anomaly_group_time_series,
            "TimeSeriesList",
            AnomalyDetectorArn=arn,
            AnomalyGroupId=group["AnomalyGroupId"],
            MetricName=group["PrimaryMetricName"],
            MaxResults=1,
        )
        start, end = time_by_cutting(group["StartTime"]), time_by_cutting(group["EndTime"])
        for one in series:
            at = start
            while at <= end:
                rows.append(
                    {
                        "timestamp": at,
                        **{pair["DimensionName"]: pair["DimensionValue"] for pair in one["DimensionList"]},
                        f"{group['PrimaryMetricName']}_group_score": group["AnomalyGroupScore"],
                    }
                )
                at += STEPS[frequency]
    text = io.StringIO()
    fields = ["timestamp", "platform", "marketplace", "views_group_score", "revenue_group_score"]
    writer = csv.DictWriter(text, fields)
    writer.writeheader()
    writer.writerows(rows)
    exported = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert len(exported) == len(rows) > len(groups) > 3
    data = history_of(lab)
    for row in exported:
        assert (row["timestamp"][:19], row["platform"], row["marketplace"]) in data
    # A group's series and their values are those of the data, interval by interval.
    group = max(groups, key=lambda group: group["EndTime"] > group["StartTime"])
    answer = client.list_anomaly_group_time_series(
        AnomalyDetectorArn=arn, AnomalyGroupId=group["AnomalyGroupId"], MetricName=group["PrimaryMetricName"]
    )
    times = [time_by_pattern(text) for text in answer["TimestampList"]]
    assert (times[0], times[-1]) == (time_by_pattern(group["StartTime"]), time_by_pattern(group["EndTime"]))
    for one in answer["TimeSeriesList"]:
        values = {pair["DimensionName"]: pair["DimensionValue"] for pair in one["DimensionList"]}
        known = [
            float(data[f"{at:%Y-%m-%d %H:%M:%S}", values["platform"], values["marketplace"]][answer["MetricName"]])
            for at in times
        ]
        assert one["MetricValueList"] == pytest.approx(known)


def test_5_a_function_writes_alerts_for_a_dashboard(lab: Lab, sending: Served, called: list[tuple[str, str]]) -> None:
    client = boto3.client("lookoutmetrics")
    arn = backtested(client, lab, "dashboard")
    set_arn = client.list_metric_sets(AnomalyDetectorArn=arn)["MetricSetSummaryList"][0]["MetricSetArn"]
    function = boto3.client("lambda").create_function(
        FunctionName="dashboard-alerts",
        Runtime="python3.12",
        Role=lab.role_arn,
        Handler="lambda_function.lambda_handler",
        Code={"ZipFile": zipped("lambda_function.py", "def lambda_handler(event, context): ...\n")},
        Environment={"Variables": {"METRIC_SET_ARN": set_arn}},
    )["FunctionArn"]
    alert_arn = client.create_alert(
        AlertName="dashboard-alert",
        AlertSensitivityThreshold=50,
        AnomalyDetectorArn=arn,
        Action={"LambdaConfiguration": {"RoleArn": lab.role_arn, "LambdaArn": function}},
    )["AlertArn"]
    described = client.describe_alert(AlertArn=alert_arn)["Alert"]
    assert described["AlertType"] == "LAMBDA"
    assert described["Action"] == {"LambdaConfiguration": {"RoleArn": lab.role_arn, "LambdaArn": function}}

    # The server calls it for the groups of the backtest, late as the alert is.
    wait_for(lambda: len(called) > 0 and len(called) >= n_groups(client, arn, 50))
    assert {name for name, _ in called} <= {function, "dashboard-alerts"}

    # What the function does with an alert: it asks for the columns, and adds rows to two tables.
    columns = client.describe_metric_set(MetricSetArn=set_arn)
    measures = [measure["MetricName"] for measure in columns["MetricList"]]
    assert (measures, columns["DimensionList"]) == (["views", "revenue"], ["platform", "marketplace"])
    values, contributions = list[dict[str, Any]](), list[dict[str, Any]]()
    for _, text in called:
        alert = json.loads(text)
        assert alert["anomalyDetectorArn"] == arn
        impact = alert["impactedMetric"]
        assert impact["metricName"] in measures
        at = time_by_pattern(alert["timestamp"])
        for series in impact["relevantTimeSeries"]:
            row = {pair["dimensionName"]: pair["dimensionValue"] for pair in series["dimensions"]}
            values.append({"timestamp": at, **row, impact["metricName"]: series["metricValue"]})
        for of_dimension in impact["dimensionContribution"]:
            assert of_dimension["dimensionName"] in columns["DimensionList"]
            shares = of_dimension["dimensionValueContributions"]
            contributions += [{"timestamp": at, **share} for share in shares]
            assert sum(share["valueContribution"] for share in shares) == pytest.approx(100, abs=2)
    assert len(values) >= len(called)
    assert len(contributions) >= 2 * len(called)
    data = history_of(lab)
    for row in values:
        known = data[f"{row['timestamp']:%Y-%m-%d %H:%M:%S}", row["platform"], row["marketplace"]]
        (measure,) = set(row) - {"timestamp", "platform", "marketplace"}
        assert row[measure] == pytest.approx(float(known[measure]))


def test_a2i_people_say_what_is_an_anomaly(lab: Lab, served: Served) -> None:
    client = boto3.client("lookoutmetrics")
    known = client.list_anomaly_detectors(MaxResults=100)["AnomalyDetectorSummaryList"]
    assert "a2i" not in {detector["AnomalyDetectorName"] for detector in known}
    arn = client.create_anomaly_detector(
        AnomalyDetectorName="a2i", AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"}
    )["AnomalyDetectorArn"]
    known = client.list_anomaly_detectors(MaxResults=100)["AnomalyDetectorSummaryList"]
    assert [one["AnomalyDetectorArn"] for one in known if one["AnomalyDetectorName"] == "a2i"] == [arn]

    assert client.list_metric_sets(AnomalyDetectorArn=arn)["MetricSetSummaryList"] == []
    # The history is a file, not a folder.
    paths = {"HistoricalDataPathList": [f"{lab.history}input.csv"], "TemplatedPathList": [lab.live]}
    client.create_metric_set(AnomalyDetectorArn=arn, MetricSetName="a2i-set", **metric_set(lab, **paths))
    (listed,) = client.list_metric_sets(AnomalyDetectorArn=arn)["MetricSetSummaryList"]
    assert listed["MetricSetName"] == "a2i-set"

    assert client.describe_anomaly_detector(AnomalyDetectorArn=arn)["Status"] == "INACTIVE"
    client.activate_anomaly_detector(AnomalyDetectorArn=arn)
    assert wait_while(client, arn, "INACTIVE", "ACTIVATING", "LEARNING") == "ACTIVE"

    groups = all_pages(
        client.list_anomaly_group_summaries, "AnomalyGroupSummaryList", AnomalyDetectorArn=arn, SensitivityThreshold=0
    )
    reviewed = {}
    for group in groups:
        series = all_pages(
            client.list_anomaly_group_time_series,
            "TimeSeriesList",
            AnomalyDetectorArn=arn,
            AnomalyGroupId=group["AnomalyGroupId"],
            MetricName=group["PrimaryMetricName"],
        )
        for number, one in enumerate(series):
            said = {"TimeSeriesId": one["TimeSeriesId"], "IsAnomaly": number % 2 == 0}
            client.put_feedback(
                AnomalyDetectorArn=arn,
                AnomalyGroupTimeSeriesFeedback={"AnomalyGroupId": group["AnomalyGroupId"], **said},
            )
            reviewed[group["AnomalyGroupId"], one["TimeSeriesId"]] = said
    assert len(reviewed) >= 3
    for group in groups:
        kept = all_pages(
            client.get_feedback,
            "AnomalyGroupTimeSeriesFeedback",
            AnomalyDetectorArn=arn,
            AnomalyGroupTimeSeriesFeedback={"AnomalyGroupId": group["AnomalyGroupId"]},
        )
        for said in kept:
            assert said == reviewed.pop((group["AnomalyGroupId"], said["TimeSeriesId"]))
    assert reviewed == {}

    # Delete until it is gone, and again while it is not being deleted.
    client.delete_anomaly_detector(AnomalyDetectorArn=arn)
    while True:
        try:
            status = client.describe_anomaly_detector(AnomalyDetectorArn=arn)["Status"]
            if status != "DELETING":
                client.delete_anomaly_detector(AnomalyDetectorArn=arn)
        except client.exceptions.ResourceNotFoundException:
            break
    assert is_gone(client, arn)


def all_objects(bucket: str) -> list[str]:
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def queue_of(topic: str, name: str) -> str:
    """Make a queue that gets a topic's messages; return its URL."""
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return str(queue)


def messages_in(queue: str) -> list[str]:
    """Take the messages of a queue."""
    sqs, messages = boto3.client("sqs"), list[str]()
    while taken := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        for message in taken:
            messages.append(json.loads(message["Body"])["Message"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return messages


def n_groups(client: Any, arn: str, least_score: int) -> int:
    answer = client.list_anomaly_group_summaries(AnomalyDetectorArn=arn, SensitivityThreshold=least_score)
    return int(answer["AnomalyGroupStatistics"]["TotalCount"])


def history_of(lab: Lab) -> Mapping[tuple[str, str, str], Mapping[str, str]]:
    """Return the rows of the history by timestamp, platform and marketplace."""
    body = boto3.client("s3").get_object(Bucket=lab.bucket, Key="ecommerce/backtest/input.csv")["Body"].read()
    rows = csv.DictReader(io.StringIO(body.decode("utf-8")))
    return {(row["timestamp"], row["platform"], row["marketplace"]): row for row in rows}


def time_by_cutting(text: str) -> datetime:
    """Read a time as the export notebook does: without its zone, in ISO form or to the minute."""
    text = text.partition("[")[0]
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
