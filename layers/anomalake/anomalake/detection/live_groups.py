"""Anomaly groups of a live detector: made interval by interval, stored, and sent as alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import next_start, previous_start
from anomalake.detection.presence import Completed
from anomalake.frequencies import FREQUENCIES
from anomalake.groups.anomaly_group import ENDS_AFTER, Group
from anomalake.groups.causes import with_causes
from anomalake.groups.grouping import group_series
from anomalake.groups.judged_series import JudgedArrays
from anomalake.model.judgement import Judgement
from anomalake.records.deliveries import UndeliveredIntervals
from anomalake.records.errors import CorruptError
from anomalake.records.group_changes import changing_groups
from anomalake.records.group_index import settle_changes
from anomalake.records.groups import delete_group, read_groups, write_group
from anomalake.records.intervals import IntervalRecord, IntervalStore, to_parquet
from anomalake.records.versions import read_versions, version_of
from anomalake.storage.store import ObjectStore, StoreError

#: Age of an interval up to which its alerts are delivered again.
REDELIVERY_PERIOD = timedelta(days=1)
#: Most earlier intervals whose alerts one run delivers again.
REDELIVERIES_PER_RUN = 5
#: Number of intervals after which the changes of groups are taken into their index.
SETTLED_EVERY = 64


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """Delivery results of alerts.

    Attributes
    ----------
    delivered, undelivered
        Number of alerts by the name of the alert rule.
    reasons
        Why alerts were not delivered, a line each.
    is_complete
        False where earlier alerts could not be withdrawn.
    """

    delivered: Mapping[str, int] = field(default_factory=dict)
    undelivered: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    is_complete: bool = True

    def __add__(self, other: DeliverySummary) -> DeliverySummary:
        return DeliverySummary(
            dict(Counter(self.delivered) + Counter(other.delivered)),
            dict(Counter(self.undelivered) + Counter(other.undelivered)),
            (*self.reasons, *other.reasons),
            self.is_complete and other.is_complete,
        )

    @property
    def total_delivered(self) -> int:
        """Number of delivered alerts of all rules."""
        return sum(self.delivered.values())

    @property
    def total_undelivered(self) -> int:
        """Number of undelivered alerts of all rules."""
        return sum(self.undelivered.values())


class Notifier(Protocol):
    """Sender of alerts; a repeated call sends no alert a second time."""

    def notify(self, groups: Sequence[Group], start: datetime, *, again: bool = False) -> DeliverySummary:
        """Send the alerts about groups in the interval that begins at `start`; raises `StoreError`.

        With `again`, the interval was run before: alerts of earlier runs that are no longer results are withdrawn.
        """
        ...


class LiveGroups:
    """Groups of one live detector.

    Parameters
    ----------
    detector, store
        The detector and the lake.
    intervals
        Intervals of the detector's version.
    notifier
        Sender of alerts.
    """

    def __init__(self, detector: Detector, store: ObjectStore, intervals: IntervalStore, notifier: Notifier) -> None:
        self._detector = detector
        self._metric_set = detector.metric_set
        self._store = store
        self._intervals = intervals
        self._version = version_of(detector.metric_set)
        self._notifier = notifier
        self._undelivered = UndeliveredIntervals(store, detector.name)

    def update(
        self,
        start: datetime,
        completed: Completed,
        judgement: Judgement,
        of_model: Judgement,
        warnings: list[str],
        now: datetime,
    ) -> tuple[tuple[Group, ...], bool]:
        """Group the anomalies of an interval; store the groups and the interval.

        Return the groups, and whether the interval was run before, in this version of the detector or in another.

        Parameters
        ----------
        completed
            The metrics of the interval.
        judgement, of_model
            Judgement with and without feedback.
        now
            Time of the run.
        """
        ids: dict[str, None] = {}
        before = start
        for _ in range(ENDS_AFTER):
            before = self._previous(before)
            record = self._interval(before, warnings)
            ids.update(dict.fromkeys(record.open_groups if record is not None else ()))
        metrics = completed.shown
        judged = JudgedArrays(metrics, judgement)
        changed = group_series(judged, self._detector.arn, self._read_groups(ids, start, warnings))
        groups = tuple(changed_group for changed_group in changed if changed_group.end == start)
        groups = with_causes(groups, judged)
        earlier_runs = self._earlier_runs(start)
        current = {changed_group.group_id for changed_group in groups}
        removed = {group_id for run in earlier_runs for group_id in run.open_groups} - current
        body = to_parquet(start, metrics, judgement, sorted(current), of_model.severity, completed.added[:, 0])
        with self._changing(start, removed | current, now):
            # This order keeps, wherever a run dies, the ids of all groups with a part in the interval in its record.
            for group_id in sorted(removed):
                delete_group(self._store, self._detector.name, group_id, start)
            self._intervals.write(start, body)
            for changed_group in groups:
                write_group(self._store, self._detector.name, changed_group, start)
        return groups, bool(earlier_runs)

    def notify(
        self, groups: Sequence[Group], start: datetime, warnings: list[str], *, again: bool = False
    ) -> DeliverySummary:
        """Send the alerts about an interval's groups, then those of earlier intervals that were not delivered.

        Parameters
        ----------
        again
            Whether the interval was run before; alerts that are no longer results are then withdrawn.
        """
        waiting = self._undelivered.starts()
        summary = self._notifier.notify(groups, start, again=again)
        if summary.total_undelivered or not summary.is_complete:
            self._undelivered.add(start)
        elif start in waiting:
            self._undelivered.remove(start)
        for earlier in [interval for interval in waiting if interval < start][:REDELIVERIES_PER_RUN]:
            record = self._interval(earlier, warnings)
            ids = record.open_groups if record is not None else ()
            of_earlier = self._read_groups(ids, self._next(earlier), warnings)
            repeated = self._notifier.notify(of_earlier, earlier, again=True)
            summary = summary + repeated
            if (repeated.is_complete and not repeated.total_undelivered) or start - earlier > REDELIVERY_PERIOD:
                self._undelivered.remove(earlier)
        warnings += summary.reasons
        return summary

    def settle_index(self, start: datetime, now: datetime) -> None:
        """After some intervals, take the changes of groups into their index, for its readers."""
        if int(start.timestamp()) // FREQUENCIES[self._detector.frequency].seconds % SETTLED_EVERY == 0:
            # The changes stay, so the next call or a reader does it.
            with suppress(StoreError):
                settle_changes(self._store, self._detector.name, now)

    def _changing(self, start: datetime, ids: Collection[str], now: datetime) -> AbstractContextManager[None]:
        return changing_groups(self._store, self._detector.name, now, start, ids) if ids else nullcontext()

    def _earlier_runs(self, start: datetime) -> list[IntervalRecord]:
        """Return the records of an interval in all versions of the detector."""
        found = [self._interval(start, [])]
        for version in read_versions(self._store, self._detector.name):
            # Another detector of this name has groups of its own.
            if version.fields.get("AnomalyDetectorArn") == self._detector.arn and version.version != self._version:
                found.append(
                    self._interval(start, [], IntervalStore(self._store, self._detector.name, version.version))
                )
        return [record for record in found if record is not None]

    def _read_groups(self, ids: Iterable[str], before: datetime, warnings: list[str]) -> list[Group]:
        groups, problems = read_groups(self._store, self._detector.name, ids, before)
        warnings.extend(f"{problem}; the group is not continued" for problem in problems)
        return groups

    def _interval(
        self, start: datetime, warnings: list[str], intervals: IntervalStore | None = None
    ) -> IntervalRecord | None:
        try:
            return (intervals or self._intervals).read(start)
        except CorruptError as error:
            warnings.append(f"{error}; its groups are not continued")
            return None

    def _next(self, start: datetime) -> datetime:
        return next_start(start, self._metric_set.frequency, self._metric_set.timezone)

    def _previous(self, start: datetime) -> datetime:
        return previous_start(start, self._metric_set.frequency, self._metric_set.timezone)
