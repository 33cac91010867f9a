"""Clients at once through the real server, which is killed at any moment and started again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from anomalake.records.definitions import list_definitions
from anomalake.storage.objects import open_store
from tests.support.patience import PATIENCE
from tests.support.served import serving

NAMES = ("one", "two")
GONE = (ConnectionClosedError, EndpointConnectionError, ReadTimeoutError)
REFUSED = {"ConflictException", "ResourceNotFoundException", "ValidationException", "ServiceQuotaExceededException"}
SETTLED = {"INACTIVE", "ACTIVE", "LEARNING", "FAILED", "DEACTIVATED", "BACK_TEST_COMPLETE"}
#: Athena does not answer, so that the first run of a detector fails at once.
NO_ATHENA = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
ATHENA = {"DatabaseName": "shop", "TableName": "orders", "DataCatalog": "AwsDataCatalog", "WorkGroupName": "shop"}


def operations(client: Any, arn: str, name: str) -> list[Callable[[], Any]]:
    """What scripts do with a detector; its source is a table, which is read by the first run only."""
    set_arn = arn.replace("AnomalyDetector:", "MetricSet/") + "/rows"
    return [
        lambda: client.create_anomaly_detector(
            AnomalyDetectorName=name, AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"}
        ),
        lambda: client.create_metric_set(
            AnomalyDetectorArn=arn,
            MetricSetName="rows",
            MetricList=[{"MetricName": "views", "AggregationFunction": "SUM"}],
            MetricSource={"AthenaSourceConfig": ATHENA},
            TimestampColumn={"ColumnName": "timestamp"},
        ),
        lambda: client.update_metric_set(MetricSetArn=set_arn, Offset=600),
        lambda: client.update_anomaly_detector(AnomalyDetectorArn=arn, AnomalyDetectorDescription="changed"),
        lambda: client.tag_resource(ResourceArn=arn, Tags={"team": "shop"}),
        lambda: client.activate_anomaly_detector(AnomalyDetectorArn=arn),
        lambda: client.activate_anomaly_detector(AnomalyDetectorArn=arn),
        lambda: client.deactivate_anomaly_detector(AnomalyDetectorArn=arn),
        lambda: client.delete_anomaly_detector(AnomalyDetectorArn=arn),
        lambda: client.describe_anomaly_detector(AnomalyDetectorArn=arn),
        client.list_anomaly_detectors,
        client.list_metric_sets,
    ]


def call_at_random(client: Any, seed: int, until: float, done: list[str], wrong: list[str]) -> None:
    choice = random.Random(seed)
    prefix = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:"
    while time.monotonic() < until:
        name = choice.choice(NAMES)
        try:
            choice.choice(operations(client, prefix + name, name))()
            done.append("answered")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            done.append(code)
            if code not in REFUSED:
                wrong.append(str(error))
        except GONE:
            done.append("gone")
            return


def check(lake: Path, client: Any) -> None:
    """Check that no record is torn, that files are those of active detectors, and that each status settles."""
    summaries = client.list_anomaly_detectors()["AnomalyDetectorSummaryList"]
    assert {summary["AnomalyDetectorName"] for summary in summaries} <= set(NAMES)
    for summary in summaries:
        until = time.monotonic() + PATIENCE
        while True:
            found = client.describe_anomaly_detector(AnomalyDetectorArn=summary["AnomalyDetectorArn"])
            if found["Status"] in SETTLED:
                break
            assert time.monotonic() < until, found
            time.sleep(0.1)
    for name in NAMES:
        # What was interrupted is carried on by the next that looks.
        with suppress(ClientError):
            client.describe_anomaly_detector(
                AnomalyDetectorArn=f"arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:{name}"
            )
    definitions = {definition.name: definition for definition in list_definitions(open_store(str(lake)))}
    active = {name for name, definition in definitions.items() if definition.wanted == "ACTIVE"}
    assert {path.stem for path in lake.with_name("detectors").glob("*.json")} == active
    assert {summary["AnomalyDetectorName"] for summary in summaries} == {
        name for name, definition in definitions.items() if definition.wanted != "DELETED"
    }


def storm(tmp_path: Path, kills: int, seconds: float) -> list[str]:
    lake, done, wrong = tmp_path / "lake", list[str](), list[str]()
    options = ("--account", "123456789012", "--detectors", str(tmp_path / "detectors"))
    for kill in range(kills + 1):
        with serving(lake, tmp_path / "models", *options, environment=NO_ATHENA) as served:
            if kill:
                check(lake, served.client())
            if kill == kills:
                break
            until = time.monotonic() + PATIENCE
            threads = [
                threading.Thread(
                    target=call_at_random,
                    args=(served.client(), 100 * kill + number, until, done, wrong),
                )
                for number in range(3)
            ]
            for thread in threads:
                thread.start()
            time.sleep(seconds * (1 + random.Random(kill).random()))
            served.kill()
            for thread in threads:
                thread.join(PATIENCE)
    assert wrong == []
    return done


@pytest.mark.usefixtures("no_aws_account")
def test_clients_at_once_and_a_server_that_is_killed(tmp_path: Path) -> None:
    done = storm(tmp_path, kills=1, seconds=0.5)
    assert done.count("answered") > 5
