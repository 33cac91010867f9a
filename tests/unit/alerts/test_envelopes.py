"""What alerts are wrapped in."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from anomalake.alerts import AlertDocument, ObjectPointer, read_event, read_file, read_text
from tests.support import made

ALERT = json.dumps(made.alert(1), indent=1)


def sqs(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [{"messageId": f"m{i}", "eventSource": "aws:sqs", "body": body} for i, body in enumerate(bodies)]
    }


def notification(message: str) -> dict[str, Any]:
    return {"Type": "Notification", "MessageId": "n1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": message}


SNS = {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "n1", "Message": ALERT}}]}
S3 = {
    "Records": [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": "in+box/%C3%A9.json", "versionId": "v1"}},
        }
    ]
}


@pytest.mark.parametrize(
    "event",
    [
        sqs(ALERT),
        SNS,
        sqs(json.dumps(notification(ALERT))),
        sqs(json.dumps(SNS)),
        sqs(json.dumps(notification(json.dumps(notification(ALERT))))),
        notification(ALERT),
    ],
)
def test_a_text_comes_out_of_its_envelopes_unchanged(event: Any) -> None:
    (document,) = read_event(event)
    assert isinstance(document, AlertDocument)
    assert document.body == ALERT


@pytest.mark.parametrize(
    "event",
    [
        made.alert(1),
        {"detail-type": "Anomaly", "source": "mine", "id": "e1", "detail": made.alert(1)},
        {"version": "1.0", "requestContext": {"requestId": "r"}, "requestPayload": made.alert(1)},
        [made.alert(1)],
    ],
)
def test_an_alert_that_came_parsed_is_written_out(event: Any) -> None:
    (document,) = read_event(event)
    assert isinstance(document, AlertDocument)
    assert isinstance(document.body, str)
    assert json.loads(document.body) == made.alert(1)


def test_a_failure_is_reported_to_the_outermost_delivery() -> None:
    found = list(read_event(sqs(ALERT, json.dumps(sqs(ALERT, "junk")), f"[{ALERT}, {ALERT}]")))
    assert [item.delivery for item in found] == ["m0", "m1", "m1", "m2", "m2"]


def test_envelopes_mix_in_one_invocation() -> None:
    records = [*sqs(ALERT)["Records"], *SNS["Records"], *S3["Records"]]
    kinds = [type(item) for item in read_event({"Records": records})]
    assert kinds == [AlertDocument, AlertDocument, ObjectPointer]


def test_an_s3_event_names_the_object_with_its_key_decoded() -> None:
    (pointer,) = read_event(S3)
    assert pointer == ObjectPointer("b", "in box/é.json", "v1", "s3://b/in box/é.json", None)


def test_eventbridge_does_not_encode_keys() -> None:
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b%20c.json"}},
    }
    (pointer,) = read_event(event)
    assert isinstance(pointer, ObjectPointer)
    assert pointer.key == "a+b%20c.json"


def test_s3_says_hello_and_deletes_without_alerts() -> None:
    assert list(read_event({"Service": "Amazon S3", "Event": "s3:TestEvent"})) == []
    removed = {**S3["Records"][0], "eventName": "ObjectRemoved:Delete"}
    assert list(read_event({"Records": [removed]})) == []


@pytest.mark.parametrize(
    "event", [None, 7, {}, {"Records": "x"}, {"Records": [None, 3]}, sqs("{"), "text", {"detail": 1}]
)
def test_what_has_no_known_envelope_goes_on_to_be_refused(event: Any) -> None:
    found = list(read_event(event))
    assert found
    assert all(isinstance(item, AlertDocument) for item in found)


def test_envelopes_end_somewhere() -> None:
    text = ALERT
    for _ in range(11):
        text = json.dumps(notification(text))
    assert len(list(read_text(text, "deep"))) == 1


LINE = json.dumps(made.alert(1))


@pytest.mark.parametrize(
    ("name", "body", "count"),
    [
        ("one.json", ALERT.encode(), 1),
        ("one.json", b"\xef\xbb\xbf" + ALERT.encode(), 1),
        ("list.json", f"[{ALERT},\n{ALERT} , {LINE}]".encode(), 3),
        ("empty.json", b"[]", 0),
        ("lines.jsonl", f"{LINE}\n\n{LINE}\r\n{LINE}".encode(), 3),
        ("lines.json", f"{LINE}\n{LINE}\n".encode(), 2),
        ("texts.jsonl", (json.dumps(ALERT) + "\n" + LINE + "\n").encode(), 2),
        ("lines.jsonl.gz", gzip.compress(f"{LINE}\n{LINE}".encode(), mtime=0), 2),
        ("events.jsonl", (json.dumps(sqs(ALERT, ALERT)) + "\n" + LINE).encode(), 3),
        ("damaged.gz", gzip.compress(b"x" * 1000, mtime=0)[:-20], 1),
    ],
)
def test_files(name: str, body: bytes, count: int) -> None:
    assert len(list(read_file(name, body))) == count


def test_a_line_is_named_by_its_number() -> None:
    places = [item.place for item in read_file("a.jsonl", f"{LINE}\n\n{{bad\n".encode())]
    assert places == ["a.jsonl:1", "a.jsonl:3"]


def test_items_of_a_list_keep_their_own_text() -> None:
    first, second = read_file("a.json", f"[ {ALERT} , {LINE}]".encode())
    assert isinstance(first, AlertDocument)
    assert isinstance(second, AlertDocument)
    assert (first.body, second.body) == (ALERT, LINE)
