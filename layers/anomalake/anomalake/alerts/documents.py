"""The text of one alert, its place, and the reason why it was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from anomalake.alerts.bounds import MAX_ALERT
from anomalake.errors import AnomalakeError

UNPARSED: Final = object()


@dataclass(frozen=True, slots=True)
class AlertDocument:
    """The text of one alert, not read yet.

    Attributes
    ----------
    body
        The text, or bytes that are not UTF-8.
    place
        Origin, for messages: ``alerts.jsonl:17``, ``SQS message 1f0c…``.
    delivery
        Id of the outermost delivery (SQS message id), for reporting a failure.
    value
        The parsed body, where the envelope's reader has parsed it.
    refusal
        Why the document is refused without being read; None: it is read.
    is_beginning
        Whether `body` is only the beginning of a record that is too large, or of an object that cannot be read.
    """

    body: str | bytes
    place: str
    delivery: str | None = None
    value: object = field(default=UNPARSED, compare=False, repr=False)
    refusal: Refusal | None = field(default=None, compare=False, repr=False)
    is_beginning: bool = False

    def text(self) -> str:
        """Return the body as text; raises `Refusal` if it is too long or not UTF-8."""
        body = self.body
        if len(body) > MAX_ALERT:
            raise Refusal(self.place, "$", f"{len(body):,} characters", f"at most {MAX_ALERT:,}")
        if isinstance(body, str):
            return body
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"byte 0x{body[error.start]:02x} at {error.start:,}"
            raise Refusal(self.place, "$", found, "UTF-8") from error


@dataclass(frozen=True, slots=True)
class ObjectPointer:
    """An S3 object with alerts, named by an object-created event."""

    bucket: str
    key: str
    version_id: str | None
    place: str
    delivery: str | None = None


class Refusal(AnomalakeError, ValueError):
    """A refused record: the reason why it is not an alert.

    Parameters
    ----------
    place
        File and line, or message.
    field
        Path of the field, ``impactedMetric.relevantTimeSeries[0].metricValue``; ``$`` for the record itself.
    value
        Value found there, shortened.
    expected
        Value that was expected.
    """

    def __init__(self, place: str, field: str, value: str, expected: str) -> None:
        self.place = place
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"{place}: {field}: {value}: expected {expected}")
