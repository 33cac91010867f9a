"""What the API may read and whom it may call, by every operation that names it and whatever was there before."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from anomalake.aws.environment import ApiEnvironment
from anomalake.definitions.resource_errors import AccessRefusedError
from anomalake.server.lookoutmetrics.handlers import all_handlers
from anomalake.services.bounds import check_path, check_source, check_target
from anomalake.services.workspace import Bounds
from tests.support.definitions import METRIC_SET, TO_LAMBDA, TO_TOPIC, USERS_FILE, Api, detector_arn, metric_set_arn

STACK = ApiEnvironment(
    "s3://stack/lake", "s3://stack/detectors", "", "", ("stack", "lab"), (), "aws", "us-east-1", "123456789012"
)
BOUNDS = Bounds(STACK.sources, ("arn:aws:sns:us-east-1:123456789012:call-*",), STACK.reserved)


@pytest.mark.parametrize(
    "path",
    [
        "s3://stack/lake/tables/alert_rows/",
        "s3://stack/lake",
        "s3://stack//lake/detection/",
        "s3://stack/./lake/detection/",
        "s3://stack/la\tke/detection/",
        "s3://stack/lake/{{yyyyMMdd}}/{{HHmm}}",
        "s3://stack/detectors/",
        "s3://stack/detectors/shop.yaml",
        "s3://stack/inbox/",
        "s3://stack/athena-results/0a1b.csv",
        "s3://stack/quicksight/",
        "s3://other/history/",
        "s3://lab.other/history/",
        "s3://labx/",
        "s3://lab@other/history/",
        "s3://lab:443/history/",
        "s3://LAB/history/",
        "S3://lab/history/",
        "s3://lab\\@other/",
        "s3:///lab/history/",
        "file:///etc/passwd",
        "https://lab/history/",
    ],
)
def test_paths_that_may_not_be_read(path: str) -> None:
    with pytest.raises(AccessRefusedError, match="source data"):
        check_path(BOUNDS, path)
    for name in ("TemplatedPathList", "HistoricalDataPathList"):
        for given in ([path], path):
            with pytest.raises(AccessRefusedError):
                check_source(BOUNDS, {"MetricSource": {"S3SourceConfig": {name: given}}})


@pytest.mark.parametrize(
    "path", ["s3://lab/lake/x/", "s3://stack/", "s3://stack/lakes/", "s3://stack/shop/lake/", "s3://lab/a?b/"]
)
def test_paths_that_may_be_read(path: str) -> None:
    check_path(BOUNDS, path)
    check_path(Bounds(), path)


def test_results_of_athena_go_to_buckets_that_may_be_read() -> None:
    def source(path: str) -> dict[str, Any]:
        return {"MetricSource": {"AthenaSourceConfig": {"DatabaseName": "a", "S3ResultsPath": path}}}

    check_source(BOUNDS, source("s3://stack/athena-results/"))
    with pytest.raises(AccessRefusedError):
        check_source(BOUNDS, source("s3://other/"))


@pytest.mark.parametrize("arn", ["arn:aws:sns:us-east-1:123456789012:Call-me", "arn:aws:sns:us-east-1:1:call-me", "x"])
def test_targets_that_may_not_be_called(arn: str) -> None:
    with pytest.raises(AccessRefusedError):
        check_target(BOUNDS, {"Action": {"SNSConfiguration": {"SnsTopicArn": arn}}})


def test_samples_are_not_taken_from_the_stacks_own_folders() -> None:
    api = Api(bounds=BOUNDS)
    config = {**METRIC_SET["MetricSource"]["S3SourceConfig"], "HistoricalDataPathList": ["s3://stack/athena-results/"]}
    arn = api.create()
    for operation, members in (
        ("GetSampleData", {"S3SourceConfig": config}),
        ("DetectMetricSetConfig", {"AnomalyDetectorArn": arn, "AutoDetectionMetricSource": {"S3SourceConfig": config}}),
    ):
        with pytest.raises(AccessRefusedError, match="athena-results has no source data"):
            all_handlers()[operation](api.workspace, members)


def test_a_detector_from_before_the_bounds_is_not_started() -> None:
    before = Api()
    arn = before.create_whole()
    before.alert(arn, Action=TO_LAMBDA)
    for bounds in (Bounds(("other",)), Bounds(targets=("arn:aws:sns:*",)), Bounds(reserved=("s3://lab/ecommerce",))):
        api = Api(before.store, before.files)
        api.workspace = replace(api.workspace, bounds=bounds)
        for operation in ("ActivateAnomalyDetector", "BackTestAnomalyDetector"):
            with pytest.raises(AccessRefusedError):
                api(operation, AnomalyDetectorArn=arn)
        assert api.status(arn) == "INACTIVE"
        assert api.file_names() == []
        assert api.jobs.started == []


def test_a_users_file_keeps_its_own_relative_paths() -> None:
    api = Api(bounds=BOUNDS)
    api.files.put("shop.yaml", USERS_FILE.encode())
    arn = detector_arn()
    api("UpdateMetricSet", MetricSetArn=metric_set_arn(name="shop"), Offset=600)
    api.run("shop", "SUCCEEDED")
    api("DeactivateAnomalyDetector", AnomalyDetectorArn=arn)
    changed = {"MetricName": "views", "AggregationFunction": "SUM"}
    api("UpdateMetricSet", MetricSetArn=metric_set_arn(name="shop"), MetricList=[changed])
    other = json.loads(json.dumps(METRIC_SET["MetricSource"]).replace("s3://lab/", "s3://stack/lake/"))
    with pytest.raises(AccessRefusedError):
        api("UpdateMetricSet", MetricSetArn=metric_set_arn(name="shop"), MetricSource=other)
    api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.file_names() == ["shop.json"]
    api.alert(arn, Action=TO_TOPIC)
