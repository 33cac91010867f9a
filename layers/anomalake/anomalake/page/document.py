"""The document of the page, as columns. The browser filters, lists and draws it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FORMAT: Final = 3
#: Instead of a combination: all metrics of the detector that have no series of their own.
OTHERS: Final = -1
#: Instead of a dimension value: the metric does not have the dimension.
LACKS: Final = -1
#: State of a crawler that cannot be read; the reason is its message.
UNKNOWN: Final = "UNKNOWN"
# Bytes that the parts of a packed document are aligned to.
_ALIGNED: Final = 8

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A detector's observed and expected values over time.

    Attributes
    ----------
    intervals
        Number of the detector's intervals for each time: 1, unless that gives too many times.
    times
        Starts, epoch seconds, ascending; shape (t,).
    series
        Indices of combinations, or `OTHERS`; shape (s,). The last `roll_ups` are roll-ups that are affected in a group;
        they are parts of no sum.
    others
        Number of combinations in `OTHERS`.
    values
        Observed values; shape (measure, s, t); NaN where nothing was observed. Several intervals or metrics are
        combined to their sum where the measure's aggregation is SUM, to their mean where it is AVG.
    expected, lower, upper
        Expected values and the range without anomaly; shape as `values`; NaN where nothing was judged, or where the
        side is open. For combined values, the squares of the distances between bound and expected value are added, as
        for independent metrics.
    """

    intervals: int
    times: Integers
    series: Integers
    others: int
    values: Singles
    expected: Singles
    lower: Singles
    upper: Singles
    roll_ups: int = 0


@dataclass(frozen=True, slots=True)
class Runs:
    """Results of the live detector's latest runs.

    Attributes
    ----------
    last_interval, last_run
        Start of the newest interval that was run, and time of that run; epoch seconds.
    last_status, last_reason
        Status and reason of that run (`records.executions.Execution`).
    intervals
        Number of the newest intervals that the following figures are of.
    succeeded, failed, learning, skipped
        Number of intervals by the status of their last run.
    missing
        Number of intervals between the first and the last of these that were not run.
    late
        Number of intervals after the newest one whose end and offset have passed without a run; None for unknown.
    rows, bad_rows
        Number of rows that were used, and of rows that could not be used.
    undelivered
        Number of intervals with alerts that were not delivered.
    warnings
        The newest ones: epoch seconds of the interval, and a line.
    """

    last_interval: int
    last_run: int | None
    last_status: str
    last_reason: str
    intervals: int
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
    """The starts of a first and a last interval, epoch seconds."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class DetectorView:
    """A detector.

    Attributes
    ----------
    frequency
        One of `FREQUENCIES`; None where only its alerts are known.
    timezone
        Time zone of its metric set, or of its alerts.
    aggregations
        Aggregation function of each measure: SUM, AVG, or None for unknown.
    dimensions
        Names of the dimensions, each with its values.
    combinations
        Indices of dimension values, or `LACKS`; shape (combination, dimension).
    live
        None where the source data are unknown and nothing was judged.
    live_problem
        Reason why there are no values of a known source.
    runs, backtest, alerts
        None where it never ran, where there is no judgement of a backtest, where there is no alert.
    clashes
        Number of alerts with several bodies.
    owner, runbook, note
        Of the detector file; empty for none. The runbook is an http or https URL.
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
    owner: str = ""
    runbook: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """A related group, in the terms of L4M's API; `group` is its index, or -1 where the page does not have it."""

    group: int
    measure: str
    relationship: str
    percentage: float


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Anomaly groups, in the order of their starts; each column of shape (group,).

    Attributes
    ----------
    id
        anomalyGroupId; alertEventId for alerts without one.
    detector, measure
        Index of the detector, and of the measure among the detector's measures.
    start, end
        Starts of the first and the last interval, epoch seconds.
    score
        Highest score of an interval.
    known
        1 where the lake has the group's record, with all intervals and expected values; 0 where it has alerts only.
    related
        Groups of other measures with anomalies at the same time.
    causes
        Root causes in words, of the worst interval that has some; empty if no group has one.
    """

    id: tuple[str, ...]
    detector: Integers
    measure: Integers
    start: Integers
    end: Integers
    score: Numbers
    known: Integers
    related: tuple[tuple[Related, ...], ...]
    causes: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class GroupIntervals:
    """Groups in single intervals, in the order of time; each column of shape (group interval,).

    Attributes
    ----------
    group
        Index of the group.
    time
        Start of the interval, epoch seconds.
    score
        Score of the interval.
    alerted
        1 where the lake has an alert, else 0.
    metrics
        Number of affected metrics.
    """

    group: Integers
    time: Integers
    score: Numbers
    alerted: Integers
    metrics: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Affected:
    """Affected metrics, by group interval; each column of shape (metric,); NaN for unknown or an open side."""

    group_interval: Integers
    combination: Integers
    value: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Contributions of dimension values in per cent, by group interval; `dimension` and `value` are indices."""

    group_interval: Integers
    dimension: Integers
    value: Integers
    share: Integers


