"""Events: the times and kinds of anomalies, at most one at a time in a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

#: Kinds of events; the easy shop has the first only.
KINDS: Final = ("shift", "small", "slow", "level_shift", "views_only", "revenue_only")
SHIFT, SMALL, SLOW, LEVEL_SHIFT, VIEWS_ONLY, REVENUE_ONLY = range(len(KINDS))

#: Longest anomaly in intervals, except for slow ones.
LONGEST: Final = 5
SLOW_LENGTHS: Final = (12, 48)

#: Share of each kind among the hard shop's events.
HARD_SHARES: Final = (0.40, 0.20, 0.15, 0.05, 0.10, 0.10)

Rng = np.random.Generator
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Labelled events, each array of shape (events,), ordered by series and start.

    Attributes
    ----------
    combination
        Index into `Metrics.combinations`.
    first, last
        Indices into `Metrics.starts` of its first and last interval.
    kind
        Index into `KINDS`.
    amount
        Its effect: views added at its peak (``shift``, ``small``, ``slow``, ``views_only``), or the factor of the level
        (``level_shift``) or of the revenue (``revenue_only``).
    """

    combination: Ints
    first: Ints
    last: Ints
    kind: Ints
    amount: Floats

    def __len__(self) -> int:
        return len(self.first)

    def kept(self, keep: npt.NDArray[np.bool_]) -> Events:
        """Select events by a mask."""
        return Events(self.combination[keep], self.first[keep], self.last[keep], self.kind[keep], self.amount[keep])

    def points(self) -> tuple[Ints, Ints, Ints]:
        """All intervals of all events: number of the event, combination, interval."""
        lengths = self.last - self.first + 1
        event = np.repeat(np.arange(len(self)), lengths)
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return event, self.combination[event], self.first[event] + np.arange(len(event)) - before


def no_events() -> Events:
    """No events."""
    none = np.zeros(0, np.int64)
    return Events(none, none, none, none, np.zeros(0))


def joined(parts: list[Events], first_combinations: list[int]) -> Events:
    """Concatenate the events of blocks of series; combinations are counted from the first of each block."""
    if not parts:
        return no_events()
    return Events(
        np.concatenate([part.combination + k for part, k in zip(parts, first_combinations, strict=True)]),
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.last for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.amount for part in parts]),
    )


def draw_events(
    rng: Rng, n_series: int, n_intervals: int, probability: float, shares: tuple[float, ...] = (1.0,)
) -> Events:
    """Draw events, which start with a given probability in each interval without one; amounts are from 0 to 1.

    Between two events of a series there is at least one interval without an event.
    """
    usual = n_intervals * probability
    most = int(usual + 8 * np.sqrt(usual) + 16)
    gaps = 1 + np.floor(np.log1p(-rng.random((n_series, most))) / np.log1p(-probability)).astype(np.int64)
    kinds = np.searchsorted(np.cumsum(shares)[:-1], rng.random((n_series, most)), side="right")
    drawn = rng.random((n_series, most))
    shortest, longest = SLOW_LENGTHS
    lengths = np.where(
        kinds == SLOW,
        shortest + np.floor(drawn * (longest - shortest + 1)),
        np.where(kinds == LEVEL_SHIFT, LONGEST, 1 + np.floor(drawn * LONGEST)),
    ).astype(np.int64)
    firsts = np.cumsum(gaps + lengths, axis=1) - lengths
    series, number = np.nonzero(firsts < n_intervals)
    first = firsts[series, number]
    return Events(
        combination=series,
        first=first,
        last=np.minimum(first + lengths[series, number], n_intervals) - 1,
        kind=kinds[series, number],
        amount=rng.random((n_series, most))[series, number],
    )
