"""Backtests: the tested points with their judgement, and the groups."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.alerts import StoredAlert
from anomalake.alerts.withdrawals import body_from_fields, body_to_fields
from anomalake.groups.anomaly_group import Group
from anomalake.groups.contributions import Dimensions
from anomalake.groups.judged_series import JudgedArrays, JudgedSeries
from anomalake.groups.near_misses import MOST, NearMiss, near_misses
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records import groups as group_records
from anomalake.records.codecs import TABLE_ERRORS, corrupt_table, table_from_bytes, table_to_bytes
from anomalake.records.errors import CorruptError, RecordError
from anomalake.records.group_changes import changing_groups
from anomalake.records.intervals import combination_texts
from anomalake.records.keys import detector_folder, key_pattern
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Most tested points that are stored; a page could not read more in a useful time.
MOST_POINTS: Final = 5_000_000

#: Names of a backtest's objects: tested points, groups, and alerts in the lake.
JUDGEMENT, GROUPS, ALERTS = "judgement.parquet", "groups.jsonl.gz", "alerts.jsonl.gz"
#: Folder of the groups of backtests whose alerts are being written.
UNFINISHED = "unfinished"

# Series whose points are read at a time.
_SERIES_AT_ONCE: Final = 2_048
# Groups in a gzip member, so that one group is found without decompressing all.
_GROUPS_AT_ONCE: Final = 64
# Bytes that are decompressed at a time.
_READ: Final = 1 << 16

_KEY = key_pattern(r"backtest/(?P<name>.+)")
_JUDGED = ("expected", "lower", "upper", "severity")


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Result of a backtest.

    Attributes
    ----------
    judged
        The tested intervals of the whole history.
    groups
        Anomaly groups, by start and measure.
    """

    judged: JudgedSeries
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, metrics: Metrics, judgement: Judgement, groups: Iterable[Group]) -> Backtest:
        """Return the result whose judgement is in arrays."""
        return cls(JudgedArrays(metrics, judgement), tuple(groups))

    @property
    def metrics(self) -> Metrics:
        """The whole history."""
        return self.judged.metrics

    @property
    def judgement(self) -> Judgement:
        """Judgement of the tested intervals, from `first` on: of all series, so it may be large."""
        return self.judged.rows(0, self.metrics.n_metrics)[1]

    @property
    def first(self) -> int:
        """Index into `Metrics.starts` of the first tested interval; the model is fitted on those before it."""
        return self.judged.first

    @property
    def tested(self) -> int:
        """Number of tested intervals."""
        return self.judged.n_judged

    @property
    def n_points(self) -> int:
        """Number of tested points that have a value."""
        return self.judged.reduction.observed

    def points_by_measure(self) -> dict[str, int]:
        """Count the anomalous points of each measure."""
        of_points = self.judged.reduction.points.row // max(1, len(self.metrics.combinations))
        counts = np.bincount(of_points, minlength=len(self.metrics.measures))
        return dict(zip(self.metrics.measures, counts.tolist(), strict=True))

    def groups_by_measure(self) -> dict[str, int]:
        """Count the groups of each measure."""
        counts = Counter(group.measure for group in self.groups)
        return {measure: counts[measure] for measure in self.metrics.measures}

    def worst_groups(self, most: int) -> tuple[Group, ...]:
        """Return the groups with the highest scores, highest first."""
        return tuple(sorted(self.groups, key=lambda group: (-group.score, group.start, group.measure))[:most])

    def near_misses(self, most: int = MOST) -> tuple[NearMiss, ...]:
        """Return the most unusual points below the severity of an anomaly; none if there is a group."""
        return near_misses(self.judged, most) if not self.groups else ()


@dataclass(frozen=True, slots=True, eq=False)
class TestedPoints:
    """The tested points of a backtest, metric by metric, each by time.

    Attributes
    ----------
    table
        A row for each observed point: measure, combination (JSON list of dimension values), time (seconds since 1970,
        UTC), value, expected, lower, upper, severity; null where the model did not know the metric well enough, or a
        side is open.
    about
        detector_arn, frequency, timezone, measures, dimension_names, first, last (starts of the tested intervals);
        roll_ups: true where the detector has them (`Metrics.roll_ups`).
    """

    table: pa.Table
    about: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BacktestKey:
    """Parts of a backtest's key; `name` is `JUDGEMENT` or `GROUPS`."""

    detector: str
    name: str