@dataclass(frozen=True, slots=True, eq=False)
class NearMisses:
    """The most unusual points of detectors without an anomaly, the most unusual first; each column of shape (point,).

    Attributes
    ----------
    detector, measure, combination
        The metric, as in `Groups` and `Affected`.
    time
        Start of the interval, epoch seconds.
    value, expected, lower, upper
        As in `Affected`.
    severity
        Below that of an anomaly.
    """

    detector: Integers
    measure: Integers
    combination: Integers
    time: Integers
    value: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers
    severity: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyCounts:
    """Numbers of group intervals that are not listed; each column of shape (count,).

    Attributes
    ----------
    day
        Start of the UTC day, epoch seconds.
    score
        Lower end of a class ten wide: 0, 10, … 90.
    group_intervals
        Number of group intervals.
    """

    detector: Integers
    measure: Integers
    day: Integers
    score: Integers
    group_intervals: Integers


@dataclass(frozen=True, slots=True)
class Crawl:
    """State of the Glue crawler, and the status and start (epoch seconds) of its last crawl."""

    name: str
    state: str
    last_status: str
    last_start: int | None
    message: str


@dataclass(frozen=True, slots=True)
class FeedbackGiven:
    """Feedback that a person gave at a time.

    Attributes
    ----------
    detector
        Name of the detector.
    group
        anomalyGroupId; empty where the feedback is on a metric without a group.
    measure
        Measure of its metrics.
    points
        Number of metrics and intervals that it is about.
    at, by
        Epoch seconds, and name of the person; empty for unknown.
    """

    detector: str
    group: str
    measure: str
    is_anomaly: bool
    points: int
    at: int
    by: str


@dataclass(frozen=True, slots=True)
class SnoozeGiven:
    """A snooze (`records.snoozes.Snooze`) with its id; `until` and `at` are epoch seconds, `at` is None for unknown."""

    id: str
    detector: str
    group: str
    series: str
    measure: str
    dimensions: tuple[tuple[str, str], ...]
    until: int
    at: int | None
    by: str


@dataclass(frozen=True, slots=True)
class CommentGiven:
    """A comment on a group (`records.comments.Comment`) with its id; `at` is epoch seconds."""

    id: str
    detector: str
    group: str
    text: str
    acknowledged: bool
    at: int
    by: str


@dataclass(frozen=True, slots=True, eq=False)
class PageDocument:
    """Content of the page.

    Attributes
    ----------
    made_at
        Time of reading, epoch seconds.
    lake
        URI of the lake, as the user gave it.
    set_aside
        Number of records that the lake set aside.
    set_aside_reasons
        Reasons of some of them.
    crawl
        None where no crawler is named.
    notes
        Sentences about what was aggregated, left out or not readable; the latter are an `UnreadNote`.
    feedback, snoozes, comments
        What people said of groups, the newest first.
    """

    made_at: int
    lake: str
    detectors: tuple[DetectorView, ...]
    groups: Groups
    group_intervals: GroupIntervals
    affected: Affected
    contributions: Contributions
    counts: AnomalyCounts
    near_misses: NearMisses
    set_aside: int = 0
    set_aside_reasons: tuple[str, ...] = ()
    crawl: Crawl | None = None
    notes: tuple[str, ...] = ()
    feedback: tuple[FeedbackGiven, ...] = ()
    snoozes: tuple[SnoozeGiven, ...] = ()
    comments: tuple[CommentGiven, ...] = ()


def pack(document: PageDocument) -> bytes:
    """Return a document as bytes, in one piece (`packed_parts`)."""
    return b"".join(packed_parts(document))


def packed_parts(document: PageDocument) -> Iterator[bytes]:
    """Yield a document as bytes: length of the JSON (uint32), JSON in ASCII padded to eight bytes, arrays.

    The JSON has the same field names. In place of an array it has ``{"$": [type, offset, shape]}``: ``i4`` (``f8`` for
    larger integers), ``f4`` (in `Live`) or ``f8``, little-endian, row by row; `offset` is in bytes from the JSON's end.
    """
    arrays = _Arrays()
    text = json.dumps(arrays.plain(document), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    text += " " * (-(len(text) + 4) % _ALIGNED)
    yield len(text).to_bytes(4, "little")
    yield text.encode("ascii")
    # One array at a time, so that only one is in memory twice.
    for values, type_ in arrays.found:
        body = np.ascontiguousarray(values).astype(f"<{type_}").tobytes()
        yield body + b"\0" * (-len(body) % _ALIGNED)


class _Arrays:
    """Separates the arrays from the records."""

    def __init__(self) -> None:
        self.found: list[tuple[npt.NDArray[Any], str]] = []
        self._size = 0

    def plain(self, value: Any, type_: str = "f8") -> Any:
        """Return records, tuples and arrays in JSON's types; `type_` is the type of arrays of floats."""
        if is_dataclass(value):
            type_ = "f4" if isinstance(value, Live) else type_
            named = {"format": FORMAT} if isinstance(value, PageDocument) else {}
            return named | {field.name: self.plain(getattr(value, field.name), type_) for field in fields(value)}
        if isinstance(value, np.ndarray):
            return self._add(value, type_ if value.dtype.kind == "f" else _integer_type(value))
        if isinstance(value, (tuple, list)):
            return [self.plain(item, type_) for item in value]
        return value

    def _add(self, values: npt.NDArray[Any], type_: str) -> dict[str, Any]:
        reference = {"$": [type_, self._size, list(values.shape)]}
        self.found.append((values, type_))
        size = values.size * np.dtype(type_).itemsize
        self._size += size + -size % _ALIGNED
        return reference


def _integer_type(values: npt.NDArray[Any]) -> str:
    limits = np.iinfo(np.int32)
    fits = not values.size or (values.min() >= limits.min and values.max() <= limits.max)
    return "i4" if fits else "f8"
