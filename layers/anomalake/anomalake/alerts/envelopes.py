"""Envelopes of alerts: SQS, SNS, EventBridge, S3 events, lists, files. No other module reads envelopes."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from anomalake.alerts.documents import AlertDocument, ObjectPointer
from anomalake.alerts.strict_json import StrictJsonError, array_items, exact_text, parse

MAX_ENVELOPES = 8
#: Value of the field ``record`` of a set-aside record. A replay reads its body again.
SET_ASIDE_RECORD = "anomalake/set-aside"
_GZIP = b"\x1f\x8b"
_LINES = (".jsonl", ".ndjson", ".jsonlines")

EventItem = AlertDocument | ObjectPointer


def read_event(event: Any, place: str = "event") -> Iterator[EventItem]:
    """Read the alert documents in the event of an invocation, in any envelope or in none.

    A value without a known envelope is returned as a document, which `read_alert` accepts or refuses.
    """
    return _unwrap(event, None, place, None, 0)


def read_text(text: str | bytes, place: str, delivery: str | None = None) -> Iterator[EventItem]:
    """Read the alert documents in one text: an alert, a list of alerts, or either in envelopes."""
    return _open(text, place, delivery, 0)


def read_lines(lines: Iterable[bytes], name: str, delivery: str | None = None, first: int = 1) -> Iterator[EventItem]:
    """Read the alert documents in JSON lines, numbered from `first`; blank lines are ignored."""
    for number, line in enumerate(lines, first):
        bare = line.strip()
        if bare:
            yield from _open(bare, f"{name}:{number}", delivery, 0)


def read_file(name: str, body: bytes, delivery: str | None = None) -> Iterator[EventItem]:
    """Read the alert documents in a file: JSON or JSON lines, either gzipped; a ``.json`` file may hold lines."""
    if body.startswith(_GZIP):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            yield AlertDocument(body, name, delivery)
            return
    stem = name.removesuffix(".gz")
    if stem.endswith(_LINES) or _looks_like_lines(body):
        yield from read_lines(body.split(b"\n"), name, delivery)
    else:
        yield from _open(body.removeprefix(b"\xef\xbb\xbf"), name, delivery, 0)


def _looks_like_lines(body: bytes) -> bool:
    first, newline, rest = body.strip().partition(b"\n")
    begins = (b"{", b'"', b"[")
    if not newline or not first.startswith(begins) or not rest.lstrip().startswith(begins):
        return False
    try:
        parse(first.decode("utf-8"))
    except (StrictJsonError, UnicodeDecodeError):
        return False
    return True


def _open(text: str | bytes, place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            yield AlertDocument(text, place, delivery)
            return
    try:
        value = parse(text)
    except StrictJsonError:
        yield AlertDocument(text, place, delivery)
        return
    if isinstance(value, list):
        items = array_items(text) or []
        for i, (item, parsed) in enumerate(items):
            yield from _unwrap(parsed, item, f"{place}[{i}]", delivery, depth + 1)
    elif isinstance(value, str) and depth < MAX_ENVELOPES:
        # A JSON string: a batch stores an original with line breaks in this form.
        yield from _open(value, place, delivery, depth + 1)
    else:
        yield from _unwrap(value, text, place, delivery, depth)


def _unwrap(value: Any, text: str | None, place: str, delivery: str | None, depth: int) -> Iterator[EventItem]:
    """Unwrap a parsed value. `text` is its JSON text; None where only the parsed value is known."""
    if depth < MAX_ENVELOPES:
        if isinstance(value, dict):
            inner = _envelope(value, place, delivery, depth + 1)
            if inner is not None:
                yield from inner
                return
        elif isinstance(value, list):
            for i, item in enumerate(value):
                yield from _unwrap(item, None, f"{place}[{i}]", delivery, depth + 1)
            return
        elif isinstance(value, str) and text is None:
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
    body, encoded = value.get("body"), value.get("body_base64")
    if isinstance(body, str):
        return _open(body, place, delivery, depth)
    try:
        return _open(base64.b64decode(encoded or "", validate=True), place, delivery, depth)
    except (ValueError, TypeError):
        return iter([AlertDocument(exact_text(value), place, delivery)])


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
