"""The message of a due alert, in the format of a channel."""

from __future__ import annotations

from anomalake.definitions.detector import AlertRule, Detector
from anomalake.notify.alert_json import alert_body, alert_text
from anomalake.notify.channel import JSON, LONG_TEXT, SHORT_TEXT, Message
from anomalake.notify.rules import Due
from anomalake.notify.texts import long_text, short_text, subject


def message_of(due: Due, rule: AlertRule, detector: Detector, format_: str, most_bytes: int, page: str = "") -> Message:
    """Write a due alert in one of L4M's formats, in at most `most_bytes` of UTF-8.

    Raises
    ------
    AlertTooLargeError
        It cannot be made small enough.
    """
    group, interval = due.group, due.interval
    if format_ == LONG_TEXT:
        text = long_text(group, interval, rule, detector, page=page, most_bytes=most_bytes)
        return Message(text, subject(group, interval, detector))
    if format_ == SHORT_TEXT:
        return Message(short_text(group, interval, detector))
    if format_ == JSON:
        return Message(alert_text(alert_body(group, interval, rule, detector, page=page), most_bytes))
    raise ValueError(f"format {format_!r}: expected {JSON}, {LONG_TEXT} or {SHORT_TEXT}")
