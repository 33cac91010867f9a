"""What a backtest leaves in a lake beside its alerts: the tested points, what was expected of them, and its groups."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.groups.anomaly_group import Group
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.arrays import CorruptError
from anomalake.records.executions import detector_folder
from anomalake.records.groups import GroupRecordError, from_record, to_record
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: More tested points than this are not kept; they would take a page long to read.
MOST_POINTS: Final = 5_000_000

JUDGEMENT, GROUPS = "judgement.parquet", "groups.jsonl.gz"

_ABOUT = b"anomalake"
_JUDGED = ("expected", "lower", "upper", "severity")


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What a backtest found.

    Attributes
    ----------
    metrics
        The whole history.
    judgement
        Of its tested part, from `first` on.
    groups
        By start and measure.
    """

    metrics: Metrics
    judgement: Judgement
    groups: tuple[Group, ...]

    @property
    def first(self) -> int:
        """Index into `Metrics.starts` of the first tested interval; those before are trained on."""
        return self.judgement.first

    @property
    def tested(self) -> int:
        """How many intervals are tested."""
        return len(self.metrics.starts) - self.first

    @property
    def observed(self) -> npt.NDArray[np.bool_]:
        """Tested points that have a value: (metrics, tested intervals)."""
        return ~np.isnan(self.metrics.flat[:, self.first :])

    def points_by_measure(self) -> dict[str, int]:
        """Anomalous points of each measure."""
        per_metric = self.judgement.is_anomaly.sum(axis=1).reshape(len(self.metrics.measures), -1)
        return dict(zip(self.metrics.measures, per_metric.sum(axis=1).tolist(), strict=True))

    def groups_by_measure(self) -> dict[str, int]:
        """Groups of each measure."""
        counted = Counter(one.measure for one in self.groups)
        return {measure: counted[measure] for measure in self.metrics.measures}

    def worst_groups(self, most: int) -> tuple[Group, ...]:
        """The groups with the highest scores."""
        return tuple(sorted(self.groups, key=lambda one: (-one.score, one.start, one.measure))[:most])


@dataclass(frozen=True, slots=True, eq=False)
class TestedPoints:
    """The tested points of a backtest, metric by metric, each by time.

    Attributes
    ----------
    table
        A row a point that was observed: measure, combination (JSON list of dimension values), time (seconds since
        1970, UTC), value, expected, lower, upper, severity; null where a metric was not known well enough, or a side is
        open.
    about
        detector_arn, frequency, timezone, measures, dimension_names, first, last (starts of the tested intervals).
    """

    table: pa.Table
    about: dict[str, Any]


def backtest_key(detector: str, name: str) -> str:
    """Key of what a detector's last backtest left."""
    return f"{detector_folder(detector)}/backtest/{name}"


def keep_backtest(store: ObjectStore, detector: str, detector_arn: str, found: Backtest) -> bool:
    """Keep a backtest's judgement and groups, in place of the one before; the same bytes for the same result.

    Returns
    -------
    Whether the points are kept: False where they are more than `MOST_POINTS`. Raises `StoreError`.
    """
    body = judgement_to_parquet(found, detector_arn)
    if body is None:
        store.delete([backtest_key(detector, JUDGEMENT)])
    else:
        store.put(backtest_key(detector, JUDGEMENT), body)
    store.put(backtest_key(detector, GROUPS), groups_to_lines(found.groups))
    return body is not None


def judgement_to_parquet(found: Backtest, detector_arn: str) -> bytes | None:
    """The tested points as Parquet; None where they are too many."""
    metrics, judgement = found.metrics, found.judgement
    observed = found.observed
    if int(observed.sum()) > MOST_POINTS:
        return None
    rows, columns = np.nonzero(observed)
    n_combinations = max(1, len(metrics.combinations))
    texts = pa.array([json.dumps(one) for one in metrics.combinations], pa.string())
    seconds = metrics.starts[found.first :].astype("datetime64[s]").astype(np.int64)
    arrays = {
        "measure": _coded(rows // n_combinations, pa.array(metrics.measures, pa.string())),
        "combination": _coded(rows % n_combinations, texts),
        "time": pa.array(seconds[columns]),
        "value": pa.array(metrics.flat[:, found.first :][rows, columns]),
    }
    for name in _JUDGED:
        numbers = getattr(judgement, name)[rows, columns].astype(np.float32)
        arrays[name] = pa.array(numbers, mask=~np.isfinite(numbers))
    about = {
        "detector_arn": detector_arn,
        "frequency": metrics.frequency,
        "timezone": metrics.timezone,
        "measures": metrics.measures,
        "dimension_names": metrics.dimension_names,
        "first": int(seconds[0]) if len(seconds) else None,
        "last": int(seconds[-1]) if len(seconds) else None,
    }
    table = pa.table(arrays).replace_schema_metadata({_ABOUT: json.dumps(about, sort_keys=True)})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", compression_level=1, use_dictionary=["measure", "combination", "time"],
        write_page_checksum=True,
    )  # fmt: skip
    return bytes(sink.getvalue())


def judgement_from_parquet(body: bytes) -> TestedPoints:
    """Out of `judgement_to_parquet`; raises `CorruptError`."""
    try:
        table = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True).read()
        about = json.loads(table.schema.metadata[_ABOUT])
        wanted = ["measure", "combination", "time", "value", *_JUDGED]
        if not isinstance(about, dict) or table.schema.names != wanted:
            raise ValueError(f"columns {', '.join(table.schema.names)[:100]}")
        return TestedPoints(table, about)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptError(f"{len(body):,} bytes: {text}; expected a backtest's judgement") from error


def groups_to_lines(groups: Iterable[Group]) -> bytes:
    """Groups as gzipped lines, each the record of a group."""
    return gzip.compress(b"".join(to_record(one) + b"\n" for one in groups), compresslevel=6, mtime=0)


def groups_from_lines(body: bytes, place: str) -> Iterator[Group]:
    """Out of `groups_to_lines`; raises `GroupRecordError`."""
    try:
        lines = gzip.decompress(body).splitlines()
    except (OSError, EOFError, ValueError) as error:
        raise GroupRecordError(f"{place}: {error}: expected gzipped lines") from error
    for number, line in enumerate(lines, 1):
        yield from_record(line, f"{place}: line {number}")


def group_of_backtest(store: ObjectStore, detector: str, group_id: str) -> Group | None:
    """A group that the detector's last backtest found; None where it has none of that id.

    Raises
    ------
    GroupRecordError, StoreError
    """
    key = backtest_key(detector, GROUPS)
    try:
        body = store.get(key)
    except ObjectNotFound:
        return None
    return next((one for one in groups_from_lines(body, f"{store.uri}/{key}") if one.group_id == group_id), None)


def _coded(codes: npt.NDArray[Any], names: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)
