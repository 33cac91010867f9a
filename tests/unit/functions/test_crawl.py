"""The function crawl: any number of changes start one crawl, and none is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from anomalake.aws.crawler import GlueCrawlers
from anomalake.aws.environment import CrawlerTarget
from anomalake.lake.ports import CatalogError, NoCatalog, Partition
from functions.crawl.app import CrawlError, respond

LAKE = "s3://bkt/lake"
TARGETS = (
    CrawlerTarget("tables", f"{LAKE}/partitions/"),
    CrawlerTarget("source", "s3://src/live/"),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeGlue:
    """Glue, with crawlers that run until `finish` is called."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.starts: list[str] = []
        self.errors: list[Exception] = []
        self._began: dict[str, datetime] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def get_crawler(self, Name: str) -> dict[str, Any]:
        self._fail()
        state = "RUNNING" if Name in self._began else "READY"
        return {
            "Crawler": {"Name": Name, "State": state, **({"LastCrawl": self._last[Name]} if Name in self._last else {})}
        }

    def start_crawler(self, Name: str) -> dict[str, Any]:
        self._fail()
        if Name in self._began:
            raise client_error("CrawlerRunningException", "StartCrawler")
        self._began[Name] = self._clock()
        self.starts.append(Name)
        return {}

    def finish(self, name: str, status: str = "SUCCEEDED") -> None:
        self._last[name] = {"Status": status, "StartTime": self._began.pop(name)}

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


def client_error(code: str, operation: str = "GetCrawler") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class Queue:
    """Changes on their way: what is not acknowledged stays."""

    def __init__(self) -> None:
        self.now = NOON
        self.glue = FakeGlue(lambda: self.now)
        self.crawlers = GlueCrawlers(lambda: self.glue)
        self.waiting: dict[str, tuple[datetime, str]] = {}
        self.catalog: Any = NoCatalog()

    def change(self, *uris: str) -> None:
        for uri in uris:
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            detail = {"bucket": {"name": bucket}, "object": {"key": key}}
            body = json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
            self.waiting[f"m{len(self.waiting)}-{self.now.isoformat()}"] = (self.now, body)

    def later(self, minutes: float = 1) -> None:
        self.now += timedelta(minutes=minutes)

    def deliver(self, most: int = 10_000) -> None:
        batch = list(self.waiting.items())[:most]
        records = [
            {
                "eventSource": "aws:sqs",
                "messageId": name,
                "body": body,
                "attributes": {"SentTimestamp": str(int(sent.timestamp() * 1000))},
            }
            for name, (sent, body) in batch
        ]
        answer = respond({"Records": records}, LAKE, TARGETS, self.catalog, self.crawlers)
        again = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        for name, _ in batch:
            if name not in again:
                del self.waiting[name]


@pytest.fixture
def queue() -> Queue:
    return Queue()


def days(number: int) -> list[str]:
    return [f"{LAKE}/partitions/detector=d/day=2026-01-{day + 1:02d}" for day in range(number)]


def test_any_number_of_changes_start_one_crawl(queue: Queue) -> None:
    queue.change(*days(28))
    queue.deliver()
    assert queue.glue.starts == ["tables"]
    assert not queue.waiting


def test_each_crawler_is_started_for_its_own_changes(queue: Queue) -> None:
    queue.change("s3://src/live/20260101/0000/a.csv", "s3://src/live/20260101/0100/a.csv")
    queue.deliver()
    assert queue.glue.starts == ["source"]
    queue.change(*days(1), "s3://src/other/a.csv", "s3://bkt/inbox/a.json")
    queue.deliver()
    assert queue.glue.starts == ["source", "tables"]
    assert not queue.waiting


def test_changes_during_a_crawl_start_exactly_one_more_when_it_ends(queue: Queue) -> None:
    queue.change(*days(2))
    queue.deliver()
    for _ in range(5):
        queue.later()
        queue.change(*days(3))
        queue.deliver()
    assert queue.glue.starts == ["tables"]
    assert len(queue.waiting) == 15

    queue.later()
    queue.glue.finish("tables")
    queue.deliver(most=4)
    assert queue.glue.starts == ["tables"] * 2
    queue.deliver()
    assert len(queue.waiting) == 11, "the second crawl runs: whether it covers them shows when it has succeeded"
    queue.later()
    queue.glue.finish("tables")
    queue.deliver()
    assert queue.glue.starts == ["tables"] * 2
    assert not queue.waiting


