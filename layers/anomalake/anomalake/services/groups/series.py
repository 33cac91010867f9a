"""The affected time series of a group, with their values in all its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from anomalake.definitions.intervals import interval_starts
from anomalake.groups.affected_metric import AffectedMetric
from anomalake.groups.anomaly_group import Group
from anomalake.groups.contributions import Dimensions
from anomalake.records.backtests import read_backtest_points, tested_values
from anomalake.records.errors import CorruptError
from anomalake.records.intervals import IntervalRecord, IntervalStore, observed_values
from anomalake.records.versions import read_versions
from anomalake.services.definitions.known_detectors import KnownDetector
from anomalake.services.workspace import Workspace
from anomalake.storage.store import ObjectStore

#: Value of a time series that was not observed in an interval, as in alerts on missing values.
MISSING_VALUE = 0.0


def series_of(group: Group) -> list[AffectedMetric]:
    """Return the affected metrics of a group, each once, by their ids."""
    metrics = {metric.time_series_id: metric for interval in group.intervals for metric in interval.affected}
    return [metrics[id_] for id_ in sorted(metrics)]


def timestamps_of(detector: KnownDetector, group: Group) -> list[datetime]:
    """Return the starts of all intervals from the first to the last of a group, those included in which it paused."""
    starts = interval_starts(detector.frequency, detector.timezone, group.start, group.end)
    grid = {datetime.fromtimestamp(int(start), UTC) for start in starts.astype("datetime64[s]").astype("int64")}
    # An earlier version of the detector may have had another grid.
    return sorted(grid | {interval.timestamp for interval in group.intervals})


def values_of(
    workspace: Workspace, detector: KnownDetector, group: Group, series: Sequence[AffectedMetric]
) -> list[list[float]]:
    """Return the values of time series of a group at `timestamps_of`, a list each.

    A value that is not in the group is that of the live interval; where it did not run, that of the last backtest. One
    that was not observed is `MISSING_VALUE`. Raises `StoreError`.
    """
    timestamps = timestamps_of(detector, group)
    values: dict[tuple[Dimensions, datetime], float] = {}
    for interval in group.intervals:
        values |= {(metric.dimensions, interval.timestamp): metric.value for metric in interval.all_affected}
    wanted = [metric.dimensions for metric in series]
    unknown = [at for at in timestamps if any((dimensions, at) not in values for dimensions in wanted)]
    live = _live_intervals(workspace.store, detector, unknown)
    for at, record in live.items():
        observed = observed_values(record, group.measure, wanted)
        values = {(dimensions, at): value for dimensions, value in observed.items()} | values
    rest = [at for at in unknown if at not in live]
    if rest:
        tested = _tested(workspace.store, detector, group, wanted, rest)
        values = {(dimensions, at): value for (dimensions, at), value in tested.items() if at not in live} | values
    return [[values.get((dimensions, at), MISSING_VALUE) for at in timestamps] for dimensions in wanted]


def _live_intervals(
    store: ObjectStore, detector: KnownDetector, starts: Sequence[datetime]
) -> dict[datetime, IntervalRecord]:
    """Read intervals, each of the newest version that has it; those that cannot be read are left out."""
    found: dict[datetime, IntervalRecord] = {}
    for version in read_versions(store, detector.name):
        rest = [start for start in starts if start not in found]
        # Another detector of this name has intervals of its own.
        if rest and version.fields.get("AnomalyDetectorArn") == detector.arn:
            records, _ = IntervalStore(store, detector.name, version.version).read_many(rest)
            found |= {record.start: record for record in records}
    return found


def _tested(
    store: ObjectStore,
    detector: KnownDetector,
    group: Group,
    metrics: Sequence[Dimensions],
    starts: Sequence[datetime],
) -> dict[tuple[Dimensions, datetime], float]:
    try:
        points = read_backtest_points(store, detector.name)
    except CorruptError:
        return {}
    if points is None or points.about.get("detector_arn") != detector.arn:
        return {}
    return tested_values(points, group.measure, metrics, starts[0], starts[-1])
