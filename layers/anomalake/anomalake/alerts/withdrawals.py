"""Withdrawals: documents that say which alerts no longer hold (docs/adr/0010)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from anomalake.alerts.bounds import MAX_ID, MAX_NAME
from anomalake.alerts.documents import AlertDocument
from anomalake.alerts.fields import InvalidField, detector_of, each_of, optional_text_of, text_of, timestamp_of
from anomalake.alerts.model import Alert
from anomalake.alerts.reading import alert_id
from anomalake.alerts.record_documents import read_record, zoned_text
from anomalake.alerts.timestamps import ZonedTimestamp

#: Value of the field ``record`` of a withdrawal.
WITHDRAWAL_RECORD = "anomalake/withdrawal"

_SEQUENCE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_A_SEQUENCE = "a time in UTC with six decimals, such as 2026-11-27T02:41:01.123456Z"


@dataclass(frozen=True, slots=True)
class AlertBody:
    """One body of an alert: the alert's identity, and the digest of the body (`Alert.digest`)."""

    alert_event_id: str
    metric_name: str
    timestamp: ZonedTimestamp
    digest: str

    @classmethod
    def of(cls, alert: Alert) -> AlertBody:
        """Return the body of an alert."""
        return cls(alert.alert_event_id, alert.metric_name, alert.timestamp, alert.digest)

    @property
    def alert_id(self) -> str:
        """Identity of the alert, as in `Alert.alert_id`."""
        return alert_id(self.alert_event_id, self.metric_name, self.timestamp)

    @property
    def key(self) -> tuple[str, str]:
        """Identity and digest."""
        return self.alert_id, self.digest

    @property
    def day(self) -> str:
        """UTC date of the interval's start, ``YYYY-MM-DD``."""
        return self.timestamp.utc.strftime("%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A body of an alert that a lake has, and who made it."""

    body: AlertBody
    detector_arn: str
    anomaly_group_id: str | None
    alert_name: str | None

    @classmethod
    def of(cls, alert: Alert) -> StoredAlert:
        """Return the stored form of an alert."""
        return cls(AlertBody.of(alert), alert.detector_arn, alert.anomaly_group_id, alert.alert_name)

    @property
    def start(self) -> datetime:
        """Start of the alert's interval."""
        return self.body.timestamp.utc.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal.

    Attributes
    ----------
    detector_arn, detector
        ARN of the detector of the alerts, and its name.
    sequence
        Of the documents that name a body, the one with the greatest sequence decides: a time in UTC as fixed-width
        text.
    reason
        Why, for people.
    withdrawn, reinstated
        Bodies that no longer hold, and bodies that hold again.
    digest
        SHA-256 of the document's canonical JSON; of equal sequences, the greatest digest decides.
    original
        The text that the document was read from, unchanged.
    """

    detector_arn: str
    detector: str
    sequence: str
    reason: str | None
    withdrawn: tuple[AlertBody, ...]
    reinstated: tuple[AlertBody, ...]
    digest: str
    original: str


def read_withdrawal(document: AlertDocument) -> Withdrawal | None:
    """Read a withdrawal; None for any other document.

    Raises
    ------
    Refusal
        The document is an invalid withdrawal: field, value, and what was expected.
    """
    return read_record(document, WITHDRAWAL_RECORD, _withdrawal)


def withdrawal_text(
    detector_arn: str,
    sequence: str,
    reason: str,
    withdrawn: Iterable[AlertBody] = (),
    reinstated: Iterable[AlertBody] = (),
) -> str:
    """Write a withdrawal as one line of ASCII JSON; equal texts for equal sets of bodies."""
    document = {
        "record": WITHDRAWAL_RECORD,
        "anomalyDetectorArn": detector_arn,
        "sequence": sequence,
        "reason": reason,
        "withdrawn": _fields(withdrawn),
        "reinstated": _fields(reinstated),
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"))


def sequence_after(now: datetime, latest: str | None) -> str:
    """Return the sequence of a run: its time, or the next one after the latest that it has read."""
    instant = now.astimezone(UTC)
    if latest is not None:
        instant = max(instant, datetime.fromisoformat(latest) + timedelta(microseconds=1))
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def body_to_fields(body: AlertBody) -> dict[str, str]:
    """Return a body of an alert as the fields of a withdrawal."""
    return {
        "alertEventId": body.alert_event_id,
        "metricName": body.metric_name,
        "timestamp": zoned_text(body.timestamp),
        "digest": body.digest,
    }


def body_from_fields(fields: dict[str, Any]) -> AlertBody:
    """Inverse of `body_to_fields`; raises ValueError for other fields."""
    try:
        return _body(fields)
    except InvalidField as invalid:
        raise ValueError(f"{invalid.field}: {invalid.value}: expected {invalid.expected}") from invalid


def _fields(bodies: Iterable[AlertBody]) -> list[dict[str, str]]:
    return [body_to_fields(body) for _, body in sorted({body.key: body for body in bodies}.items())]


def _withdrawal(value: dict[str, Any], digest: str, text: str) -> Withdrawal:
    arn, detector = detector_of(value)
    sequence = text_of(value, "sequence", 64)
    try:
        instant = datetime.fromisoformat(sequence) if _SEQUENCE.fullmatch(sequence) else None
    except ValueError:
        instant = None
    if instant is None:
        raise InvalidField("sequence", sequence, _A_SEQUENCE)
    withdrawn, reinstated = each_of(value, "withdrawn", _body), each_of(value, "reinstated", _body)
    both = {body.key for body in withdrawn}.intersection(body.key for body in reinstated)
    if both:
        raise InvalidField("reinstated", min(both)[1], "no alert that is withdrawn in the same document")
    return Withdrawal(
        detector_arn=arn,
        detector=detector,
        sequence=sequence,
        reason=optional_text_of(value, "reason"),
        withdrawn=tuple(withdrawn),
        reinstated=tuple(reinstated),
        digest=digest,
        original=text,
    )


def _body(value: dict[str, Any]) -> AlertBody:
    timestamp = timestamp_of(value)
    digest = text_of(value, "digest", 64)
    if _DIGEST.fullmatch(digest) is None:
        raise InvalidField("digest", digest, "64 hex digits")
    return AlertBody(text_of(value, "alertEventId", MAX_ID), text_of(value, "metricName", MAX_NAME), timestamp, digest)
