"""Causes: documents that say which root causes the groups of alerts have (docs/adr/0017)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from anomalake.alerts.bounds import MAX_ID, MAX_NAME
from anomalake.alerts.documents import AlertDocument
from anomalake.alerts.fields import MISSING, InvalidField, detector_of, dimensions_of, each_of, text_of, timestamp_of
from anomalake.alerts.model import Cause
from anomalake.alerts.record_documents import read_record, zoned_text
from anomalake.alerts.timestamps import ZonedTimestamp

#: Value of the field ``record`` of a document of causes.
CAUSES_RECORD = "anomalake/causes"
#: Greatest sequence.
MOST_SEQUENCE = 2**53
#: Most causes of a group in one interval.
MOST_CAUSES = 1_000

# Of numbers.
_MOST = Decimal("1e300")


@dataclass(frozen=True, slots=True)
class GroupCauses:
    """The root causes of an anomaly group in one interval, the best first.

    Attributes
    ----------
    timestamp
        Start of the interval.
    """

    anomaly_group_id: str
    metric_name: str
    timestamp: ZonedTimestamp
    causes: tuple[Cause, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """Group, measure and start."""
        return self.anomaly_group_id, self.metric_name, self.timestamp.utc.isoformat()

    @property
    def day(self) -> str:
        """UTC date of the interval's start, ``YYYY-MM-DD``."""
        return self.timestamp.utc.strftime("%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class CausesDocument:
    """A document of causes.

    Attributes
    ----------
    detector_arn, detector
        ARN of the detector of the groups, and its name.
    sequence
        Of the documents that name an interval of a group, the one with the greatest sequence decides: a number from 1.
    groups
        Intervals of groups with their causes, which may be none.
    digest
        SHA-256 of the document's canonical JSON; of equal sequences, the greatest digest decides.
    original
        The text that the document was read from, unchanged.
    """

    detector_arn: str
    detector: str
    sequence: int
    groups: tuple[GroupCauses, ...]
    digest: str
    original: str


def read_causes(document: AlertDocument) -> CausesDocument | None:
    """Read a document of causes; None for any other document.

    Raises
    ------
    Refusal
        The document is invalid: field, value, and what was expected.
    """
    return read_record(document, CAUSES_RECORD, _document)


def causes_text(detector_arn: str, sequence: int, groups: Iterable[GroupCauses]) -> str:
    """Write a document of causes as one line of ASCII JSON; equal texts for equal sets of groups."""
    named = {group.key: group for group in groups}
    document = {
        "record": CAUSES_RECORD,
        "anomalyDetectorArn": detector_arn,
        "sequence": sequence,
        "groups": [_fields(group) for _, group in sorted(named.items())],
    }
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _fields(group: GroupCauses) -> dict[str, Any]:
    return {
        "anomalyGroupId": group.anomaly_group_id,
        "metricName": group.metric_name,
        "timestamp": zoned_text(group.timestamp),
        "causes": [
            {
                "dimensions": [{"dimensionName": name, "dimensionValue": value} for name, value in cause.dimensions],
                "shareOff": cause.share_off,
                "explained": cause.explained,
                "gain": cause.gain,
            }
            for cause in group.causes
        ],
    }


def _document(value: dict[str, Any], digest: str, text: str) -> CausesDocument:
    arn, detector = detector_of(value)
    sequence = value.get("sequence", MISSING)
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 1 <= sequence <= MOST_SEQUENCE:
        raise InvalidField("sequence", sequence, f"a whole number from 1 to {MOST_SEQUENCE:,}")
    groups = each_of(value, "groups", _group)
    known: set[tuple[str, str, str]] = set()
    for number, group in enumerate(groups):
        if group.key in known:
            raise InvalidField(f"groups[{number}]", group.anomaly_group_id, "each interval of a group once")
        known.add(group.key)
    return CausesDocument(arn, detector, sequence, tuple(groups), digest, text)


def _group(value: dict[str, Any]) -> GroupCauses:
    group_id, metric_name = text_of(value, "anomalyGroupId", MAX_ID), text_of(value, "metricName", MAX_NAME)
    timestamp = timestamp_of(value)
    causes = each_of(value, "causes", _cause)
    if len(causes) > MOST_CAUSES:
        raise InvalidField("causes", value["causes"], f"a list of at most {MOST_CAUSES:,}")
    return GroupCauses(group_id, metric_name, timestamp, tuple(causes))


def _cause(value: dict[str, Any]) -> Cause:
    share_off = None if value.get("shareOff") is None else _number(value, "shareOff")
    return Cause(dimensions_of(value), share_off, _number(value, "explained"), _number(value, "gain"))


def _number(within: dict[str, Any], key: str) -> float:
    value = within.get(key, MISSING)
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool) or not abs(Decimal(value)) <= _MOST:
        raise InvalidField(key, value, "a number of at most 10^300 in size")
    return float(value)
