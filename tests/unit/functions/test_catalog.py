"""The function catalog: which views are made for which event, and what CloudFormation is told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from anomalake.alerts import AlertDocument
from anomalake.aws import custom_resource
from anomalake.lake.lake import Lake
from anomalake.lake.ports import CatalogError, Partition
from anomalake.storage.objects import memory_store
from functions.catalog.app import detectors_in, make_views, register_all
from tests.support.made import DETECTORS, alert


@pytest.fixture
def lake() -> Lake:
    made = Lake(memory_store())
    receipt = made.ingest(AlertDocument(json.dumps(alert(seed)), f"alert {seed}") for seed in range(30))
    assert receipt.stored == 30
    return made


def changed(*keys: str) -> dict[str, Any]:
    bodies = [
        json.dumps(
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "detail": {"bucket": {"name": "b"}, "object": {"key": key}},
            }
        )
        for key in keys
    ]
    return {"Records": [{"eventSource": "aws:sqs", "messageId": str(i), "body": body} for i, body in enumerate(bodies)]}


def test_a_deployment_makes_every_view_after_those_it_reads(lake: Lake) -> None:
    ran: list[str] = []
    make_views(lake.store, ("parquet",), ran.append)
    text = "\n".join(ran)
    for view in ("metric_values", "dimension_contributions", "alerts", "clashes"):
        assert f'CREATE OR REPLACE VIEW "{view}"' in text
    assert len(DETECTORS) == 3
    made = [line for line in text.splitlines() if line.startswith("CREATE OR REPLACE VIEW")]
    assert len(made) == len(set(made)) > 3 * 5


def test_a_new_shape_makes_the_views_of_its_detector_only(lake: Lake) -> None:
    everything: list[str] = []
    make_views(lake.store, ("parquet",), everything.append)
    ran: list[str] = []
    make_views(lake.store, ("parquet",), ran.append, {"shop-live"})
    assert ran
    assert ran == [one for one in everything if one in ran], "in the same order"
    titles = [one.splitlines()[0] for one in ran]
    assert all("shop_" in title for title in titles), titles


def test_the_detectors_of_an_event_are_those_of_its_shapes_and_sources() -> None:
    event = changed(
        "lake/shapes/detector=shop-live/0123.json",
        "lake/shapes/detector=shop-live/4567.json",
        "lake/sources/Other_one-0123456789abcdef.json",
        "lake/lake.json",
        "lake/tables/alert_rows/detector=none/day=2021-01-01/a.parquet",
    )
    assert detectors_in(event) == {"shop-live", "Other_one"}


def test_every_partition_there_is_gets_registered(lake: Lake) -> None:
    class Register:
        def register(self, partitions: Iterable[Partition]) -> None:
            self.seen = set(partitions)

    register = Register()
    register_all(lake.store, register)  # type: ignore[arg-type]
    days = {key.key.split("/")[3] for key in lake.store.list("tables")}
    assert {f"day={one.day}" for one in register.seen} == days
    assert {one.detector for one in register.seen} == set(DETECTORS)


REQUEST = {
    "RequestType": "Create",
    "ResponseURL": "https://answers/x?y=z",
    "StackId": "stack",
    "RequestId": "request",
    "LogicalResourceId": "Views",
}


def answered(request: dict[str, Any], make: Any) -> tuple[str, dict[str, Any]]:
    sent: list[tuple[str, bytes]] = []
    try:
        custom_resource.answer(request, "views", make, lambda url, body: sent.append((url, body)))
    except CatalogError:
        assert json.loads(sent[0][1])["Status"] == "FAILED"
    ((url, body),) = sent
    return url, json.loads(body)


def test_cloudformation_is_told_of_success() -> None:
    made: list[int] = []
    url, answer = answered(REQUEST, lambda: made.append(1))
    assert made == [1]
    assert url == "https://answers/x?y=z"
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": "views",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Views",
    }


def test_cloudformation_is_told_of_failure_in_one_line() -> None:
    def fail() -> None:
        raise CatalogError("Glue:\n" + "down " * 1000)

    _, answer = answered({**REQUEST, "RequestType": "Update", "PhysicalResourceId": "old"}, fail)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("CatalogError: Glue: down")
    assert "\n" not in answer["Reason"]
    assert len(answer["Reason"]) <= 1000
    assert answer["PhysicalResourceId"] == "old"


def test_a_delete_does_nothing_and_is_answered() -> None:
    def never() -> None:
        raise AssertionError("was asked to make views on delete")

    _, answer = answered({**REQUEST, "RequestType": "Delete", "PhysicalResourceId": "views"}, never)
    assert answer["Status"] == "SUCCESS"


def test_what_is_no_request_is_told_apart() -> None:
    assert custom_resource.is_request(REQUEST)
    assert not custom_resource.is_request(changed("lake/shapes/detector=a/b.json"))
    assert not custom_resource.is_request([REQUEST])
