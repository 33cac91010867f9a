"""The port to a delivery channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from anomalake.errors import AnomalakeError

JSON, LONG_TEXT, SHORT_TEXT = "JSON", "LONG_TEXT", "SHORT_TEXT"


class ChannelError(AnomalakeError):
    """A message was not delivered, or its delivery is uncertain.

    Attributes
    ----------
    retryable
        Whether a later attempt may succeed.
    uncertain
        Whether the message may have arrived, as when there was no response.
    """

    def __init__(self, reason: str, *, retryable: bool, uncertain: bool = False) -> None:
        self.retryable = retryable
        self.uncertain = uncertain
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Message:
    """A text, and a subject if the format has one."""

    text: str
    subject: str | None = None


class Channel(Protocol):
    """A destination of alerts, such as a Lambda function or an SNS topic."""

    @property
    def name(self) -> str:
        """Address of the channel, for messages and for the ledger."""
        ...

    @property
    def format(self) -> str:
        """``JSON``, ``LONG_TEXT`` or ``SHORT_TEXT``."""
        ...

    @property
    def most_bytes(self) -> int:
        """Maximum size of a text, in bytes of UTF-8."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether the recipient recognises a repeated message, as anomalake's ingest does."""
        ...

    @property
    def stores(self) -> bool:
        """Whether the recipient is the lake of the detector: it gets corrected alerts, and withdrawals."""
        ...

    def send(self, message: Message) -> None:
        """Send a message once; return when it was accepted; raises `ChannelError`."""
        ...
