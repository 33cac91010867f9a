"""The groups of a live detector's intervals: kept in the lake, and told of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import next_start, previous_start
from anomalake.detection.ports import DeliverySummary, Notifier
from anomalake.groups.anomaly_group import ENDS_AFTER
from anomalake.groups.grouping import Group, group
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.arrays import CorruptError
from anomalake.records.group_store import GroupStore
from anomalake.records.intervals import IntervalRecord, to_parquet
from anomalake.records.states import StateStore
from anomalake.records.undelivered import AT_ONCE, FOR, UndeliveredIntervals
from anomalake.storage.store import ObjectStore


class GroupKeeper:
    """Groups of one detector.

    Parameters
    ----------
    detector, store, states, groups
        Whose; the lake, and where in it intervals and groups are kept.
    teller
        Who is told.
    """

    def __init__(
        self, detector: Detector, store: ObjectStore, states: StateStore, groups: GroupStore, teller: Notifier
    ) -> None:
        self._detector = detector
        self._set = detector.metric_set
        self._states = states
        self._groups = groups
        self._teller = teller
        self._untold = UndeliveredIntervals(store, detector.name)

    def keep(
        self, start: datetime, metrics: Metrics, judgement: Judgement, of_model: Judgement, warnings: list[str]
    ) -> tuple[Group, ...]:
        """Group what is anomalous, and keep the groups and the interval's record."""
        ids: dict[str, None] = {}
        before = start
        for _ in range(ENDS_AFTER):
            before = self._before(before)
            record = self._interval(before, warnings)
            ids.update(dict.fromkeys(record.open_groups if record is not None else ()))
        open_groups = self._groups.some(ids, start, warnings)
        made = group(metrics, judgement, self._detector.arn, open_groups)
        here = tuple(one for one in made if one.end == start)
        of_earlier_run = self._interval(start, [])
        now = {one.group_id for one in here}
        # In this order, so that the record names every group that has a part in the interval, wherever a run dies.
        for lost in set(of_earlier_run.open_groups if of_earlier_run is not None else ()) - now:
            self._groups.drop(lost, start)
        self._states.put_interval(start, to_parquet(start, metrics, judgement, sorted(now), of_model.severity))
        for one in here:
            self._groups.put(one, start)
        return here

    def tell(self, groups: Sequence[Group], start: datetime, warnings: list[str]) -> DeliverySummary:
        """Tell of an interval's groups, then of those of earlier ones that nobody could be told of."""
        left = self._untold.starts()
        told = self._teller.tell(groups, start)
        if told.undelivered_in_all:
            self._untold.note(start)
        elif start in left:
            self._untold.drop(start)
        for before in [one for one in left if one < start][:AT_ONCE]:
            record = self._interval(before, warnings)
            ids = record.open_groups if record is not None else ()
            again = self._teller.tell(self._groups.some(ids, self._after(before), warnings), before)
            told = told + again
            if not again.undelivered_in_all or start - before > FOR:
                self._untold.drop(before)
        warnings += told.reasons
        return told

    def _interval(self, start: datetime, warnings: list[str]) -> IntervalRecord | None:
        try:
            return self._states.interval(start)
        except CorruptError as error:
            warnings.append(f"{error}; its groups do not go on")
            return None

    def _after(self, start: datetime) -> datetime:
        return next_start(start, self._set.frequency, self._set.timezone)

    def _before(self, start: datetime) -> datetime:
        return previous_start(start, self._set.frequency, self._set.timezone)
