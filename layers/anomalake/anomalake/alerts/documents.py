"""Text that should be an alert, where it came from, and why it was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from anomalake.errors import AnomalakeError

UNPARSED: Final = object()


@dataclass(frozen=True, slots=True)
class AlertDocument:
    """One text that should be one alert.

    Attributes
    ----------
    body
        The text, or the bytes that would not decode.
    place
        Where it came from, for people: ``alerts.jsonl:17``, ``SQS message 1f0c…``.
    delivery
        Id of the outermost delivery (SQS message id) that a failure is reported to.
    value
        The parsed body, where reading the envelope has parsed it already.
    """

    body: str | bytes
    place: str
    delivery: str | None = None
    value: object = field(default=UNPARSED, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ObjectPointer:
    """An S3 object that holds alerts, as an object-created event names it."""

    bucket: str
    key: str
    version_id: str | None
    place: str
    delivery: str | None = None


class Refusal(AnomalakeError, ValueError):
    """An input that is no alert, and why.

    Parameters
    ----------
    place
        File and line, or message.
    field
        Path of the field, ``impactedMetric.relevantTimeSeries[0].metricValue``; ``$`` for the whole.
    value
        What stood there, shortened.
    expected
        What should have stood there.
    """

    def __init__(self, place: str, field: str, value: str, expected: str) -> None:
        self.place = place
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"{place}: {field}: {value}: expected {expected}")
