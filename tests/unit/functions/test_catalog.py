"""Events of the function catalog."""

from __future__ import annotations

import json
from typing import Any

from functions.catalog.app import detectors_in


def created(*keys: str) -> dict[str, Any]:
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


def test_detectors_of_an_event_are_read_from_the_keys_of_shapes_and_sources() -> None:
    event = created(
        "lake/shapes/detector=shop-live/0123.json",
        "lake/shapes/detector=shop-live/4567.json",
        "lake/sources/Other_one-0123456789abcdef.json",
        "lake/lake.json",
        "lake/tables/alert_rows/detector=none/day=2021-01-01/a.parquet",
    )
    assert detectors_in(event) == {"shop-live", "Other_one"}
