"""Steps that the samples of Lookout for Metrics have in common, written anew; the waits are cut."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from anomalake.cli.app import app
from tests.support.patience import PATIENCE

#: Days of history, before those of live folders.
HISTORY_DAYS = 24
#: In live folders from this long before the present to this long after it, revenue collapses.
COLLAPSE = timedelta(hours=3)
#: What the samples wait through.
BUSY = ("ACTIVATING", "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE")


@dataclass(frozen=True)
class Lab:
    """What the first notebook leaves for the others."""

    account: str
    bucket: str
    role_arn: str

    @property
    def history(self) -> str:
        return f"s3://{self.bucket}/ecommerce/backtest/"

    @property
    def live(self) -> str:
        return f"s3://{self.bucket}/ecommerce/live/{{{{yyyyMMdd}}}}/{{{{HHmm}}}}"


def prepare_lab(folder: Path) -> Lab:
    """Make data up to tomorrow, put them into a bucket, and make a role, as the first notebook does."""
    account = boto3.client("sts").get_caller_identity()["Account"]
    bucket = f"{account}-lookoutmetrics-lab"
    boto3.client("s3").create_bucket(Bucket=bucket)
    make_data(folder)
    sync(folder, bucket, "ecommerce")
    return Lab(account, bucket, make_role("L4MTestRole"))


def make_data(folder: Path) -> None:
    """Write a history, and live folders of yesterday, today and tomorrow, with a collapse about now."""
    now = datetime.now(UTC)
    start = (now - timedelta(days=HISTORY_DAYS + 1)).date()
    sizes = ["--series", "3", "--intervals", str(24 * HISTORY_DAYS), "--live", "72"]
    made = CliRunner().invoke(app, ["synth", str(folder), "--start", str(start), *sizes], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    hour = now.replace(minute=0, second=0, microsecond=0) - COLLAPSE
    while hour <= now + COLLAPSE:
        (path,) = (folder / "live" / f"{hour:%Y%m%d}" / f"{hour:%H%M}").iterdir()
        header, *rows = csv.reader(path.read_text().splitlines())
        column = header.index("revenue")
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *([*row[:column], "0.01", *row[column + 1 :]] for row in rows)])
        hour += timedelta(hours=1)


def sync(folder: Path, bucket: str, prefix: str) -> None:
    """Do what `aws s3 sync` does."""
    s3 = boto3.client("s3")
    for path in sorted(folder.rglob("*.csv")):
        s3.upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder).as_posix()}")


def make_role(name: str) -> str:
    """Make a role that Lookout for Metrics may take; return its ARN."""
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lookoutmetrics.amazonaws.com"}, "Action": "sts:AssumeRole"}
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    for policy in ("AmazonS3FullAccess", "AmazonSNSFullAccess"):
        document = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        iam.put_role_policy(
            RoleName=name,
            PolicyName=policy,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [document]}),
        )
    arn: str = made["Role"]["Arn"]
    return arn


def metric_set(lab: Lab, **source: Any) -> dict[str, Any]:
    """Return the members that the notebooks describe the shop's data with, beside detector and name."""
    return {
        "MetricList": [{"MetricName": name, "AggregationFunction": "SUM"} for name in ("views", "revenue")],
        "DimensionList": ["platform", "marketplace"],
        "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "MetricSetFrequency": "PT1H",
        "MetricSource": {
            "S3SourceConfig": {
                "RoleArn": lab.role_arn,
                **source,
                "FileFormatDescriptor": {
                    "CsvFormatDescriptor": {
                        "FileCompression": "NONE",
                        "Charset": "UTF-8",
                        "ContainsHeader": True,
                        "Delimiter": ",",
                        "QuoteSymbol": '"',
                    }
                },
            }
        },
    }


def wait_while(client: Any, arn: str, *statuses: str) -> str:
    """Poll a detector's status as long as it is one of some; return the first other one."""
    status = ""

    def has_changed() -> bool:
        nonlocal status
        status = client.describe_anomaly_detector(AnomalyDetectorArn=arn)["Status"]
        return status not in statuses

    wait_for(has_changed)
    return status


def delete_and_wait(client: Any, arn: str) -> None:
    """Delete a detector, and poll it until it is not found."""
    client.delete_anomaly_detector(AnomalyDetectorArn=arn)
    wait_for(lambda: is_gone(client, arn))


def is_gone(client: Any, arn: str) -> bool:
    """Whether a detector is not found; any other error is raised."""
    try:
        status = client.describe_anomaly_detector(AnomalyDetectorArn=arn)["Status"]
    except client.exceptions.ResourceNotFoundException as error:
        assert isinstance(error, ClientError)
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"
        return True
    assert status == "DELETING"
    return False


def all_pages(call: Callable[..., dict[str, Any]], member: str, **members: Any) -> list[Any]:
    """Call an operation until an answer has no NextToken; return the items of all pages."""
    items: list[Any] = []
    token: dict[str, str] = {}
    while True:
        answer = call(**members, **token)
        items += answer[member]
        if "NextToken" not in answer:
            return items
        token = {"NextToken": answer["NextToken"]}


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until a condition holds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def backtested(client: Any, lab: Lab, name: str) -> str:
    """Make a detector and run its backtest to its end; return its ARN."""
    arn: str = client.create_anomaly_detector(
        AnomalyDetectorName=name, AnomalyDetectorConfig={"AnomalyDetectorFrequency": "PT1H"}
    )["AnomalyDetectorArn"]
    members = metric_set(lab, HistoricalDataPathList=[lab.history])
    client.create_metric_set(AnomalyDetectorArn=arn, MetricSetName=f"{name}-set", **members)
    client.back_test_anomaly_detector(AnomalyDetectorArn=arn)
    assert wait_while(client, arn, *BUSY) == "BACK_TEST_COMPLETE"
    return arn


def time_by_pattern(text: str) -> datetime:
    """Read a time as the function with readable alerts does: to the minute, in UTC, with the zone's name."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)Z\[(\w+)\]", text)
    assert match is not None, text
    return datetime.strptime(f"{match[1]}+0000", "%Y-%m-%dT%H:%M%z")


def zipped(name: str, text: str) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(name, text)
    return body.getvalue()
