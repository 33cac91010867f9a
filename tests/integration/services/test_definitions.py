"""Definitions that several callers change at the same time, in a folder and in S3, also when S3 fails."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from anomalake.definitions.resource_errors import ResourceConflictError
from anomalake.records.executions import SUCCEEDED
from anomalake.storage.objects import open_store
from anomalake.storage.store import StoreError
from tests.support.definitions import TO_LAMBDA, Api, detector_arn
from tests.support.faulty_s3 import s3_server

CALLERS = 4
ARN = detector_arn()


@pytest.fixture(params=["folder", "S3", "failing S3", "S3 with answers cut off"])
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path)
        return
    faults = {"failing S3": (0.2, 0.0), "S3 with answers cut off": (0.0, 0.3)}
    fault_share, cut_share = faults.get(request.param, (0.0, 0.0))
    with s3_server(fault_share, seed=7, cut_share=cut_share) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        bucket = f"lake-{uuid.uuid4().hex}"
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
        yield f"s3://{bucket}"


def api_at(root: str) -> Api:
    return Api(open_store(f"{root}/lake"), open_store(f"{root}/detectors"))


def until_answered(api: Api, operation: str, **members: Any) -> dict[str, Any]:
    """Call as clients do, which call again after an internal error."""
    for _ in range(20):
        try:
            return api(operation, **members)
        except StoreError:
            continue
    raise AssertionError(f"{operation}: no answer")


def test_callers_at_once_lose_nothing(root: str) -> None:
    first = api_at(root)
    first.alert(first.create_whole(), "old")

    def call(number: int) -> int:
        api = api_at(root)
        for time in range(3):
            until_answered(api, "TagResource", ResourceArn=ARN, Tags={f"{number}-{time}": "x"})
        try:
            until_answered(api, "CreateAlert", AnomalyDetectorArn=ARN, AlertName="one-of-them", Action=TO_LAMBDA)
        except ResourceConflictError:
            # Another caller has made it, or this one has, and its answer was lost.
            return 0
        return 1

    with ThreadPoolExecutor(CALLERS) as threads:
        made = sum(threads.map(call, range(CALLERS)))
    last = api_at(root)
    tags = last("ListTagsForResource", ResourceArn=ARN)["Tags"]
    assert sorted(tags) == [f"{number}-{time}" for number in range(CALLERS) for time in range(3)]
    names = [alert["AlertName"] for alert in last("ListAlerts")["AlertSummaryList"]]
    assert names.count("one-of-them") == 1
    assert made <= 1
    assert "old" in names


def test_the_life_of_a_detector(root: str) -> None:
    api = api_at(root)
    arn = api.create_whole()
    api.alert(arn)
    api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.file_names() == ["shop.json"]
    api.run("shop", SUCCEEDED)
    described = api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"]
    assert [(one["AnomalyDetectorArn"], one["Status"]) for one in described] == [(arn, "ACTIVE")]
    with pytest.raises(ResourceConflictError):
        api.create()
    api("DeactivateAnomalyDetector", AnomalyDetectorArn=arn)
    assert api.file_names() == []
    api("DeleteAnomalyDetector", AnomalyDetectorArn=arn)
    assert api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"] == []
    assert api.create() == arn
