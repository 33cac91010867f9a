"""Limits of the page's detail, so that its file stays small and opens fast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Most detail of the page; what is beyond is counted, added up or left out, and a note says so.

    Attributes
    ----------
    group_intervals
        Groups in single intervals, the most severe ones.
    affected, contributions
        Rows of affected metrics and of contributions of these group intervals.
    numbers
        Numbers over time of all detectors together: observed values, and expected values with their ranges.
    series
        Combinations of dimension values with values of their own, for each detector.
    groups, intervals, runs
        Records that are read of all detectors together, the newest ones of each detector: parts of groups, intervals,
        and intervals whose executions are read.
    whole_bytes
        Size of the table of alerts up to which all its rows are read; of a larger table, only the most severe group
        intervals are.
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

# Most and fewest intervals of one detector whose executions are read.
_MOST_RUNS: Final = 500
_LEAST_RUNS: Final = 48
# Fewest records of one detector.
_LEAST_RECORDS: Final = 100


def runs_each(limits: Limits, detectors: int) -> int:
    """Return the number of intervals whose executions are read, for each of so many detectors."""
    return min(_MOST_RUNS, max(_LEAST_RUNS, limits.runs // max(1, detectors)))


def records_each(limit: int, detectors: int) -> int:
    """Return the number of records that are read of each of so many detectors."""
    return max(min(_LEAST_RECORDS, limit), limit // max(1, detectors))


def halve(limits: Limits) -> Limits:
    """Return limits with half the detail of what is read."""
    return replace(
        limits,
        group_intervals=max(1, limits.group_intervals // 2),
        affected=max(1, limits.affected // 2),
        contributions=max(1, limits.contributions // 2),
        numbers=max(1, limits.numbers // 2),
        series=max(1, limits.series // 2),
    )
