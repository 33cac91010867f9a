"""A live detector: one interval after another, each from its files to its alerts (docs/adr/0006)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import interval_start, next_start, previous_start
from anomalake.detection.engine import ModelEngine
from anomalake.detection.feedback import apply_feedback, read_feedback
from anomalake.detection.group_keeper import GroupKeeper
from anomalake.detection.learning import SCHEDULES, grid
from anomalake.detection.model_keeper import ActiveModel, ModelKeeper
from anomalake.detection.ports import DeliverySummary, IntervalError, LiveSource, Notifier
from anomalake.lake.lake import Clock, utc_now
from anomalake.records.executions import (
    EARLY,
    FAILED,
    LEARNING,
    SKIPPED,
    SUCCEEDED,
    Execution,
    stamp,
    tried,
    write_execution,
)
from anomalake.records.group_store import GroupStore
from anomalake.records.intervals import to_parquet
from anomalake.records.states import StateStore
from anomalake.records.versions import note_version, version_of
from anomalake.storage.store import ObjectStore, StoreError

#: Missed intervals that one run makes up for; the next run goes on.
AT_ONCE = 24
#: Runs of an interval that find source or lake out of reach before it counts as failed: one, and Lambda's two retries.
TRIES = 3


class LiveDetector:
    """Runs a detector's intervals.

    A run may be repeated, at once or years later, and two may work at once: the same data give the same records under
    the same keys, and no alert is sent twice.

    Parameters
    ----------
    detector
        From its file.
    store
        The lake.
    source, teller, engine
        Where it reads, who is told, the model.
    clock
        The time.
    run_id
        Makes the names of runs.
    """

    def __init__(
        self,
        detector: Detector,
        store: ObjectStore,
        source: LiveSource,
        teller: Notifier,
        engine: ModelEngine,
        *,
        clock: Clock = utc_now,
        run_id: Callable[[], str] = lambda: uuid.uuid4().hex[:12],
    ) -> None:
        self.detector = detector
        self.states = StateStore(store, detector.name, version_of(detector.metric_set))
        self.groups = GroupStore(store, detector.name)
        self._set = detector.metric_set
        self.store = store
        self._source = source
        self._engine = engine
        self._group_keeper = GroupKeeper(detector, store, self.states, self.groups, teller)
        self._keeper = ModelKeeper(detector, self.states, source, engine)
        self._clock = clock
        self._run_id = run_id

    def run(
        self,
        at: datetime | None = None,
        *,
        at_once: int = AT_ONCE,
        time_left: Callable[[], timedelta] = lambda: timedelta.max,
    ) -> Iterator[tuple[Execution, DeliverySummary]]:
        """Run the interval that an instant lies in, after those that were missed before it.

        Parameters
        ----------
        at
            Default: the latest interval whose data are complete.
        at_once
            At most so many intervals; the next run goes on.
        time_left
            How long the process may still work; no interval is begun that might not be finished.

        Yields
        ------
        Each run, and what became of its alerts. Raises `StoreError`: the same call may do better later.
        """
        wanted = self.latest() if at is None else interval_start(at, self._set.frequency, self._set.timezone)
        last = self._last_done()
        if last is None or wanted <= last or wanted > self.latest():
            yield self.run_interval(wanted)
            return
        first = self._after(last)
        starts = [_instant(one) for one in grid(self._set, first, wanted)]
        most = SCHEDULES[self.detector.frequency].catch_up
        if len(starts) > most:
            yield self._skipped(starts[:-most]), DeliverySummary()
        longest = timedelta()
        for start in starts[-most:][: max(1, at_once)]:
            if longest and time_left() < 2 * longest:
                return
            began = self._clock()
            yield self.run_interval(start)
            longest = max(longest, self._clock() - began)

    def run_span(self, first: datetime, last: datetime | None = None) -> Iterator[tuple[Execution, DeliverySummary]]:
        """Run each interval from one instant to another, in turn; those that are not complete yet are left out.

        Parameters
        ----------
        last
            Default: the latest interval whose data are complete.
        """
        until = self.latest() if last is None else min(last, self.latest())
        starts = [_instant(one) for one in grid(self._set, first, until)]
        for start in starts:
            yield self.run_interval(start)
        if not starts:
            yield self.run_interval(interval_start(first, self._set.frequency, self._set.timezone))

    def latest(self) -> datetime:
        """Start of the latest interval whose data are complete: its end and the offset are over."""
        now = self._clock() - timedelta(seconds=self._set.offset)
        return self._before(interval_start(now, self._set.frequency, self._set.timezone))

    def run_interval(self, start: datetime) -> tuple[Execution, DeliverySummary]:
        """Run one interval and record what became of it; raises `StoreError`."""
        began = self._clock()
        execution = Execution(
            self.detector.arn, start, FAILED, run_id=f"{stamp(began)}-{self._run_id()}", started_at=began,
            version=self.states.version,
        )  # fmt: skip
        complete = self._after(start) + timedelta(seconds=self._set.offset)
        if began < complete:
            reason = (
                f"the interval from {_text(start)} is complete at {_text(complete)}, {self._set.offset} seconds after "
                f"its end (Offset), and it is {_text(began)}: nothing was read"
            )
            return replace(execution, status=EARLY, reason=reason), DeliverySummary()
        warnings: list[str] = []
        told = DeliverySummary()
        try:
            changed = note_version(self.store, self.detector.name, self._set, began)
            warnings += [changed] if changed else []
            execution, told = self._judge(start, execution, warnings)
        except StoreError as error:
            execution = replace(execution, reason=str(error))
            if tried(self.store, self.detector.name, start) + 1 < TRIES:
                # Whoever asked will ask again; what is written so far is written again then.
                with suppress(StoreError):
                    self._record(execution, warnings)
                raise
            # One object that nobody may read must not stop the detector.
            self._pass_over(start, warnings)
        except IntervalError as error:
            execution = replace(execution, reason=str(error))
            self._pass_over(start, warnings)
        except Exception as error:  # a failed interval is recorded, and the next one runs
            execution = replace(execution, reason=f"{type(error).__name__}: {error}")
            self._pass_over(start, warnings)
        return self._record(execution, warnings), told

    def _judge(self, start: datetime, execution: Execution, warnings: list[str]) -> tuple[Execution, DeliverySummary]:
        read = self._source.interval(start)
        metrics = read.metrics
        warnings += read.reasons
        observed = int(np.count_nonzero(~np.isnan(metrics.values)))
        execution = replace(execution, rows=read.rows, bad_rows=read.bad_rows, metrics=observed)
        found = self._keeper.model_for(start, warnings)
        if not isinstance(found, ActiveModel):
            self.states.put_interval(start, to_parquet(start, metrics, None))
            return replace(execution, status=LEARNING, reason=found), DeliverySummary()
        state = self._keeper.state_before(start, found, warnings)
        judgement, after = self._engine.judge(found.learned.model, state, metrics)
        said, unread = read_feedback(self.store, self.detector.name)
        warnings += unread
        heeded = apply_feedback(metrics, judgement, said)
        groups = self._group_keeper.keep(start, metrics, heeded, judgement, warnings)
        told = self._group_keeper.tell(groups, start, warnings)
        # Last, because it says that the interval is done.
        self._keeper.keep_state(start, found, after, warnings)
        execution = replace(
            execution,
            status=SUCCEEDED,
            model=found.start,
            anomalies=int(np.count_nonzero(heeded.is_anomaly)),
            groups=len(groups),
            delivered=told.delivered_in_all,
            undelivered=told.undelivered_in_all,
        )
        return execution, told

    def _pass_over(self, start: datetime, warnings: list[str]) -> None:
        """Let the filter go on as though nothing had been observed, unless an earlier run has done better."""
        with suppress(Exception):
            nothing = self._keeper.nothing(start)
            self.states.put_interval(start, to_parquet(start, nothing, None), only_new=True)
            self._keeper.pass_over(start, nothing, warnings)

    def _skipped(self, starts: Sequence[datetime]) -> Execution:
        now = self._clock()
        reason = (
            f"{len(starts):,} missed intervals from {_text(starts[0])} to {_text(starts[-1])} are too long ago to be "
            f"caught up by itself; `anomalake detect --from {_text(starts[0])} --to {_text(starts[-1])}` judges them"
        )
        execution = Execution(self.detector.arn, starts[-1], SKIPPED, reason, run_id=f"{stamp(now)}-{self._run_id()}")
        return self._record(replace(execution, started_at=now, version=self.states.version), [])

    def _record(self, execution: Execution, warnings: Sequence[str]) -> Execution:
        done = replace(execution, ended_at=self._clock(), warnings=tuple(dict.fromkeys(warnings)))
        write_execution(self.store, self.detector.name, done)
        return done

    def _last_done(self) -> datetime | None:
        done = self.states.state_starts() or self.states.interval_starts()
        return done[-1] if done else None

    def _after(self, start: datetime) -> datetime:
        return next_start(start, self._set.frequency, self._set.timezone)

    def _before(self, start: datetime) -> datetime:
        return previous_start(start, self._set.frequency, self._set.timezone)


def _instant(start: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(start.astype("datetime64[s]").astype(np.int64)), UTC)


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
