"""How long after an interval its file arrives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from anomalake.definitions.metric_set_fields import LONGEST_OFFSET
from anomalake.sources.guessing.guess import Guess

# Intervals that tell something.
_FEWEST: Final = 3
# Files that tell it for sure.
_MANY: Final = 10
_MINUTE: Final = 60
_HOUR: Final = 3_600


def offset_of(arrivals: Sequence[tuple[datetime, datetime]]) -> Guess[int | None]:
    """Guess the Offset: the seconds after the end of an interval at which all of its files are there.

    Parameters
    ----------
    arrivals
        For each file the end of its interval, and when the file was written.
    """
    if len({end for end, _ in arrivals}) < _FEWEST:
        return Guess(None, 0.0, f"the files of {_FEWEST} intervals or more would tell when data arrive")
    latest = max((written - end).total_seconds() for end, written in arrivals)
    first, last = min(arrivals), max(arrivals)
    if last[1] - first[1] < 0.5 * (last[0] - first[0]):
        return Guess(0, 0.3, "the files were written at one time, which does not tell when data arrive")
    if latest > LONGEST_OFFSET:
        return Guess(
            LONGEST_OFFSET, 0.3, f"files were written more than {LONGEST_OFFSET:,} seconds after their intervals"
        )
    if latest < -_HOUR:
        return Guess(0, 0.3, "files were written before their intervals, so that their folders may not be in UTC")
    offset = max(0, math.ceil(latest / _MINUTE) * _MINUTE)
    why = f"the latest of {len(arrivals)} files was written {latest:,.0f} seconds after its interval"
    return Guess(offset, 0.85 if len(arrivals) >= _MANY else 0.6, why)
