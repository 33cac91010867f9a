"""The function ingest: each kind of event, and the response to its sender."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from anomalake.alerts import AlertBody, AlertDocument, EventItem, ObjectPointer, read_alert, read_file
from anomalake.alerts.withdrawals import withdrawal_text
from anomalake.aws import observability
from anomalake.lake import bulk
from anomalake.lake.lake import Lake
from anomalake.lake.ports import CatalogError, Partition
from anomalake.storage.objects import memory_store
from anomalake.storage.store import StoreError
from functions.ingest.app import IngestError, respond
from tests.support.made import alert
from tests.support.stores import Killed


def sqs(*bodies: str) -> dict[str, Any]:
    records = [{"eventSource": "aws:sqs", "messageId": f"m{i}", "body": body} for i, body in enumerate(bodies)]
    return {"Records": records}


def inbox(key: str) -> str:
    detail = {"bucket": {"name": "b"}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


def no_object(pointer: ObjectPointer) -> Iterable[EventItem]:
    raise AssertionError(f"unexpected read of {pointer.place}")


class FailingStore:
    """A store that takes no row."""

    def __init__(self) -> None:
        self._store = memory_store()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, body: bytes) -> None:
        if key.startswith("tables/"):
            raise StoreError(f"{key}: 503 SlowDown")
        self._store.put(key, body)


class DeafCatalog:
    """A catalog that is down."""

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        raise CatalogError("Glue: ThrottlingException")


@pytest.fixture(autouse=True)
def counted() -> Iterator[dict[str, Any]]:
    """The metrics of this invocation so far."""
    observability.metrics.clear_metrics()
    yield observability.metrics.metric_set
    observability.metrics.clear_metrics()


def totals(counted: dict[str, Any]) -> dict[str, float]:
    return {name: sum(item["Value"]) for name, item in counted.items()}


def test_a_batch_of_valid_alerts_has_no_failures(counted: dict[str, Any]) -> None:
    lake = Lake(memory_store())
    bodies = [json.dumps(alert(seed)) for seed in (1, 2, 2)]
    assert respond(sqs(*bodies), lake, no_object) == {"batchItemFailures": []}
    assert totals(counted) == {
        "AlertsStored": 2,
        "AlertsRepeated": 1,
        "AlertClashes": 0,
        "RecordsSetAside": 0,
        "RecordsFailed": 0,
        "PartitionsPending": 0,
    }


def test_only_refused_messages_are_batch_item_failures(counted: dict[str, Any]) -> None:
    lake = Lake(memory_store())
    two_bad = json.dumps([alert(2), {"not": "an alert"}, {"nor": "this"}])
    event = sqs(json.dumps(alert(1)), "{", two_bad)
    assert respond(event, lake, no_object) == {
        "batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]
    }
    assert totals(counted)["AlertsStored"] == 2
    assert totals(counted)["RecordsSetAside"] == 3


def test_a_repeated_refused_record_is_counted_once(counted: dict[str, Any]) -> None:
    lake = Lake(memory_store())
    for _ in range(3):
        respond(sqs("{"), lake, no_object)
    assert totals(counted)["RecordsSetAside"] == 1


def test_messages_that_cannot_be_stored_are_batch_item_failures(counted: dict[str, Any]) -> None:
    lake = Lake(FailingStore())
    event = sqs(json.dumps(alert(1)), json.dumps(alert(2)))
    answer = respond(event, lake, no_object)
    assert {item["itemIdentifier"] for item in answer["batchItemFailures"]} == {"m0", "m1"}
    assert totals(counted)["RecordsFailed"] == 2
    assert totals(counted)["AlertsStored"] == 0


def test_alerts_are_stored_while_the_catalog_is_down(counted: dict[str, Any]) -> None:
    lake = Lake(memory_store(), DeafCatalog())
    assert respond(sqs(json.dumps(alert(1))), lake, no_object) == {"batchItemFailures": []}
    assert totals(counted)["PartitionsPending"] == 1
    assert totals(counted)["AlertsStored"] == 1


def test_the_alerts_in_a_named_object_are_stored() -> None:
    body = "\n".join(json.dumps(alert(seed)) for seed in range(3)).encode()

    def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
        assert (pointer.bucket, pointer.key) == ("b", "inbox/a b.jsonl")
        return read_file(pointer.place, body, pointer.delivery)

    assert respond(json.loads(inbox("inbox/a b.jsonl")), Lake(memory_store()), fetch)["stored"] == 3


def test_an_unreadable_object_fails_only_its_message() -> None:
    def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
        raise StoreError(f"{pointer.place}: 500")

    answer = respond(sqs(inbox("a.json"), json.dumps(alert(1))), Lake(memory_store()), fetch)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_an_object_that_names_itself_is_refused() -> None:
    def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
        return read_file(pointer.place, inbox("round.json").encode(), pointer.delivery)

    answer = respond(sqs(inbox("round.json")), Lake(memory_store()), fetch)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_a_direct_invocation_returns_counts() -> None:
    lake = Lake(memory_store())
    assert respond(alert(1), lake, no_object) == {"stored": 1, "repeated": 0, "clashes": 0}
    assert respond(alert(1), lake, no_object) == {"stored": 0, "repeated": 1, "clashes": 0}
    clash = alert(1, anomalyScore=1.5)
    assert respond(clash, lake, no_object) == {"stored": 1, "repeated": 0, "clashes": 1}


def test_a_direct_invocation_with_an_invalid_record_fails_after_the_valid_records_are_stored(
    counted: dict[str, Any],
) -> None:
    store = memory_store()
    with pytest.raises(IngestError) as error:
        respond([alert(1), alert(2, timestamp="yesterday"), alert(3)], Lake(store), no_object)
    message = str(error.value)
    assert message.startswith("1 records refused, 0 failed, 2 stored: ")
    assert "timestamp" in message
    assert "yesterday" in message
    assert "\n" not in message
    assert totals(counted)["AlertsStored"] == 2


def test_a_direct_invocation_fails_if_the_store_fails() -> None:
    with pytest.raises(IngestError, match=r"0 records refused, 1 failed, 0 stored: .*503"):
        respond(alert(1), Lake(FailingStore()), no_object)


def test_a_record_set_aside_is_logged_with_its_reason() -> None:
    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.__dict__)

    lines: list[dict[str, Any]] = []
    kept = Kept()
    observability.logger.addHandler(kept)
    try:
        respond(sqs("{"), Lake(memory_store()), no_object)
    finally:
        observability.logger.removeHandler(kept)
    line = next(item for item in lines if item["msg"] == "record set aside")
    assert line["key"].startswith("set-aside/")
    assert "expected" in line["reason"]


def test_a_killed_write_is_not_a_failure_of_a_record() -> None:
    class Dying(FailingStore):
        def put(self, key: str, body: bytes) -> None:
            raise Killed

    with pytest.raises(Killed):
        respond(sqs(json.dumps(alert(1))), Lake(Dying()), no_object)


def test_records_beyond_the_limit_of_a_delivery_are_set_aside_as_one(
    counted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anomalake.services.ingest.MAX_RECORDS", 3)
    store = memory_store()
    many = json.dumps([alert(seed) for seed in range(5)])
    answer = respond(sqs(many, json.dumps(alert(10))), Lake(store), no_object)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert totals(counted)["AlertsStored"] == 4
    assert totals(counted)["RecordsSetAside"] == 2
    [aside] = store.list("set-aside")
    reasons = [record["reason"] for record in json.loads(store.get(aside.key))["records"]]
    assert reasons[0] == "SQS message m0[3]: $: more than 3 records in one delivery: expected at most 3"


def test_an_object_is_not_read_beyond_the_limit_of_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomalake.services.ingest.MAX_RECORDS", 3)
    read: list[int] = []

    def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
        for seed in range(100):
            read.append(seed)
            yield from read_file(pointer.place, json.dumps(alert(seed)).encode(), pointer.delivery)

    store = memory_store()
    assert respond(sqs(inbox("a.json")), Lake(store), fetch) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert read == [0, 1, 2, 3]
    [aside] = store.list("set-aside")
    assert json.loads(store.get(aside.key))["place"] == "s3://b/a.json"


def test_objects_beyond_the_limit_of_a_delivery_are_not_read_and_can_be_replayed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anomalake.services.ingest.MAX_OBJECTS", 2)
    read: list[str] = []

    def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
        read.append(pointer.key)
        return read_file(pointer.place, json.dumps(alert(int(pointer.key))).encode(), pointer.delivery)

    message = "[" + ",".join(inbox(str(i)) for i in range(4)) + "]"
    store = memory_store()
    respond(sqs(message), Lake(store), fetch)
    assert read == ["0", "1"]
    [aside] = store.list("set-aside")
    job = bulk.Job(lambda: Lake(memory_store()), fetch=fetch)
    assert bulk.load([bulk.Piece(aside.key, store.get(aside.key))], job).loaded == 2
    assert read == ["0", "1", "2", "3"]


def test_an_object_that_fails_after_some_records_fails_its_message_and_keeps_them() -> None:
    def fetch(pointer: ObjectPointer) -> Iterator[EventItem]:
        yield from read_file(pointer.place, json.dumps([alert(1), alert(2)]).encode(), pointer.delivery)
        raise StoreError(f"{pointer.place}: the answer ended")

    store = memory_store()
    answer = respond(sqs(inbox("a.json"), json.dumps(alert(3))), Lake(store), fetch)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert respond(alert(1), Lake(store), no_object)["repeated"] == 1


def test_records_set_aside_are_logged_once_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(observability.logger, "warning", lambda message, **fields: lines.append(fields))
    respond(sqs(json.dumps(list(range(500))), "{"), Lake(memory_store()), no_object)
    assert [line["records"] for line in lines] == [500, 1]


def test_the_function_takes_the_withdrawals_of_detect() -> None:
    body = AlertBody.of(read_alert(AlertDocument(json.dumps(alert(1)), "alert")))
    text = withdrawal_text(alert(1)["anomalyDetectorArn"], "2026-11-27T00:00:00.000000Z", "run again", [body])
    store = memory_store()
    assert respond(json.loads(text), Lake(store), no_object) == {"stored": 0, "repeated": 0, "clashes": 0}
    assert respond(sqs(text, json.dumps(alert(2))), Lake(store), no_object) == {"batchItemFailures": []}
    (key,) = [entry.key for entry in store.list("originals/withdrawals")]
    assert json.loads(store.get(key)) == json.loads(text)
    assert respond(sqs(text), Lake(FailingStore()), no_object) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}  # type: ignore[arg-type]
