"""Every file in events/ is listed in its README, and a lake makes of it exactly what the README says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from anomalake.alerts import AlertDocument, ObjectPointer, read_alert, read_event, read_file
from anomalake.lake.lake import Lake, Receipt
from anomalake.storage.objects import memory_store

EVENTS = Path(__file__).parents[2] / "events"
BUCKET = "amzn-s3-demo-bucket"
LISTED = re.compile(r"\| `(?P<file>[^`]+)` \| (?P<what>.+) \| (?P<expected>[^|]+) \|")


def listed() -> dict[str, str]:
    rows = map(LISTED.fullmatch, (EVENTS / "README.md").read_text(encoding="utf-8").splitlines())
    return {row["file"]: row["expected"] for row in rows if row is not None}


def documents(name: str) -> Iterator[AlertDocument]:
    """The documents in a file, as the function gets them from its event, or a replay from a file."""
    path = EVENTS / name
    if path.suffix == ".json" and path.parent.name != "inbox":
        return opened(read_event(json.loads(path.read_text(encoding="utf-8"))))
    return opened(read_file(path.name, path.read_bytes()))


def opened(found: Iterable[AlertDocument | ObjectPointer]) -> Iterator[AlertDocument]:
    for item in found:
        if isinstance(item, ObjectPointer):
            assert item.bucket == BUCKET
            yield from opened(read_file(item.place, (EVENTS / item.key).read_bytes(), item.delivery))
        else:
            yield item


def outcome(receipt: Receipt) -> str:
    """A receipt in the words of the README."""
    assert receipt.failed == ()
    said = [f"stores {receipt.stored}"] if receipt.stored or not receipt.refused else []
    said += [f"repeats {receipt.repeated}"] if receipt.repeated else []
    said += [f"clashes {receipt.clashes}"] if receipt.clashes else []
    if receipt.refused:
        said.append(f"refuses {len(receipt.refused)}: " + "; ".join(item.refusal.field for item in receipt.refused))
    return ", ".join(said)


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    files = {path.relative_to(EVENTS).as_posix() for path in EVENTS.rglob("*") if path.is_file()}
    assert files - {"README.md"} == set(listed())


@pytest.mark.parametrize(("name", "expected"), listed().items(), ids=listed())
def test_a_file_gives_what_the_readme_says(name: str, expected: str) -> None:
    assert outcome(Lake(memory_store()).ingest(documents(name))) == expected


@pytest.mark.parametrize("name", listed())
def test_a_second_delivery_changes_nothing(name: str) -> None:
    store = memory_store()
    Lake(store).ingest(documents(name))
    before = {found.key: store.get(found.key) for found in store.list("")}
    again = Lake(store).ingest(documents(name))
    after = {found.key: store.get(found.key) for found in store.list("")}
    assert after == before
    assert not any(refused.first_time for refused in again.refused)


def test_a_refusal_says_in_one_line_where_and_what_was_expected() -> None:
    refusals = [
        refused.refusal
        for name in listed()
        if name.startswith("invalid/")
        for refused in Lake(memory_store()).ingest(documents(name)).refused
    ]
    assert len(refusals) > 100
    for refusal in refusals:
        message = str(refusal)
        assert "\n" not in message
        assert len(message) < 1000
        assert refusal.place
        assert refusal.expected


def test_each_timestamp_is_the_instant_and_the_wall_clock_that_its_description_says() -> None:
    for document in documents("valid/timestamps.json"):
        alert = read_alert(document)
        said = re.fullmatch(r"(\S+) UTC, (\S+) on the clock", alert.alert_description or "")
        assert said is not None
        assert alert.timestamp.utc == datetime.fromisoformat(said[1]), document.body
        assert alert.timestamp.local == datetime.fromisoformat(said[2]), document.body


def test_numbers_are_read_as_they_were_written() -> None:
    [document] = opened(read_file("numbers.json", (EVENTS / "valid/numbers.json").read_bytes()))
    values = [series.metric_value for series in read_alert(document).time_series]
    written = "1000000000000000.1234 0.0001 -17.25 1E15 650 650 0 0 0.00000000000000000001 999999999999999.9999 0"
    assert values == [Decimal(item) for item in written.split()]


def test_odd_and_hostile_values_come_out_as_they_went_in() -> None:
    for name in ("valid/odd-values.json", "valid/hostile-values.json"):
        [document] = documents(name)
        sent = json.loads((EVENTS / name).read_text(encoding="utf-8"))["impactedMetric"]["relevantTimeSeries"]
        read = [dict(series.dimensions)["value"] for series in read_alert(document).time_series]
        assert read == [series["dimensions"][0]["dimensionValue"] for series in sent]


def test_only_the_failed_messages_of_a_batch_are_reported() -> None:
    receipt = Lake(memory_store()).ingest(documents("envelopes/sqs-with-bad.json"))
    batch = json.loads((EVENTS / "envelopes/sqs-with-bad.json").read_text(encoding="utf-8"))["Records"]
    assert [item.delivery for item in receipt.refused] == [batch[1]["messageId"], batch[3]["messageId"]]


@pytest.mark.parametrize("size", [6 * 1024 * 1024 + 1, 32 * 1024 * 1024])
def test_a_payload_beyond_lambdas_six_megabytes_is_set_aside(size: int) -> None:
    good = (EVENTS / "valid/guide-2022.json").read_text(encoding="utf-8")
    big = json.dumps(json.loads(good) | {"padding": "x" * size})
    receipt = Lake(memory_store()).ingest([AlertDocument(big, "big"), AlertDocument(good, "good")])
    assert outcome(receipt) == "stores 1, refuses 1: $"


def test_the_real_shapes_are_kept_byte_for_byte() -> None:
    for name in ("canary-2021", "guide-2021", "guide-2022"):
        body = (EVENTS / f"valid/{name}.json").read_bytes()
        store = memory_store()
        Lake(store).ingest(opened(read_file(f"{name}.json", body)))
        [original] = store.list("originals")
        assert store.get(original.key) == body
