"""Distance between the rows of a history, compared with the frequency of its detector."""

from __future__ import annotations

import numpy as np

from anomalake.frequencies import FREQUENCIES
from anomalake.model.metrics import Metrics

# Fewest distances between intervals with rows that tell a typical one.
_FEWEST = 5
# A day or a week may be an hour shorter than usual.
_CLOCK_CHANGE = 3_600
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def spacing_problem(metrics: Metrics) -> str | None:
    """Return a line that says that rows are farther apart than the intervals of the detector; None if they are not.

    The typical distance is the median of the distances between consecutive intervals with a value, so gaps and
    weekends have no effect.
    """
    starts = metrics.starts.astype("datetime64[s]").astype(np.int64)
    with_rows = starts[metrics.has_value]
    if len(with_rows) <= _FEWEST:
        return None
    typical = int(np.median(np.diff(with_rows)))
    if typical < 1.5 * FREQUENCIES[metrics.frequency].seconds:
        return None
    fitting = [
        name
        for name, frequency in FREQUENCIES.items()
        if frequency.seconds >= typical - (_CLOCK_CHANGE if frequency.days else 0)
    ]
    return (
        f"{len(starts) - len(with_rows):,} of {len(starts):,} intervals have no rows: rows are typically "
        f"{_span(typical)} apart, and AnomalyDetectorFrequency is {metrics.frequency}; expected "
        + (fitting[0] if fitting else f"rows at most {_span(max(f.seconds for f in FREQUENCIES.values()))} apart")
    )


def _span(seconds: int) -> str:
    """A span in its largest unit with a whole number, such as ``7 days`` or ``90 minutes``."""
    days = round(seconds / 86_400)
    if days and abs(seconds - days * 86_400) <= _CLOCK_CHANGE:
        seconds = days * 86_400
    name, size = next((unit for unit in _UNITS if seconds % unit[1] == 0), _UNITS[-1])
    number = seconds // size
    return f"{number:,} {name}" + ("" if number == 1 else "s")
