"""Envelopes of alerts: SQS, SNS, EventBridge, S3 events, lists, set-aside records. No other module reads envelopes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from anomalake.alerts.bounds import FileLimits
from anomalake.alerts.documents import AlertDocument, ObjectPointer, Refusal
from anomalake.alerts.strict_json import StrictJsonError, exact_text, parse
from anomalake.alerts.values import Text, Value, read_values, too_many, unreadable

MAX_ENVELOPES = 8
#: Value of the field ``record`` of a set-aside record. A replay reads its body again.
SET_ASIDE_RECORD = "anomalake/set-aside"
_LIMITS = FileLimits()

EventItem = AlertDocument | ObjectPointer


def read_event(event: Any, place: str = "event") -> Iterator[EventItem]:
    """Read the alert documents in the event of an invocation, in any envelope or in none.

    A value without a known envelope is returned as a document, which `read_alert` accepts or refuses.
    """
    return _unwrap(event, None, place, None, 0)


def read_text(
    text: str | bytes, place: str, delivery: str | None = None, limits: FileLimits = _LIMITS
) -> Iterator[EventItem]:
    """Read the alert documents in one text: an alert, a list of alerts, either in envelopes, or several of these."""
    return _open(text, place, delivery, 0, limits)


def read_stream(text: Text, place: str, delivery: str | None, limits: FileLimits) -> Iterator[EventItem]:
    """Read the alert documents in a text that is read block by block."""
    return _open_values(text, place, delivery, 0, limits)


def _open(
    text: str | bytes, place: str, delivery: str | None, depth: int, limits: FileLimits = _LIMITS
) -> Iterator[EventItem]:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            yield from _open_values(Text(text), place, delivery, depth, limits)
            return
    if not text.lstrip().startswith("["):
        try:
            value = parse(text)
        except StrictJsonError:
            # Not JSON, or several values.
            pass
        else:
            yield from _open_value(value, text, place, delivery, depth)
            return
    yield from _open_values(Text(text), place, delivery, depth, limits)


def _open_values(
    text: Text, place: str, delivery: str | None, depth: int, limits: FileLimits = _LIMITS
) -> Iterator[EventItem]:
    for number, item in enumerate(read_values(text, place, delivery, limits.record_bytes), 1):
        if limits.n_records is not None and number > limits.n_records:
            yield unreadable("", place, delivery, too_many(limits.n_records))
            return
        if isinstance(item, Value):
            if item.is_item:
                yield from _unwrap(item.value, item.text, item.place, delivery, depth + 1)
            else:
                yield from _open_value(item.value, item.text, item.place, delivery, depth)
        else:
            yield item


def _open_value(value: Any, text: str, place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    if isinstance(value, str) and depth < MAX_ENVELOPES:
        # A JSON string: a batch stores an original with line breaks in this form.
        yield from _open(value, place, delivery, depth + 1)
    else:
        yield from _unwrap(value, text, place, delivery, depth)


def _unwrap(value: Any, text: str | None, place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    """Unwrap a parsed value. `text` is its JSON text; None where only the parsed value is known."""
    if isinstance(value, dict):
        inner = _envelope(value, place, delivery, depth + 1)
        if inner is not None:
            if depth < MAX_ENVELOPES:
                yield from inner
            else:
                body = text if text is not None else exact_text(value)
                refusal = Refusal(place, "$", f"an envelope in {depth} others", f"at most {MAX_ENVELOPES} envelopes")
                yield AlertDocument(body, place, delivery, refusal=refusal)
            return
    elif depth < MAX_ENVELOPES:
        if isinstance(value, list):
            for i, item in enumerate(value):
                yield from _unwrap(item, None, f"{place}[{i}]", delivery, depth + 1)
            return
        if isinstance(value, str) and text is None:
            yield from _open(value, place, delivery, depth + 1)
            return
    if text is not None:
        yield AlertDocument(text, place, delivery, value)
        return
    try:
        yield AlertDocument(exact_text(value), place, delivery)
    except (RecursionError, TypeError, ValueError):
        yield AlertDocument(repr(value), place, delivery)


def _envelope(value: dict[str, Any], place: str, delivery: str | None, depth: int) -> Iterator[EventItem] | None:
    records = value.get("Records")
    if isinstance(records, list):
        return _records(records, place, delivery, depth)
    if value.get("Type") == "Notification" and isinstance(value.get("Message"), str):
        return _open(value["Message"], _place_of(place, "SNS message", value.get("MessageId")), delivery, depth)
    if "detail-type" in value and isinstance(value.get("detail"), (dict, list)):
        return _event_bridge(value, _place_of(place, "EventBridge event", value.get("id")), delivery, depth)
    if "requestPayload" in value and "requestContext" in value:
        context = value["requestContext"]
        request = context.get("requestId") if isinstance(context, dict) else None
        return _unwrap(value["requestPayload"], None, _place_of(place, "failed invocation", request), delivery, depth)
    if value.get("record") == SET_ASIDE_RECORD:
        return _set_aside(value, place, delivery, depth)
    if value.get("Event") == "s3:TestEvent":
        return iter(())
    return None


def _records(records: list[Any], place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    for i, record in enumerate(records):
        at = f"{place} record {i}"
        source = (record.get("eventSource") or record.get("EventSource")) if isinstance(record, dict) else None
        if source == "aws:sqs" and isinstance(record.get("body"), str):
            message = record.get("messageId")
            whose = delivery if delivery is not None else message if isinstance(message, str) else None
            yield from _open(record["body"], _place_of(place, "SQS message", message, at), whose, depth)
        elif (
            source == "aws:sns"
            and isinstance(record.get("Sns"), dict)
            and isinstance(record["Sns"].get("Message"), str)
        ):
            message = record["Sns"].get("MessageId")
            yield from _open(record["Sns"]["Message"], _place_of(place, "SNS message", message, at), delivery, depth)
        elif source == "aws:s3" and isinstance(record.get("s3"), dict):
            if str(record.get("eventName", "")).removeprefix("s3:").startswith("ObjectCreated"):
                yield from _object(record["s3"], True, record, at, delivery)
        else:
            yield from _unwrap(record, None, at, delivery, depth)


def _set_aside(value: dict[str, Any], place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    records = value.get("records")
    if not isinstance(records, list):
        yield from _set_aside_record(value, place, delivery, depth)
        return
    for i, record in enumerate(records):
        at = f"{place} record {i}"
        if isinstance(record, dict):
            yield from _set_aside_record(record, at, delivery, depth)
        else:
            yield AlertDocument(exact_text(record), at, delivery)


def _set_aside_record(record: dict[str, Any], place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    whole = _body_of(record, "body")
    if whole is not None:
        yield from _open(whole, place, delivery, depth)
        return
    beginning = _body_of(record, "beginning")
    if beginning is None:
        yield AlertDocument(exact_text(record), place, delivery)
        return
    where, *rest = (str(record.get(name, "")) for name in ("place", "field", "value", "expected"))
    yield AlertDocument(beginning, where, delivery, refusal=Refusal(where, *rest), is_beginning=True)


def _body_of(record: dict[str, Any], name: str) -> str | bytes | None:
    """The body or beginning of a set-aside record: text, or bytes that are not text."""
    text, encoded = record.get(name), record.get(f"{name}_base64")
    if isinstance(text, str):
        return text
    if not isinstance(encoded, str):
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        return None


def _event_bridge(value: dict[str, Any], place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    if value.get("source") == "aws.s3":
        if value["detail-type"] == "Object Created":
            yield from _object(value["detail"], False, value, place, delivery)
        return
    yield from _unwrap(value["detail"], None, place, delivery, depth)


def _object(s3: Any, encoded: bool, event: dict[str, Any], place: str, delivery: str | None) -> Iterator[EventItem]:
    bucket = s3.get("bucket") if isinstance(s3, dict) else None
    found = s3.get("object") if isinstance(s3, dict) else None
    name = bucket.get("name") if isinstance(bucket, dict) else None
    key = found.get("key") if isinstance(found, dict) else None
    if not isinstance(name, str) or not isinstance(key, str) or not isinstance(found, dict):
        yield AlertDocument(exact_text(event), place, delivery)
        return
    # S3's own notifications encode the key, EventBridge's do not.
    key = unquote_plus(key) if encoded else key
    version = found.get("versionId") or found.get("version-id")
    yield ObjectPointer(name, key, version if isinstance(version, str) else None, f"s3://{name}/{key}", delivery)


def _place_of(place: str, what: str, identity: object, otherwise: str | None = None) -> str:
    if isinstance(identity, str) and identity:
        return f"{what} {identity[:128]}" if place == "event" else f"{place}: {what} {identity[:128]}"
    return otherwise if otherwise is not None else f"{place}: {what}"
