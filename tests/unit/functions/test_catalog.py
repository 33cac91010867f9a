"""Events of the function catalog."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anomalake.services.views import OutOfTime, ViewReport
from functions.catalog.app import messages_in, respond


def created(*keys: str, queued: bool = True) -> dict[str, Any]:
    events = [
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": "b"}, "object": {"key": key}},
        }
        for key in keys
    ]
    if not queued:
        [event] = events
        return event
    return {
        "Records": [
            {"eventSource": "aws:sqs", "messageId": str(i), "body": json.dumps(event)} for i, event in enumerate(events)
        ]
    }


def test_detectors_of_an_event_are_read_from_the_keys_of_shapes_and_sources() -> None:
    event = created(
        "lake/shapes/detector=shop-live/0123.json",
        "lake/shapes/detector=shop-live/4567.json",
        "lake/sources/Other_one-0123456789abcdef.json",
        "lake/lake.json",
        "lake/tables/alert_rows/detector=none/day=2021-01-01/a.parquet",
        "lake/other/sources/shapes/detector=deep/1.json",
    )
    assert messages_in(event) == {"0": {"shop-live"}, "1": {"shop-live"}, "2": {"Other_one"}, "5": {"deep"}}


EVENT = created("shapes/detector=a/1.json", "shapes/detector=b/1.json", "shapes/detector=a/2.json")


@pytest.mark.parametrize(
    ("report", "again"),
    [
        (ViewReport(made=3), []),
        (ViewReport(failed={"a": "Athena refuses it"}), ["0", "2"]),
        (ViewReport(failed={None: "Athena refuses it"}), ["0", "1", "2"]),
        (ViewReport(made=3, left=1), ["0", "1", "2"]),
    ],
)
def test_messages_whose_relations_are_not_made_are_delivered_again(report: ViewReport, again: list[str]) -> None:
    asked: list[set[str]] = []

    def update(detectors: set[str]) -> ViewReport:
        asked.append(detectors)
        return report

    assert respond(EVENT, update) == {"batchItemFailures": [{"itemIdentifier": message} for message in again]}
    assert asked == [{"a", "b"}]


def test_a_direct_invocation_raises() -> None:
    event = created("shapes/detector=a/1.json", queued=False)
    assert respond(event, lambda _: ViewReport(made=1)) == {"batchItemFailures": []}
    with pytest.raises(OutOfTime):
        respond(event, lambda _: ViewReport(left=1))
