"""What the page shows, as columns: what is drawn, listed or filtered is computed from this in the browser."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FORMAT: Final = 2
#: In place of a combination: all metrics of the detector that are not among the series.
OTHERS: Final = -1
#: In place of a dimension's value: the metric lacks that dimension.
LACKS: Final = -1

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A detector's values over time, and what was expected.

    Attributes
    ----------
    intervals
        How many of the detector's intervals one time holds: 1, unless they would be too many.
    times
        Starts, epoch seconds, ascending; shape (t,).
    series
        Indices of combinations, or `OTHERS`; shape (s,).
    others
        How many combinations `OTHERS` stands for.
    values
        What was observed; shape (measure, s, t); NaN where nothing was. Where several intervals or metrics are one
        number: their sum where the measure's aggregation is SUM, their mean where it is AVG.
    expected, lower, upper
        What was expected, and the range that would have been no anomaly; shape as `values`; NaN where nobody judged, or
        where that side is open. Ranges of several together: distances from what was expected add up in squares (SUM),
        as those of independent metrics do.
    """

    intervals: int
    times: Integers
    series: Integers
    others: int
    values: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers


@dataclass(frozen=True, slots=True)
class Runs:
    """How the live detector's latest runs went.

    Attributes
    ----------
    last_interval, last_run
        Start of the newest interval that was run, and when that was; epoch seconds.
    last_status, last_reason
        As `detection.live.records.Execution` has them.
    looked_at
        Of how many intervals, the newest ones, the following figures are.
    succeeded, failed, learning, skipped
        Intervals by the status of their last run.
    missing
        Intervals between the first and the last of these that were not run.
    late
        Intervals that are over, their offset too, and were not run, counted from the newest one; None for unknown.
    rows, bad_rows
        Rows used, and rows that could not be.
    undelivered
        Intervals with alerts that could not be delivered.
    warnings
        The newest ones: epoch seconds of the interval, and a line.
    """

    last_interval: int
    last_run: int | None
    last_status: str
    last_reason: str
    looked_at: int
    succeeded: int
    failed: int
    learning: int
    skipped: int
    missing: int
    late: int | None
    rows: int
    bad_rows: int
    undelivered: int
    warnings: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A time from the start of one interval to that of another, epoch seconds."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class DetectorView:
    """A detector.

    Attributes
    ----------
    frequency
        PT5M, PT10M, PT1H, P1D; None where only its alerts are known.
    timezone
        Of its metric set, as its alerts or its source name it.
    aggregations
        Of each measure: SUM, AVG, or None for unknown.
    dimensions
        Names, each with its values.
    combinations
        Indices of dimension values, or `LACKS`; shape (combination, dimension).
    live
        None where the source data is unknown and nothing was judged.
    live_problem
        Why there are no values, where there ought to be some.
    runs, backtest, alerts
        None where it never ran, no backtest left its judgement, no alert came.
    """

    name: str
    arn: str
    frequency: str | None
    timezone: str
    measures: tuple[str, ...]
    aggregations: tuple[str | None, ...]
    dimensions: tuple[tuple[str, tuple[str, ...]], ...]
    combinations: Integers
    live: Live | None = None
    live_problem: str = ""
    runs: Runs | None = None
    backtest: Span | None = None
    alerts: Span | None = None
    clashes: int = 0


