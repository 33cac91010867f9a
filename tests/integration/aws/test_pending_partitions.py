"""Ingest and crawl together, on S3 and Glue as moto has them: a Glue that is down costs no alert and no partition."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from anomalake.aws.crawler import GlueCrawlers
from anomalake.aws.glue import GlueCatalog
from anomalake.lake.lake import Lake
from anomalake.storage.objects import open_store
from functions.crawl.app import respond as crawl
from functions.ingest.app import respond as ingest
from tests.support.made import alert
from tests.support.stack import template

DATABASE = "anomalake"
URI = "s3://bucket-of-lake/lake"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    # Its memory is the process's, and another test's.
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket-of-lake")
    glue = boto3.client("glue", region_name="us-east-1")
    glue.create_database(DatabaseInput={"Name": DATABASE})
    table = template()["Resources"]["AlertRows"]["Properties"]["TableInput"]
    descriptor = {**table["StorageDescriptor"], "Location": f"{URI}/tables/alert_rows/"}
    glue.create_table(DatabaseName=DATABASE, TableInput={**table, "StorageDescriptor": descriptor})
    try:
        yield endpoint
    finally:
        server.stop()


class Throttled:
    """Glue on a bad day."""

    def __getattr__(self, operation: str) -> Any:
        def refuse(**_: Any) -> Any:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, operation)

        return refuse


def batch(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [{"eventSource": "aws:sqs", "messageId": f"m{i}", "body": item} for i, item in enumerate(bodies)]
    }


def created(uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


def registered() -> set[str]:
    found = boto3.client("glue", region_name="us-east-1").get_partitions(DatabaseName=DATABASE, TableName="alert_rows")
    return {item["StorageDescriptor"]["Location"] for item in found["Partitions"]}


def test_what_ingest_could_not_register_the_crawl_function_does(aws: str) -> None:
    store = open_store(URI)
    bodies = [json.dumps(alert(seed)) for seed in range(20)]
    answer = ingest(batch(*bodies), Lake(store, GlueCatalog(store, DATABASE, client=Throttled)), None)  # type: ignore[arg-type]
    assert answer == {"batchItemFailures": []}
    assert registered() == set()
    files = [item.key for item in store.list("tables")]
    folders = {f"{URI}/{key.rpartition('/')[0]}/" for key in files}
    assert len(folders) > 3

    changes = batch(*(created(f"{URI}/{key}") for key in files))
    down = crawl(changes, URI, (), GlueCatalog(store, DATABASE, client=Throttled), GlueCrawlers())
    assert len(down["batchItemFailures"]) == len(files)
    up = crawl(changes, URI, (), GlueCatalog(store, DATABASE), GlueCrawlers())
    assert up == {"batchItemFailures": []}
    assert registered() == folders


def test_ingest_registers_partitions_by_itself_where_glue_answers(aws: str) -> None:
    store = open_store(URI)
    bodies = [json.dumps(alert(seed)) for seed in range(20)]
    ingest(batch(*bodies), Lake(store, GlueCatalog(store, DATABASE)), None)  # type: ignore[arg-type]
    assert registered() == {f"{URI}/{item.key.rpartition('/')[0]}/" for item in store.list("tables")}
    # A cold container learns it from the lake.
    ingest(batch(*bodies), Lake(store, GlueCatalog(store, DATABASE, client=Throttled)), None)  # type: ignore[arg-type]
    assert len(list(store.list("partitions"))) == len(registered())
