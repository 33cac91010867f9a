"""The port to whoever is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from anomalake.errors import AnomalakeError

JSON, LONG_TEXT, SHORT_TEXT = "JSON", "LONG_TEXT", "SHORT_TEXT"


class ChannelError(AnomalakeError):
    """A message was not delivered, or may not have been.

    Attributes
    ----------
    retryable
        Whether it may go through a little later.
    uncertain
        Whether it may have arrived all the same, as when no answer came.
    """

    def __init__(self, reason: str, *, retryable: bool, uncertain: bool = False) -> None:
        self.retryable = retryable
        self.uncertain = uncertain
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: a text, and a subject where the format has one."""

    text: str
    subject: str | None = None


class Channel(Protocol):
    """One way to tell, with its address."""

    @property
    def name(self) -> str:
        """Kind and address, for people and for the ledger."""
        ...

    @property
    def format(self) -> str:
        """``JSON``, ``LONG_TEXT`` or ``SHORT_TEXT``."""
        ...

    @property
    def most_bytes(self) -> int:
        """Largest text it takes, in bytes of UTF-8."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether who receives the same message twice knows it for a repeat, as anomalake's ingest does."""
        ...

    def send(self, message: Message) -> None:
        """Hand a message over, once; return when it was taken; raises `ChannelError`."""
        ...