@dataclass(frozen=True, slots=True)
class Related:
    """A group's relation to another: the other one's index, or -1 where the page does not have it; as L4M's API."""

    group: int
    measure: str
    relationship: str
    percentage: float


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Anomaly groups, the oldest start first; each column of shape (group,).

    Attributes
    ----------
    id
        anomalyGroupId; where the alerts bear none, alertEventId.
    detector, measure
        Indices; the measure's among its detector's.
    start, end
        Starts of the first and the last interval, epoch seconds.
    score
        The highest in any interval.
    known
        Whether the group's own record is there (1), with all intervals and what was expected, or alerts alone (0).
    related
        Groups of other measures that moved together with it.
    """

    id: tuple[str, ...]
    detector: Integers
    measure: Integers
    start: Integers
    end: Integers
    score: Numbers
    known: Integers
    related: tuple[tuple[Related, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class GroupIntervals:
    """Groups in single intervals, in order of time; each column of shape (moment,).

    Attributes
    ----------
    group
        Index.
    time
        Start of the interval, epoch seconds.
    score
        In this interval.
    alerted
        Whether the lake has an alert of it.
    metrics
        How many metrics were affected.
    """

    group: Integers
    time: Integers
    score: Numbers
    alerted: Integers
    metrics: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Affected:
    """Affected metrics, in order of their moments; each column of shape (metric,); NaN for unknown or open."""

    group_interval: Integers
    combination: Integers
    value: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Shares of dimension values in moments, whole per cent, in order of their moments; indices of dimension, value."""

    group_interval: Integers
    dimension: Integers
    value: Integers
    share: Integers


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyCounts:
    """GroupIntervals that are not listed one by one, counted; each column of shape (count,).

    Attributes
    ----------
    day
        Start of the UTC day, epoch seconds.
    score
        Lower end of a class ten wide: 0, 10, … 90.
    moments
        How many.
    """

    detector: Integers
    measure: Integers
    day: Integers
    score: Integers
    group_intervals: Integers


@dataclass(frozen=True, slots=True)
class Crawl:
    """The Glue crawler: its state, and how the last crawl ended; epoch seconds."""

    name: str
    state: str
    last_status: str
    last_start: int | None
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class PageDocument:
    """All that the page shows.

    Attributes
    ----------
    made_at
        Epoch seconds.
    lake
        Its URI, as it was given.
    set_aside
        How many records the lake has set aside.
    set_aside_reasons
        Of some of them: why.
    crawl
        None where there is no crawler, or none was named.
    notes
        What was aggregated or left out, a sentence each.
    """

    made_at: int
    lake: str
    detectors: tuple[DetectorView, ...]
    groups: Groups
    group_intervals: GroupIntervals
    affected: Affected
    contributions: Contributions
    counts: AnomalyCounts
    set_aside: int = 0
    set_aside_reasons: tuple[str, ...] = ()
    crawl: Crawl | None = None
    notes: tuple[str, ...] = ()


def pack(document: PageDocument) -> bytes:
    """A document as bytes: the length of what follows (uint32), JSON in ASCII padded to eight bytes, then the arrays.

    The JSON has the same field names. Where an array belongs stands ``{"$": [type, offset, shape]}``: ``i4`` (``f8``
    where that is too narrow), ``f4`` (those of `Live`) or ``f8``, little-endian, row by row, its bytes from `offset`
    behind the JSON on.
    """
    arrays = _Arrays()
    text = json.dumps(arrays.plain(document), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    text += " " * (-(len(text) + 4) % 8)
    return b"".join([len(text).to_bytes(4, "little"), text.encode("ascii"), *arrays.parts])


class _Arrays:
    """Takes the arrays out of records."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def plain(self, value: Any, type_: str = "f8") -> Any:
        """Records, tuples and arrays as JSON's own types; `type_` is that of arrays of floats."""
        if is_dataclass(value):
            type_ = "f4" if isinstance(value, Live) else type_
            named = {"format": FORMAT} if isinstance(value, PageDocument) else {}
            return named | {one.name: self.plain(getattr(value, one.name), type_) for one in fields(value)}
        if isinstance(value, np.ndarray):
            return self._kept(value, type_ if value.dtype.kind == "f" else _whole(value))
        if isinstance(value, (tuple, list)):
            return [self.plain(one, type_) for one in value]
        return value

    def _kept(self, values: npt.NDArray[Any], type_: str) -> dict[str, Any]:
        body = np.ascontiguousarray(values).astype(f"<{type_}").tobytes()
        told = {"$": [type_, self._size, list(values.shape)]}
        body += b"\0" * (-len(body) % 8)
        self.parts.append(body)
        self._size += len(body)
        return told


def _whole(values: npt.NDArray[Any]) -> str:
    limits = np.iinfo(np.int32)
    fits = not values.size or (values.min() >= limits.min and values.max() <= limits.max)
    return "i4" if fits else "f8"
