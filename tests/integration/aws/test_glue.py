"""The Glue adapters against moto: the tables, crawlers and requests that the template and the code agree on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from anomalake.aws.crawler import CrawlerRunningError, GlueCrawlers
from anomalake.aws.glue import GlueCatalog
from anomalake.lake.ports import CatalogError, Partition
from anomalake.page.document import Crawl
from anomalake.services.dashboard import crawl_of
from anomalake.storage.objects import memory_store
from tests.support.stack import template

DATABASE = "anomalake"


def declared(name: str) -> dict[str, Any]:
    """A table of the template, as CloudFormation would send it to Glue."""
    made: dict[str, Any] = template()["Resources"][name]["Properties"]["TableInput"]
    descriptor = {**made["StorageDescriptor"], "Location": "s3://bucket/lake/tables/"}
    return {**made, "StorageDescriptor": descriptor}


@pytest.fixture
def glue() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("glue", region_name="us-east-1")
        client.create_database(DatabaseInput={"Name": DATABASE})
        client.create_table(DatabaseName=DATABASE, TableInput=declared("AlertRows"))
        yield client


def partitions(glue: Any, table: str = "alert_rows") -> dict[tuple[str, ...], dict[str, Any]]:
    found = glue.get_partitions(DatabaseName=DATABASE, TableName=table)["Partitions"]
    return {tuple(item["Values"]): item for item in found}


def test_a_partition_has_its_tables_columns_and_serde_and_its_own_place(glue: Any) -> None:
    GlueCatalog(memory_store(), DATABASE).add_partitions([Partition("shop", "2021-02-17")])
    ((values, found),) = partitions(glue).items()
    table = glue.get_table(DatabaseName=DATABASE, Name="alert_rows")["Table"]["StorageDescriptor"]
    assert values == ("shop", "2021-02-17")
    assert found["StorageDescriptor"]["Location"].endswith("/tables/alert_rows/detector=shop/day=2021-02-17/")
    for name in ("Columns", "SerdeInfo", "InputFormat"):
        assert found["StorageDescriptor"][name] == table[name]


def test_both_formats_tables_are_served_where_both_are_declared(glue: Any) -> None:
    glue.create_table(DatabaseName=DATABASE, TableInput=declared("AlertRowsCsv"))
    GlueCatalog(memory_store(), DATABASE).add_partitions([Partition("shop", "2021-02-17")])
    assert len(partitions(glue)) == len(partitions(glue, "alert_rows_csv")) == 1


def test_what_exists_already_is_fine_and_the_new_ones_beside_it_are_made(glue: Any) -> None:
    GlueCatalog(memory_store(), DATABASE).add_partitions([Partition("shop", "2021-02-17")])
    GlueCatalog(memory_store(), DATABASE).add_partitions(Partition("shop", f"2021-02-{day}") for day in (17, 18))
    assert set(partitions(glue)) == {("shop", "2021-02-17"), ("shop", "2021-02-18")}


def test_a_database_that_is_not_there_is_a_catalog_error() -> None:
    with mock_aws(), pytest.raises(CatalogError, match="'nowhere'"):
        GlueCatalog(memory_store(), "nowhere").add_partitions([Partition("shop", "2021-02-17")])


@pytest.fixture
def crawler(glue: Any) -> str:
    properties = template()["Resources"]["TablesCrawler"]["Properties"]
    glue.create_crawler(
        Name="tables",
        Role="arn:aws:iam::123456789012:role/crawler",
        DatabaseName=DATABASE,
        Targets={"CatalogTargets": [{"DatabaseName": DATABASE, "Tables": ["alert_rows"]}]},
        SchemaChangePolicy=properties["SchemaChangePolicy"],
        RecrawlPolicy=properties["RecrawlPolicy"],
        Configuration=properties["Configuration"],
    )
    return "tables"


def test_a_crawl_is_started_once_and_a_running_one_is_told_of(glue: Any, crawler: str) -> None:
    now = datetime.now(UTC)
    assert GlueCrawlers().crawl(crawler, [now])
    assert glue.get_crawler(Name=crawler)["Crawler"]["State"] == "RUNNING"
    with pytest.raises(CrawlerRunningError):
        GlueCrawlers().crawl(crawler, [now])


def test_glues_own_refusal_of_a_second_start_is_told_of_too(glue: Any, crawler: str) -> None:
    class Late:
        """A client whose look at the crawler came too early."""

        def get_crawler(self, Name: str) -> dict[str, Any]:
            return {"Crawler": {"Name": Name, "State": "READY"}}

        def start_crawler(self, Name: str) -> Any:
            return glue.start_crawler(Name=Name)

    glue.start_crawler(Name=crawler)
    with pytest.raises(CrawlerRunningError, match="CrawlerRunningException"):
        GlueCrawlers(Late).crawl(crawler, [datetime.now(UTC)])


def test_a_crawler_that_is_not_there_is_a_catalog_error(glue: Any) -> None:
    with pytest.raises(CatalogError, match="EntityNotFoundException"):
        GlueCrawlers().crawl("nobody", [datetime.now(UTC)])


def test_a_crawlers_state_is_told(glue: Any, crawler: str) -> None:
    assert GlueCrawlers().state(crawler) == Crawl("tables", "READY", "", None, "")
    before = int(datetime.now(UTC).timestamp())
    glue.start_crawler(Name=crawler)
    running = GlueCrawlers().state(crawler)
    assert (running.state, running.last_status) == ("RUNNING", "RUNNING")
    assert running.last_start is not None
    assert running.last_start >= before
    with pytest.raises(CatalogError, match="EntityNotFoundException"):
        GlueCrawlers().state("nobody")


def test_why_the_last_crawl_failed_is_told() -> None:
    class Client:
        """Moto's crawls never fail."""

        def get_crawler(self, Name: str) -> dict[str, Any]:
            last = {"Status": "FAILED", "StartTime": datetime(2026, 3, 1, tzinfo=UTC), "ErrorMessage": "Access denied"}
            return {"Crawler": {"Name": Name, "State": "READY", "LastCrawl": last}}

    assert GlueCrawlers(Client).state("tables") == Crawl("tables", "READY", "FAILED", 1_772_323_200, "Access denied")


def test_the_page_shows_the_crawler_that_is_named_of_a_lake_in_s3(
    glue: Any, crawler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert crawl_of("s3://bucket/lake") is None
    monkeypatch.setenv("ANOMALAKE_CRAWLER", crawler)
    assert crawl_of("s3://bucket/lake") == Crawl("tables", "READY", "", None, "")
    assert crawl_of("./lake") is None
    monkeypatch.setenv("ANOMALAKE_CRAWLER", "nobody")
    told = crawl_of("s3://bucket/lake")
    assert told is not None
    assert (told.name, told.state) == ("nobody", "UNKNOWN")
    assert "EntityNotFoundException" in told.message
