"""Anomalies in data frames: in one go, or live with a state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from numbers import Real
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from anomalake.definitions.detector import DEFAULT_THRESHOLD, AlertRule
from anomalake.definitions.detector_file import MOST_HOLIDAYS
from anomalake.definitions.intervals import interval_starts, next_start
from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import MetricSet
from anomalake.detection.backtest import BacktestError, run_backtest
from anomalake.detection.learning import SCHEDULES
from anomalake.detection.result_tables import CAUSE_COLUMNS, KeyColumns, causes_table, points_table, times
from anomalake.errors import one_line
from anomalake.frequencies import FREQUENCIES
from anomalake.groups.anomaly_group import Group, open_groups
from anomalake.groups.causes import with_causes
from anomalake.groups.grouping import group
from anomalake.groups.judged_series import JudgedArrays
from anomalake.local.frames import Frame, FrameError, check_columns, read_frame, to_kind
from anomalake.model import Model, ModelError, fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, join
from anomalake.notify.rules import passes
from anomalake.records.errors import CorruptError
from anomalake.records.frame_states import FrameState, state_from_bytes, state_to_bytes
from anomalake.services.frame_columns import ARN, Asked, columns_of, keys_of, read_asked
from anomalake.services.group_rows import group_rows
from anomalake.services.times import UsageError, instant_of
from anomalake.sources.reading import NoDataError, ReadReport, read_batches
from anomalake.sources.rows import SourceFileError

#: Share of the intervals that is learned from, as in a backtest.
TRAIN: Final = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class FrameAnomalies:
    """Judged points of a data frame.

    Attributes
    ----------
    kind
        Kind of the data frame.
    metric_set
        What its columns mean.
    metrics, judgement, groups
        Values, judgement and anomaly groups.
    keys
        Columns of the frame in the result.
    threshold
        Lowest score of a group that is alerted.
    report
        Report on the rows.
    unsure
        What was guessed of the columns and may be wrong, in one line; empty if nothing was.
    """

    kind: str
    metric_set: MetricSet
    metrics: Metrics
    judgement: Judgement
    groups: tuple[Group, ...]
    keys: KeyColumns
    threshold: float
    report: ReadReport
    unsure: str = ""

    def points(self) -> Any:
        """Return the judged points as a data frame."""
        return to_kind(points_table(self.metrics, self.judgement, self.groups, self.keys), self.kind)

    def group_frame(self) -> Any:
        """Return the anomaly groups as a data frame."""
        rows = group_rows(self.groups, [_rule(self.threshold)])
        starts, ends = (
            times(
                [np.datetime64(instant.replace(tzinfo=None), "s") for instant in instants], self.metrics.timezone, type_
            )
            for type_ in [self.keys.time_type]
            for instants in ([row.start for row in rows], [row.end for row in rows])
        )
        table = pa.table(
            {
                "group": pa.array([row.group for row in rows], pa.string()),
                "measure": pa.array([row.measure for row in rows], pa.string()),
                "start": starts,
                "end": ends,
                "score": pa.array([row.score for row in rows], pa.float64()),
                "alerted": pa.array([row.alerted for row in rows], pa.bool_()),
                "metrics": pa.array([row.metrics for row in rows], pa.int64()),
            }
        )
        return to_kind(table, self.kind)

    def cause_frame(self) -> Any:
        """Return the root causes of the judged intervals that alert as a data frame; raises `FrameError`."""
        for name in (self.keys.time, *self.metrics.dimension_names):
            if name in CAUSE_COLUMNS:
                raise FrameError(f"{shown(name)}: is a column of the causes too; expected another name")
        rule = _rule(self.threshold)
        judged = JudgedArrays(self.metrics, self.judgement)
        groups = with_causes(self.groups, judged, lambda _, interval: passes(interval, rule))
        return to_kind(causes_table(self.metrics, groups, self.keys), self.kind)


def find(
    frame: Any, asked: Asked, train: Any = TRAIN, threshold: float = DEFAULT_THRESHOLD, holidays: Iterable[Any] = ()
) -> FrameAnomalies:
    """Learn from the beginning of a data frame, and judge the rest.

    Parameters
    ----------
    train
        Share of the intervals that is learned from, or the time up to which is learned.
    holidays
        Days in the zone of the times.

    Raises
    ------
    FrameError, ReadingError, BacktestError
    """
    _check_threshold(threshold)
    days = _days(holidays)
    read = read_asked(frame, asked)
    columns = columns_of(read, asked)
    metrics, report = _read(read, columns.metric_set)
    first = _first_judged(metrics, train)
    _check_enough(metrics, first)
    try:
        tested = run_backtest(metrics, ARN, holidays=days, first=first)
    except BacktestError as error:
        raise BacktestError(f"frame: {error}") from error
    return FrameAnomalies(
        read.kind, columns.metric_set, metrics, tested.judgement, tested.groups, columns.keys, threshold, report,
        columns.unsure,
    )  # fmt: skip


def learn(
    frame: Any, asked: Asked, threshold: float = DEFAULT_THRESHOLD, holidays: Iterable[Any] = ()
) -> tuple[bytes, ReadReport, str]:
    """Learn from a data frame; return what was learned as bytes, a report on the rows, and what is unsure.

    Raises
    ------
    FrameError, ReadingError
    """
    _check_threshold(threshold)
    days = _days(holidays)
    read = read_asked(frame, asked)
    columns = columns_of(read, asked)
    metrics, report = _read(read, columns.metric_set)
    _check_enough(metrics, len(metrics.starts))
    model = fit(metrics, holidays=days)
    state = FrameState(columns.metric_set, threshold, _instant(metrics.starts[-1]), model.to_arrays())
    return state_to_bytes(state), report, columns.unsure


def judge_next(frame: Any, body: bytes) -> tuple[FrameAnomalies, bytes]:
    """Judge the intervals of a data frame that follow those of a state; return the state after them.

    The groups are those that begin or continue in the frame, with their earlier intervals. Rows of earlier intervals
    are not used. Intervals without a row count as not observed.

    Raises
    ------
    FrameError, ReadingError, CorruptError
    """
    state = state_from_bytes(body)
    of = state.metric_set
    read = read_frame(frame, of.columns)
    check_columns(read, "frame", of.columns)
    keys = keys_of(read, of)
    low = next_start(state.last, of.frequency, of.timezone)
    try:
        metrics, report = _read(read, of, low)
    except NoDataError as error:
        if error.report.bad:
            raise
        found = FrameAnomalies(read.kind, of, *_nothing(of), (), keys, state.threshold, error.report)
        return found, bytes(body)
    last = _instant(metrics.starts[-1])
    if last - low > SCHEDULES[of.frequency].history:
        raise FrameError(f"frame: ends {last - low} after the state; learn again from newer rows")
    metrics = join([metrics], interval_starts(of.frequency, of.timezone, low, last))
    try:
        model = Model.from_arrays(dict(state.model))
        judgement, after = judge(model, model.state, metrics, 0)
        if judgement.severity.shape != (metrics.n_metrics, len(metrics.starts)):
            raise ModelError(f"model of another shape, {judgement.severity.shape}")
    except (ModelError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise CorruptError(
            f"state: {one_line(error)[:200]}; expected bytes that this version has returned: learn again"
        ) from error
    groups = group(metrics, judgement, ARN, state.groups)
    latest = {group.group_id: group for group in (*state.groups, *groups)}
    following = replace(
        state,
        last=last,
        model=replace(model, state=after).to_arrays(),
        groups=open_groups(latest.values(), of.frequency, next_start(last, of.frequency, of.timezone)),
    )
    return FrameAnomalies(read.kind, of, metrics, judgement, groups, keys, state.threshold, report), state_to_bytes(
        following
    )


def _read(frame: Frame, metric_set: MetricSet, low: datetime | None = None) -> tuple[Metrics, ReadReport]:
    try:
        return read_batches(metric_set, frame.table.select(list(metric_set.columns)).to_batches(), "frame", low)
    except SourceFileError as error:
        raise FrameError(f"frame: {error}") from error


def _first_judged(metrics: Metrics, train: Any) -> int:
    """Return the index of the first interval that is judged."""
    n_intervals = len(metrics.starts)
    if isinstance(train, Real) and not isinstance(train, bool):
        # 0.7 is meant as 7/10: of 90 intervals, 63 are learned from.
        share = Fraction(str(train)) if np.isfinite(float(train)) else Fraction(-1)
        if not 0 < share < 1:
            raise FrameError(f"train {train!r}: expected a share between 0 and 1, or a time")
        return int(n_intervals * share)
    instant = _time_given(train, metrics.timezone).replace(tzinfo=None)
    first = int(np.searchsorted(metrics.starts.astype("datetime64[us]"), np.datetime64(instant, "us")))
    if not 0 < first < n_intervals:
        begin, end = (
            f"{_instant(metrics.starts[at]).astimezone(ZoneInfo(metrics.timezone)):%Y-%m-%d %H:%M}" for at in (0, -1)
        )
        raise FrameError(f"train {str(train)!r}: expected a time after {begin} and up to {end} ({metrics.timezone})")
    return first


def _time_given(train: Any, timezone: str) -> datetime:
    if isinstance(train, np.datetime64):
        train = train.astype("datetime64[us]").item()
    if isinstance(train, date) and not isinstance(train, datetime):
        train = datetime(train.year, train.month, train.day)
    # NaT is a datetime, and equals nothing.
    if not isinstance(train, (str, datetime)) or train != train:
        raise FrameError(f"train {train!r}: expected a share between 0 and 1, or a time")
    try:
        return instant_of(train, ZoneInfo(timezone))
    except UsageError as error:
        raise FrameError(f"train {train!r}: expected a share between 0 and 1, or a time such as 2024-02-17") from error


def _check_enough(metrics: Metrics, first: int) -> None:
    least = FREQUENCIES[metrics.frequency].least_points
    observed = (~np.isnan(metrics.flat[:, :first])).sum(axis=1)
    most = int(observed.max(initial=0))
    if most < least:
        raise FrameError(
            f"frame: no metric has more than {most:,} values to learn from, in {first:,} intervals of "
            f"{metrics.frequency}; expected at least {least:,}"
        )


def _days(holidays: Any) -> tuple[date, ...]:
    """Return holidays as days, ascending."""
    if isinstance(holidays, str) or not isinstance(holidays, Iterable):
        raise FrameError(f"holidays {holidays!r}: expected several days, such as ['2024-12-25']")
    days = set()
    for given in holidays:
        try:
            day = datetime.fromisoformat(given) if isinstance(given, str) else given
            if isinstance(day, np.datetime64):
                day = day.astype("datetime64[s]").item()
            days.add(date(day.year, day.month, day.day))
        except (ValueError, TypeError, AttributeError) as error:
            raise FrameError(f"holidays {given!r}: expected a day, such as 2024-12-25") from error
    if len(days) > MOST_HOLIDAYS:
        raise FrameError(f"holidays: {len(days):,} days; expected at most {MOST_HOLIDAYS:,}")
    return tuple(sorted(days))


def _check_threshold(threshold: Any) -> None:
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 <= float(threshold) <= 100:
        raise FrameError(f"threshold {threshold!r}: expected a score from 0 to 100")


def _rule(threshold: float) -> AlertRule:
    return AlertRule("frame", ARN.replace("AnomalyDetector", "Alert"), threshold=threshold)


def _nothing(of: MetricSet) -> tuple[Metrics, Judgement]:
    starts = np.empty(0, "datetime64[s]")
    values = np.empty((len(of.measures), 0, 0))
    empty = np.empty((0, 0))
    metrics = Metrics(of.frequency, of.timezone, starts, of.measures, of.dimension_list, (), values)
    return metrics, Judgement(0, empty, empty, empty, empty, empty.astype(np.bool_))


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)
