"""The ports of a live detector: what it reads, and who is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from anomalake.detection.learning import HistorySource
from anomalake.errors import AnomalakeError
from anomalake.groups.grouping import Group
from anomalake.model.metrics import Metrics


class IntervalError(AnomalakeError, ValueError):
    """An interval's data that cannot be used: what, where, and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """What was read of one interval.

    Attributes
    ----------
    metrics
        With one time.
    rows, bad_rows
        How many rows were used, and how many could not be.
    reasons
        What was wrong, a line each.
    """

    metrics: Metrics
    rows: int
    bad_rows: int = 0
    reasons: tuple[str, ...] = ()


class LiveSource(HistorySource, Protocol):
    """Where a live detector reads."""

    def interval(self, start: datetime) -> Interval:
        """Read one interval.

        Raises
        ------
        IntervalError
            There is nothing that can be used.
        StoreError
            The place does not answer; it may next time.
        """
        ...


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """What became of alerts.

    Attributes
    ----------
    delivered, undelivered
        Numbers by the alert's name.
    reasons
        Why some were not delivered, a line each.
    """

    delivered: Mapping[str, int] = field(default_factory=dict)
    undelivered: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    def __add__(self, other: DeliverySummary) -> DeliverySummary:
        return DeliverySummary(
            dict(Counter(self.delivered) + Counter(other.delivered)),
            dict(Counter(self.undelivered) + Counter(other.undelivered)),
            (*self.reasons, *other.reasons),
        )

    @property
    def delivered_in_all(self) -> int:
        """Of all alerts."""
        return sum(self.delivered.values())

    @property
    def undelivered_in_all(self) -> int:
        """Of all alerts."""
        return sum(self.undelivered.values())


class Notifier(Protocol):
    """Tells people and functions of groups; nothing twice, however often it is asked."""

    def tell(self, groups: Sequence[Group], start: datetime) -> DeliverySummary:
        """Send what the groups call for in the interval that begins at `start`; raises `StoreError`."""
        ...
