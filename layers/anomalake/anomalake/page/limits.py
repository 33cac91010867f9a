"""Limits of the page, so that its file stays small and opens fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum numbers; what exceeds them is counted, added up or omitted, and noted on the page.

    Attributes
    ----------
    group intervals
        Group intervals, the most severe ones.
    affected, contributions
        Rows of these group intervals.
    numbers
        Numbers over time of all detectors: observed and expected values with their ranges.
    series
        Combinations of dimension values that are shown separately, for each detector.
    groups, intervals, runs
        Records that are read, divided among the detectors: parts of groups, judged intervals, intervals with their
        runs; the newest ones of each detector.
    whole_bytes
        Size of a lake's table in bytes up to which all of it is read; of a larger one the most severe group intervals
        are queried.
    """

    group_intervals: int = 100_000
    affected: int = 300_000
    contributions: int = 1_000_000
    numbers: int = 2_500_000
    series: int = 200
    groups: int = 10_000
    intervals: int = 5_000
    runs: int = 5_000
    whole_bytes: int = 100_000_000


DEFAULT: Final = Limits()
#: Maximum and minimum number of intervals whose runs are read for a detector.
MOST_RUNS: Final = 500
_LEAST_RUNS: Final = 48
_LEAST: Final = 100


def runs_each(limits: Limits, detectors: int) -> int:
    """Number of intervals whose runs are read for each detector."""
    return min(MOST_RUNS, max(_LEAST_RUNS, limits.runs // max(1, detectors)))


def each(limit: int, detectors: int) -> int:
    """Number of records that are read for each detector."""
    return max(min(_LEAST, limit), limit // max(1, detectors))