def backtest_key(detector: str, name: str) -> str:
    """Return the key of an object of a detector's last backtest."""
    return f"{detector_folder(detector)}/backtest/{name}"


def parse_backtest_key(key: str) -> BacktestKey | None:
    """Inverse of `backtest_key`; None for any other key."""
    match = _KEY.fullmatch(key)
    return BacktestKey(match["detector"], match["name"]) if match is not None else None


def write_backtest(
    store: ObjectStore,
    detector: str,
    detector_arn: str,
    backtest: Backtest,
    alerts: Iterable[StoredAlert] = (),
    now: datetime | None = None,
) -> bool:
    """Write a backtest in place of the detector's earlier one; equal bytes for equal results.

    Parameters
    ----------
    alerts
        Its alerts in the lake.
    now
        Default: the current time.

    Returns
    -------
    Whether the points are stored: False where there are more than `MOST_POINTS`. Raises `StoreError`.
    """
    body = judgement_to_parquet(backtest, detector_arn)
    with changing_groups(store, detector, now or datetime.now(UTC)):
        if body is None:
            store.delete([backtest_key(detector, JUDGEMENT)])
        else:
            store.put(backtest_key(detector, JUDGEMENT), body)
        store.put(backtest_key(detector, GROUPS), groups_to_lines(backtest.groups))
    store.put(backtest_key(detector, ALERTS), alerts_to_lines(alerts))
    store.delete(unfinished_backtests(store, detector))
    return body is not None


def begin_backtest(store: ObjectStore, detector: str, backtest: Backtest) -> None:
    """Record the groups of a backtest before its alerts are written; `write_backtest` ends it."""
    body = groups_to_lines(backtest.groups)
    name = f"{UNFINISHED}/{hashlib.sha256(body).hexdigest()[:32]}.jsonl.gz"
    store.put(backtest_key(detector, name), body)


