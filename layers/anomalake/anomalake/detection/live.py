"""Live detector: runs one interval after another, from its data to its alerts (docs/adr/0006)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import interval_start, latest_complete, next_start
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.engine import ModelEngine
from anomalake.detection.feedback import apply_feedback
from anomalake.detection.judging import judge_intervals
from anomalake.detection.learning import SCHEDULES, Histories, JoinedHistories, grid
from anomalake.detection.live_groups import DeliverySummary, LiveGroups, Notifier
from anomalake.detection.live_models import ActiveModel, LiveModels
from anomalake.detection.presence import complete
from anomalake.detection.source import IntervalError, LiveSource
from anomalake.errors import AnomalakeError
from anomalake.groups.counting import counted_intervals
from anomalake.lake.lake import Clock, utc_now
from anomalake.model.metrics import with_combinations
from anomalake.records.executions import (
    EARLY,
    FAILED,
    LEARNING,
    SKIPPED,
    STARTED,
    SUCCEEDED,
    Execution,
    count_executions,
    starting_run_id,
    write_execution,
)
from anomalake.records.feedback import read_feedback
from anomalake.records.intervals import IntervalStore, to_parquet
from anomalake.records.keys import stamp
from anomalake.records.models import ModelStore
from anomalake.records.versions import version_of, write_version
from anomalake.storage.store import ObjectStore, StoreError
from anomalake.tasks import TaskError

#: Most missed intervals that one run catches up; the next run goes on.
CATCH_UP_PER_RUN = 24
#: Runs of an interval in which source or lake did not answer, after which the interval counts as failed: the first,
#: and Lambda's two retries.
MAX_TRIES = 3


class TooManyMetricsError(AnomalakeError):
    """An interval has more metrics than this process may judge: how many, and how many it may."""


class LiveDetector:
    """Runs a detector's intervals.

    Runs may be repeated at any time, and may overlap: the same data give the same records under the same keys, and no
    alert is sent twice.

    Parameters
    ----------
    detector
        The detector.
    store
        The lake.
    source, notifier, engine
        Source of the data, sender of alerts, kind of model.
    clock
        The time.
    run_id
        Makes ids of runs.
    most_metrics
        Most metrics of an interval that this process may judge. Default: any number.
    histories
        What models are fitted to. Default: they are read in this process.
    """

    def __init__(
        self,
        detector: Detector,
        store: ObjectStore,
        source: LiveSource,
        notifier: Notifier,
        engine: ModelEngine,
        *,
        clock: Clock = utc_now,
        run_id: Callable[[], str] = lambda: uuid.uuid4().hex[:12],
        most_metrics: int | None = None,
        histories: Histories | None = None,
    ) -> None:
        self.detector = detector
        self.store = store
        self.version = version_of(detector.metric_set)
        self.intervals = IntervalStore(store, detector.name, self.version)
        self.models = ModelStore(store, detector.name, self.version)
        self._metric_set = detector.metric_set
        self._settings = DetectionSettings.of(detector)
        self._source = source
        self._engine = engine
        self._live_groups = LiveGroups(detector, store, self.intervals, notifier)
        histories = histories or JoinedHistories(detector, self.intervals, self.models, source)
        self._live_models = LiveModels(detector, self.intervals, self.models, histories, engine)
        self._clock = clock
        self._run_id = run_id
        self._most_metrics = most_metrics

    def run(
        self,
        at: datetime | None = None,
        *,
        at_once: int = CATCH_UP_PER_RUN,
        time_left: Callable[[], timedelta] = lambda: timedelta.max,
    ) -> Iterator[tuple[Execution, DeliverySummary]]:
        """Run the missed intervals before an instant, then its own.

        Parameters
        ----------
        at
            Default: the latest interval whose data are complete.
        at_once
            Most intervals to run; the next run goes on.
        time_left
            Returns the time that the process may still take; no interval is begun that may take longer.

        Yields
        ------
        Each execution with its delivery results. Raises `StoreError` and `TaskError`; the same call may succeed later.
        Raises `TooManyMetricsError` before anything of such an interval is recorded.
        """
        wanted = self.wanted(at)
        last = self._last_done()
        if last is None or wanted <= last or wanted > self.latest():
            yield self.run_interval(wanted)
            return
        starts = [_instant(start) for start in grid(self._metric_set, self._next(last), wanted)]
        most = SCHEDULES[self.detector.frequency].catch_up
        if len(starts) > most:
            yield self._skip(starts[:-most]), DeliverySummary()
        longest = timedelta()
        for start in starts[-most:][: max(1, at_once)]:
            if longest and time_left() < 2 * longest:
                return
            began = self._clock()
            yield self.run_interval(start)
            longest = max(longest, self._clock() - began)

    def run_span(self, first: datetime, last: datetime | None = None) -> Iterator[tuple[Execution, DeliverySummary]]:
        """Run each interval from one instant to another, in turn, but those whose data are not complete.

        Parameters
        ----------
        last
            Default: the latest interval whose data are complete.
        """
        until = self.latest() if last is None else min(last, self.latest())
        starts = [_instant(start) for start in grid(self._metric_set, first, until)]
        for start in starts:
            yield self.run_interval(start)
        if not starts:
            yield self.run_interval(self._start_of(first))

    def wanted(self, at: datetime | None) -> datetime:
        """Return the start of the interval at an instant; None: the latest one whose data are complete."""
        return self.latest() if at is None else self._start_of(at)

    def record_started(self, start: datetime, job_run: str, reason: str) -> Execution:
        """Record that a job was started for an interval; raises `StoreError`."""
        now = self._clock()
        run_id = starting_run_id(f"{stamp(now)}-{self._run_id()}")
        execution = Execution(self.detector.arn, start, STARTED, reason, run_id=run_id, job_run=job_run)
        return self._record(replace(execution, started_at=now, version=self.version), [])

    def latest(self) -> datetime:
        """Return the start of the latest interval whose data are complete: its end and the offset are in the past."""
        of = self._metric_set
        return latest_complete(self._clock(), of.frequency, of.timezone, of.offset)

    def run_interval(self, start: datetime) -> tuple[Execution, DeliverySummary]:
        """Run one interval and record the execution; raises `StoreError`, `TaskError`."""
        began = self._clock()
        execution = Execution(
            self.detector.arn, start, FAILED, run_id=f"{stamp(began)}-{self._run_id()}", started_at=began,
            version=self.version,
        )  # fmt: skip
        complete = self._next(start) + timedelta(seconds=self._metric_set.offset)
        if began < complete:
            reason = (
                f"the interval from {_text(start)} is complete at {_text(complete)}, {self._metric_set.offset} seconds "
                f"after its end (Offset), and it is {_text(began)}: nothing was read"
            )
            return replace(execution, status=EARLY, reason=reason), DeliverySummary()
        warnings: list[str] = []
        summary = DeliverySummary()
        try:
            change = write_version(self.store, self.detector.name, self._metric_set, began)
            warnings += [change] if change else []
            execution, summary = self._judge(start, execution, warnings)
        except TooManyMetricsError:
            raise
        except (StoreError, TaskError) as error:
            execution = replace(execution, reason=str(error))
            if count_executions(self.store, self.detector.name, start) + 1 < MAX_TRIES:
                # The caller tries again, and then writes all records again.
                with suppress(StoreError):
                    self._record(execution, warnings)
                raise
            # An object that can never be read must not stop the detector.
            self._advance_unobserved(start, warnings)
        except IntervalError as error:
            execution = replace(execution, reason=str(error), quality=error.quality)
            self._advance_unobserved(start, warnings)
        except Exception as error:  # a failed interval is recorded, and the next one runs
            execution = replace(execution, reason=f"{type(error).__name__}: {error}")
            self._advance_unobserved(start, warnings)
        return self._record(execution, warnings), summary

    def _judge(self, start: datetime, execution: Execution, warnings: list[str]) -> tuple[Execution, DeliverySummary]:
        data = self._source.interval(start)
        metrics = data.metrics
        if self._most_metrics is not None and metrics.n_metrics > self._most_metrics:
            raise TooManyMetricsError(
                f"{metrics.n_metrics:,} metrics from {_text(start)}; this process may judge {self._most_metrics:,}"
            )
        warnings += data.reasons
        observed = int(np.count_nonzero(~np.isnan(metrics.values)))
        execution = replace(execution, rows=data.rows, bad_rows=data.bad_rows, metrics=observed, quality=data.quality)
        model = self._live_models.model_for(start, warnings)
        if not isinstance(model, ActiveModel):
            self.intervals.write(start, to_parquet(start, metrics, None))
            return replace(execution, status=LEARNING, reason=model), DeliverySummary()
        if metrics.roll_ups:
            # What is missing has a part in the deviation of a roll-up.
            metrics = with_combinations(metrics, self._engine.combinations(model.fitted.model))
        state = self._live_models.state_before(start, model, warnings)
        completed = complete(metrics, model.fitted.presence, self._settings, self.detector.holidays)
        of_model, state = judge_intervals(
            lambda before, span: self._engine.judge(model.fitted.model, before, span),
            state,
            completed.metrics,
            self._settings,
            completed.missing,
        )
        feedback, problems = read_feedback(self.store, self.detector.name)
        warnings += problems
        judgement = apply_feedback(completed.shown, of_model, feedback)
        groups, again = self._live_groups.update(start, completed, judgement, of_model, warnings, self._clock())
        counted = [interval for group in groups for interval in counted_intervals(group, self._settings)[-1:]]
        counted = [interval for interval in counted if interval.timestamp == start]
        summary = self._live_groups.notify(groups, start, warnings, again=again)
        # The state is written last: it marks the interval as done.
        self._live_models.write_state(start, model, state, warnings)
        self._live_groups.settle_index(start, self._clock())
        execution = replace(
            execution,
            status=SUCCEEDED,
            model=model.start,
            anomalies=sum(len(interval.affected) for interval in counted),
            groups=len(counted),
            delivered=summary.total_delivered,
            undelivered=summary.total_undelivered,
        )
        return execution, summary

    def _advance_unobserved(self, start: datetime, warnings: list[str]) -> None:
        """Write the interval and its state as not observed, unless an earlier run has written them."""
        with suppress(Exception):
            metrics = self._live_models.unobserved_interval(start)
            self.intervals.write(start, to_parquet(start, metrics, None), only_new=True)
            self._live_models.advance_unobserved(start, metrics, warnings)

    def _skip(self, starts: Sequence[datetime]) -> Execution:
        """Record that missed intervals are too old to be caught up."""
        now = self._clock()
        reason = (
            f"{len(starts):,} missed intervals from {_text(starts[0])} to {_text(starts[-1])} are too old to be caught "
            f"up automatically (at most {SCHEDULES[self.detector.frequency].catch_up} intervals are); a run of this "
            "span judges them"
        )
        execution = Execution(self.detector.arn, starts[-1], SKIPPED, reason, run_id=f"{stamp(now)}-{self._run_id()}")
        return self._record(replace(execution, started_at=now, version=self.version), [])

    def _record(self, execution: Execution, warnings: Sequence[str]) -> Execution:
        recorded = replace(execution, ended_at=self._clock(), warnings=tuple(dict.fromkeys(warnings)))
        write_execution(self.store, self.detector.name, recorded)
        return recorded

    def _last_done(self) -> datetime | None:
        starts = self.models.state_starts() or self.intervals.starts()
        return starts[-1] if starts else None

    def _start_of(self, at: datetime) -> datetime:
        return interval_start(at, self._metric_set.frequency, self._metric_set.timezone)

    def _next(self, start: datetime) -> datetime:
        return next_start(start, self._metric_set.frequency, self._metric_set.timezone)


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
