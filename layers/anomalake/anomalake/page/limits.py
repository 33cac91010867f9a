"""How much detail the page carries, so that its file stays small and opens fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so much of each; what is beyond is counted, added up or left out, and told.

    Attributes
    ----------
    moments
        Groups in single intervals, the most severe ones.
    affected, contributions
        Rows about these moments.
    numbers
        Numbers over time, of all detectors together: what was observed, and what was expected with its range.
    series
        Combinations of dimension values with values of their own, for each detector.
    groups, intervals, runs
        Records that are read of all detectors, shared out among them: parts of groups, judged intervals, intervals with
        their runs; of each detector the newest ones.
    whole_bytes
        Bytes of rows in a lake's table up to which it is read whole; of a larger one the most severe moments are asked
        for.
    """

    moments: int = 100_000
    affected: int = 300_000
    contributions: int = 1_000_000
    numbers: int = 2_500_000
    series: int = 200
    groups: int = 10_000
    intervals: int = 5_000
    runs: int = 5_000
    whole_bytes: int = 100_000_000


DEFAULT: Final = Limits()
#: Of how many intervals the runs are looked at, and of how many at least, however many detectors there are.
MOST_RUNS: Final = 500
_LEAST_RUNS: Final = 48
_LEAST: Final = 100


def runs_each(limits: Limits, detectors: int) -> int:
    """How many intervals' runs are read of each of so many detectors."""
    return min(MOST_RUNS, max(_LEAST_RUNS, limits.runs // max(1, detectors)))


def each(limit: int, detectors: int) -> int:
    """How many records are read of each of so many detectors."""
    return max(min(_LEAST, limit), limit // max(1, detectors))