def judgement_to_parquet(backtest: Backtest, detector_arn: str) -> bytes | None:
    """Write the tested points as Parquet; None where there are more than `MOST_POINTS`."""
    metrics = backtest.metrics
    if backtest.n_points > MOST_POINTS:
        return None
    n_combinations = max(1, len(metrics.combinations))
    texts = pa.array([json.dumps(combination) for combination in metrics.combinations], pa.string())
    seconds = metrics.starts[backtest.first :].astype("datetime64[s]").astype(np.int64)
    parts = []
    for begin in range(0, max(1, metrics.n_metrics), _SERIES_AT_ONCE):
        values, judgement = backtest.judged.rows(begin, min(begin + _SERIES_AT_ONCE, metrics.n_metrics))
        rows, columns = np.nonzero(~np.isnan(values))
        numbers = [getattr(judgement, name)[rows, columns].astype(np.float32) for name in _JUDGED]
        parts.append((begin + rows, columns, values[rows, columns], *numbers))
    rows, columns, observed, *judged = (np.concatenate(column) for column in zip(*parts, strict=True))
    arrays = {
        "measure": _coded(rows // n_combinations, pa.array(metrics.measures, pa.string())),
        "combination": _coded(rows % n_combinations, texts),
        "time": pa.array(seconds[columns]),
        "value": pa.array(observed),
        **{name: pa.array(of, mask=~np.isfinite(of)) for name, of in zip(_JUDGED, judged, strict=True)},
    }
    about = {
        "detector_arn": detector_arn,
        "frequency": metrics.frequency,
        "timezone": metrics.timezone,
        "measures": metrics.measures,
        "dimension_names": metrics.dimension_names,
        "first": int(seconds[0]) if len(seconds) else None,
        "last": int(seconds[-1]) if len(seconds) else None,
        **({"roll_ups": True} if metrics.roll_ups else {}),
    }
    return table_to_bytes(arrays, about, ["measure", "combination", "time"])


def judgement_from_parquet(body: bytes, place: str = "backtest") -> TestedPoints:
    """Inverse of `judgement_to_parquet`; raises `CorruptError`, which names `place`."""
    try:
        table, about = table_from_bytes(body)
        if table.schema.names != ["measure", "combination", "time", "value", *_JUDGED]:
            raise ValueError(f"columns {', '.join(table.schema.names)[:100]}")
        return TestedPoints(table, about)
    except TABLE_ERRORS as error:
        raise corrupt_table(body, place, error, "a backtest's judgement") from error


def groups_to_lines(groups: Iterable[Group]) -> bytes:
    """Write groups as gzipped lines of JSON, a group each, in several gzip members."""
    lines = [group_records.to_json(group) + b"\n" for group in groups]
    pieces = (b"".join(lines[at : at + _GROUPS_AT_ONCE]) for at in range(0, max(1, len(lines)), _GROUPS_AT_ONCE))
    return b"".join(gzip.compress(piece, compresslevel=6, mtime=0) for piece in pieces)


def groups_from_lines(body: bytes, place: str) -> Iterator[Group]:
    """Inverse of `groups_to_lines`; raises `RecordError`, which names `place`."""
    return (group for _, group in placed_groups(body, place))


def placed_groups(body: bytes, place: str) -> Iterator[tuple[int, Group]]:
    """Read the groups in `groups_to_lines`, each with the offset of its gzip member; raises `RecordError`."""
    number = 0
    for offset, text in _members(body, place):
        for line in text.splitlines():
            number += 1
            yield offset, group_records.from_json(line, f"{place}: line {number}")


def _members(body: bytes, place: str, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Decompress the gzip members from an offset on, each with its offset; raises `RecordError`."""
    view, end = memoryview(body), first
    try:
        while end < len(view) or end == first == 0:
            offset, pieces, member = end, [], zlib.decompressobj(16 + zlib.MAX_WBITS)
            while not member.eof:
                piece = view[end : end + _READ]
                if not piece:
                    raise EOFError("the end is missing")
                pieces.append(member.decompress(piece))
                end += len(piece) - len(member.unused_data)
            yield offset, b"".join(pieces)
    except (zlib.error, EOFError) as error:
        raise RecordError(f"{place}: {error}: expected gzipped lines") from error


def alerts_to_lines(alerts: Iterable[StoredAlert]) -> bytes:
    """Write the alerts of a backtest as gzipped lines of JSON, an alert each, sorted."""
    lines = [
        {
            **body_to_fields(alert.body),
            "anomalyDetectorArn": alert.detector_arn,
            "anomalyGroupId": alert.anomaly_group_id,
            "alertName": alert.alert_name,
        }
        for alert in sorted(alerts, key=lambda alert: alert.body.key)
    ]
    return gzip.compress(b"".join(json.dumps(line).encode("ascii") + b"\n" for line in lines), mtime=0)


def alerts_from_lines(body: bytes, place: str) -> list[StoredAlert]:
    """Inverse of `alerts_to_lines`; raises `RecordError`, which names `place`."""
    try:
        lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return [
            StoredAlert(body_from_fields(line), line["anomalyDetectorArn"], line["anomalyGroupId"], line["alertName"])
            for line in lines
        ]
    except (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error) as error:
        raise RecordError(f"{place}: {error!r}: expected gzipped lines, an alert each") from error


def read_backtest_alerts(store: ObjectStore, detector: str) -> list[StoredAlert] | None:
    """Read the alerts of a detector's last backtest; None where the record is missing or invalid; raises `StoreError`.

    An earlier version of anomalake has recorded the groups only.
    """
    key = backtest_key(detector, ALERTS)
    try:
        return alerts_from_lines(store.get(key), f"{store.uri}/{key}")
    except (ObjectNotFound, RecordError):
        return None


def unfinished_backtests(store: ObjectStore, detector: str) -> list[str]:
    """List the keys of the groups of backtests that ended before `write_backtest`; raises `StoreError`."""
    return [entry.key for entry in store.list(backtest_key(detector, UNFINISHED))]


def read_groups_of(store: ObjectStore, keys: Iterable[str]) -> Iterator[Group]:
    """Read the groups in some objects of backtests; missing and invalid ones are left out; raises `StoreError`."""
    for key in keys:
        with suppress(ObjectNotFound, RecordError):
            yield from groups_from_lines(store.get(key), f"{store.uri}/{key}")


def read_backtest_points(store: ObjectStore, detector: str) -> TestedPoints | None:
    """Read the tested points of a detector's last backtest; None where none are stored.

    Raises
    ------
    CorruptError, StoreError
    """
    key = backtest_key(detector, JUDGEMENT)
    try:
        return judgement_from_parquet(store.get(key), f"{store.uri}/{key}")
    except ObjectNotFound:
        return None


def read_backtest_groups(store: ObjectStore, detector: str) -> Iterator[Group]:
    """Read the groups of a detector's last backtest; none where there was no backtest.

    Raises
    ------
    RecordError, StoreError
    """
    key = backtest_key(detector, GROUPS)
    try:
        body = store.get(key)
    except ObjectNotFound:
        return
    yield from groups_from_lines(body, f"{store.uri}/{key}")


def read_backtest_group(store: ObjectStore, detector: str, group_id: str, place: int | None = None) -> Group | None:
    """Read a group of a detector's last backtest; None where it has none with that id.

    Parameters
    ----------
    place
        Offset of its gzip member, if that is known. A group that is not there is looked for everywhere.

    Raises
    ------
    RecordError, StoreError
    """
    key = backtest_key(detector, GROUPS)
    try:
        body = store.get(key)
    except ObjectNotFound:
        return None
    # Each line begins with the id.
    beginning = group_records.beginning_of(group_id)
    if place:
        with suppress(RecordError):
            _, text = next(_members(body, key, place), (0, b""))
            for line in text.splitlines():
                if line.startswith(beginning):
                    return group_records.from_json(line, f"{store.uri}/{key}")
    for _, text in _members(body, f"{store.uri}/{key}"):
        for line in text.splitlines():
            if line.startswith(beginning):
                return group_records.from_json(line, f"{store.uri}/{key}")
    return None


def read_placed_groups(store: ObjectStore, detector: str) -> list[tuple[int, Group]]:
    """Read the groups of a detector's last backtest with their places; none where they are missing or invalid.

    Raises `StoreError`.
    """
    key = backtest_key(detector, GROUPS)
    try:
        return list(placed_groups(store.get(key), f"{store.uri}/{key}"))
    except (ObjectNotFound, RecordError):
        return []


def first_tested_interval(store: ObjectStore, detector: str) -> datetime | None:
    """Return the start of the first tested interval of the last backtest; None where it is not stored.

    Raises `StoreError`.
    """
    try:
        tested = read_backtest_points(store, detector)
    except CorruptError:
        return None
    first = tested.about.get("first") if tested is not None else None
    return datetime.fromtimestamp(first, UTC) if first is not None else None


def tested_values(
    tested: TestedPoints, measure: str, metrics: Iterable[Dimensions], first: datetime, last: datetime
) -> dict[tuple[Dimensions, datetime], float]:
    """Return the observed values of metrics of a measure in the intervals from one to another, by dimensions and start.

    Parameters
    ----------
    metrics
        Dimensions of the metrics.
    first, last
        Starts of the first and the last interval.
    """
    wanted = combination_texts(tested.about["dimension_names"], metrics)
    time = tested.table["time"]
    is_within = pc.and_(pc.greater_equal(time, int(first.timestamp())), pc.less_equal(time, int(last.timestamp())))
    table = tested.table.filter(is_within)
    table = table.filter(pc.equal(table["measure"].cast(pa.string()), measure))
    table = table.filter(
        pc.is_in(table["combination"].cast(pa.string()), value_set=pa.array(list(wanted), pa.string()))
    )
    found, times, values = (table[name].to_pylist() for name in ("combination", "time", "value"))
    return {
        (wanted[text], datetime.fromtimestamp(time, UTC)): value
        for text, time, value in zip(found, times, values, strict=True)
    }


def _coded(codes: npt.NDArray[Any], names: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)
