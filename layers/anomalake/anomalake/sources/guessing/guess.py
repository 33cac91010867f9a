"""A guess: a value, how sure it is, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Value_co = TypeVar("Value_co", covariant=True)

#: Guesses below this confidence are ones that a person is asked about.
SURE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Guess(Generic[Value_co]):
    """A value that was guessed.

    Attributes
    ----------
    value
        The value.
    confidence
        0 to 1: the share of such guesses that are expected to be right. 1: it was stated, or cannot be otherwise.
    evidence
        What it was guessed from, in a few words.
    """

    value: Value_co
    confidence: float
    evidence: str

    @property
    def is_sure(self) -> bool:
        """Whether the user need not be asked."""
        return self.confidence >= SURE


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a table that its reader should know.

    Attributes
    ----------
    kind
        Its name, such as ``gaps``.
    text
        One line: what, where, and what follows.
    """

    kind: str
    text: str
