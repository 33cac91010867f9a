"""QuickSight's requests with boto3: to moto if it has the call, otherwise to a stubbed client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from anomalake.quicksight import quicksight_template
from tests.support.quicksight import ACCOUNT, GROUP, Json, metric_sets, requests, resolved

METRIC_SETS = metric_sets()
REGION = "eu-west-1"


def requests_of(name: str) -> dict[str, tuple[str, Json]]:
    """Return operation and request by logical name."""
    resources = resolved(quicksight_template(METRIC_SETS[name]), Crawlers="lake-tables", ViewerArn=GROUP)
    return {resource: (operation, request) for resource, operation, request in requests(resources)}


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("quicksight", region_name=REGION)


@pytest.mark.parametrize("name", METRIC_SETS)
def test_data_source_data_sets_and_dashboard_are_created(client: Any, name: str) -> None:
    requests_by_name = requests_of(name)
    _, source = requests_by_name["DataSource"]
    client.create_data_source(**source)
    described = client.describe_data_source(AwsAccountId=ACCOUNT, DataSourceId=source["DataSourceId"])["DataSource"]
    assert (described["Type"], described["Name"]) == ("ATHENA", "shop-quicksight-source")
    for logical in ("ValuesDataSet", "ContributionsDataSet", "AnomaliesDataSet"):
        _, data_set = requests_by_name[logical]
        response = client.create_data_set(**data_set)
        assert response["DataSetId"] == data_set["DataSetId"]
    _, dashboard = requests_by_name["Dashboard"]
    client.create_dashboard(**dashboard)
    (summary,) = client.list_dashboards(AwsAccountId=ACCOUNT)["DashboardSummaryList"]
    assert summary["DashboardId"] == "shop-quicksight-dashboard"
    assert summary["Name"] == f"Anomalies of {METRIC_SETS[name].detector_arn.rpartition(':')[2]}"


def test_the_state_machines_requests_start_ingestions(client: Any) -> None:
    resources = resolved(quicksight_template(METRIC_SETS["shop"]), Crawlers="lake-tables")
    branches = resources["Refresh"]["Properties"]["Definition"]["States"]["Refresh"]["Branches"]
    started = []
    for branch in branches:
        task = branch["States"][branch["StartAt"]]
        assert task["Resource"] == "arn:aws:states:::aws-sdk:quicksight:createIngestion"
        request = dict(task["Parameters"])
        assert request.pop("IngestionId.$") == "$$.Execution.Name"
        # A name that EventBridge gives to an execution.
        request["IngestionId"] = "6f1a2f62-2fd7-4a3c-9b9a-4d2a5b1f3b01_0c1d2e3f-aaaa-bbbb-cccc-0123456789ab"
        response = client.create_ingestion(**request)
        assert response["IngestionId"] == request["IngestionId"]
        started.append(request["DataSetId"])
    assert started == ["shop-quicksight-values", "shop-quicksight-contributions", "shop-quicksight-anomalies"]


@pytest.mark.parametrize("name", METRIC_SETS)
def test_the_client_accepts_all_other_requests(name: str) -> None:
    client = boto3.client("quicksight", region_name=REGION)
    calls = {
        "CreateTheme": client.create_theme,
        "CreateAnalysis": client.create_analysis,
        "CreateRefreshSchedule": client.create_refresh_schedule,
    }
    sent = []
    for operation, request in requests_of(name).values():
        if operation in calls:
            with Stubber(client) as stubber:
                method = client.meta.method_to_api_mapping
                stubber.add_response(
                    next(key for key, api_name in method.items() if api_name == operation), {}, request
                )
                calls[operation](**request)
                stubber.assert_no_pending_responses()
            sent.append(operation)
    assert sorted(sent) == ["CreateAnalysis", *["CreateRefreshSchedule"] * 3, "CreateTheme"]