def test_a_crawl_that_failed_covers_nothing(queue: Queue) -> None:
    queue.change(*days(3))
    queue.deliver(most=1)
    queue.later()
    queue.glue.finish("tables", "FAILED")
    queue.deliver()
    assert queue.glue.starts == ["tables"] * 2


def test_a_crawl_that_began_before_the_change_does_not_cover_it(queue: Queue) -> None:
    queue.change(*days(1))
    queue.deliver()
    queue.later()
    queue.change(*days(2)[1:])
    queue.glue.finish("tables")
    queue.deliver()
    assert queue.glue.starts == ["tables"] * 2


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException"),
        client_error("InternalServiceException"),
        client_error("OperationTimeoutException"),
        EndpointConnectionError(endpoint_url="https://glue"),
    ],
    ids=lambda error: type(error).__name__ + str(getattr(error, "response", {}).get("Error", {}).get("Code", "")),
)
def test_no_change_is_lost_while_glue_throttles_or_is_down(queue: Queue, error: Exception) -> None:
    queue.change(*days(3))
    queue.glue.errors = [error, error]
    queue.deliver()
    queue.deliver()
    assert queue.glue.starts == []
    assert len(queue.waiting) == 3
    queue.deliver()
    assert queue.glue.starts == ["tables"]
    assert not queue.waiting


def test_two_concurrent_calls_start_one_crawl(queue: Queue) -> None:
    queue.change(*days(2))

    class Late(FakeGlue):
        """Still says READY while another has just started the crawl."""

        def get_crawler(self, Name: str) -> dict[str, Any]:
            return {"Crawler": {"Name": Name, "State": "READY"}}

    queue.glue = Late(lambda: queue.now)
    queue.glue.start_crawler("tables")
    queue.deliver()
    assert queue.glue.starts == ["tables"]
    assert len(queue.waiting) == 2


def test_a_failing_crawler_does_not_delay_the_other(queue: Queue) -> None:
    queue.glue.start_crawler("tables")
    queue.change(*days(1), "s3://src/live/a.csv")
    queue.deliver()
    assert queue.glue.starts == ["tables", "source"]
    assert len(queue.waiting) == 1


class Register:
    """A catalog that records its partitions, or fails."""

    def __init__(self) -> None:
        self.known: list[Partition] = []
        self.down = False

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        if self.down:
            raise CatalogError("Glue: ThrottlingException")
        self.known += partitions


def test_a_table_file_registers_its_partition_and_starts_no_crawl(queue: Queue) -> None:
    queue.catalog = Register()
    files = [
        f"{LAKE}/tables/alert_rows/detector=d/day=2026-01-0{day}/{name}.parquet" for day in (1, 2) for name in "ab"
    ]
    queue.change(*files, "s3://bkt/elsewhere/tables/alert_rows/detector=x/day=2026-01-01/a.parquet")
    queue.deliver()
    assert sorted(queue.catalog.known) == [Partition("d", "2026-01-01"), Partition("d", "2026-01-02")]
    assert queue.glue.starts == []
    assert not queue.waiting


def test_partitions_that_glue_rejects_are_delivered_again_and_crawls_start(queue: Queue) -> None:
    queue.catalog = Register()
    queue.catalog.down = True
    queue.change(f"{LAKE}/tables/alert_rows/detector=d/day=2026-01-01/a.parquet", *days(1))
    queue.deliver()
    assert queue.glue.starts == ["tables"]
    assert len(queue.waiting) == 1
    queue.catalog.down = False
    queue.deliver()
    assert queue.catalog.known == [Partition("d", "2026-01-01")]
    assert not queue.waiting


def test_a_message_that_is_not_a_change_goes_to_the_dead_letter_queue(queue: Queue) -> None:
    queue.change(*days(1))
    queue.waiting["poison"] = (NOON, "hello")
    queue.deliver()
    assert list(queue.waiting) == ["poison"]
    assert queue.glue.starts == ["tables"]


def test_a_direct_invocation_with_an_invalid_event_fails() -> None:
    glue = FakeGlue(lambda: NOON)
    glue.errors = [client_error("ThrottlingException")]
    detail = {"bucket": {"name": "src"}, "object": {"key": "live/a.csv"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    with pytest.raises(CrawlError, match="ThrottlingException"):
        respond(event, LAKE, TARGETS, NoCatalog(), GlueCrawlers(lambda: glue))
    assert respond(event, LAKE, TARGETS, NoCatalog(), GlueCrawlers(lambda: glue)) == {"batchItemFailures": []}
    assert glue.starts == ["source"]
