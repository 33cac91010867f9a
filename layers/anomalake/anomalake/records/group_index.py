"""Index of a detector's groups, those of the live detector and those of the last backtest.

It is derived from the groups, and never true by itself. A record of it, ``group-index/NNNNNNNN.parquet``, has all parts
of groups; that with the highest number counts. Changes of groups are recorded beside it (`group_changes`). A reader
takes them into account; it reads the index first and the changed parts after it, and writes the result under the next
number unless another has (docs/adr/0014).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.groups.anomaly_group import Group
from anomalake.records.backtests import first_tested_interval, read_placed_groups
from anomalake.records.codecs import TABLE_ERRORS, corrupt_table, table_from_bytes, table_to_bytes
from anomalake.records.errors import CorruptError
from anomalake.records.group_changes import GroupChange, index_folder, is_change_key, read_changes
from anomalake.records.groups import group_key, groups_folder, parse_group_key, read_parts
from anomalake.storage.store import ObjectNotFound, ObjectStore, StoreError

#: Form of the records. Those of another form are not read, and the index is built anew.
FORM: Final = 1
#: Most parts of groups from which a run of the live detector builds an index.
MOST_BUILT_LIVE: Final = 1_000

# How often a reader begins anew because others have changed the index meanwhile.
_TRIES: Final = 5
_NUMBER: Final = re.compile(r"/group-index/(\d{8})\.parquet$")
_LATEST: Final = np.iinfo(np.int64).max
_SCHEMA: Final = pa.schema(
    [
        ("group_id", pa.string()),
        ("detector_arn", pa.string()),
        ("measure", pa.string()),
        ("start", pa.int64()),
        ("score", pa.float64()),
        ("place", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class GroupIndex:
    """Parts of groups.

    Attributes
    ----------
    table
        A row for each part: group_id, detector_arn, measure, start (seconds since 1970, UTC), score; place of a group
        of the backtest (`read_backtest_group`), null for a live one.
    first_tested
        Start of the first tested interval of the backtest.
    """

    table: pa.Table
    first_tested: datetime | None = None


class GroupEntry(NamedTuple):
    """A group in the index; a named tuple, because a list has many of them.

    Attributes
    ----------
    group_id, measure, score
        As of `Group`.
    first, last
        Starts of the first and the last interval, in seconds since 1970, UTC.
    place
        Place of a group of the backtest (`read_backtest_group`); None for a live group.
    """

    group_id: str
    measure: str
    first: int
    last: int
    score: float
    place: int | None = None

    @property
    def start(self) -> datetime:
        """Start of the first interval."""
        return datetime.fromtimestamp(self.first, UTC)

    @property
    def end(self) -> datetime:
        """Start of the last interval."""
        return datetime.fromtimestamp(self.last, UTC)


def index_key(detector: str, number: int) -> str:
    """Return the key of a record of a detector's index."""
    return f"{index_folder(detector)}/{number:08d}.parquet"


def to_parquet(index: GroupIndex) -> bytes:
    """Write an index as Parquet."""
    first = index.first_tested.isoformat() if index.first_tested is not None else None
    columns = {name: index.table[name].combine_chunks() for name in _SCHEMA.names}
    return table_to_bytes(columns, {"form": FORM, "first_tested": first}, ["group_id", "detector_arn", "measure"])


def from_parquet(body: bytes, place: str = "index of groups") -> GroupIndex:
    """Inverse of `to_parquet`; raises `CorruptError`, which names `place`."""
    try:
        table, about = table_from_bytes(body)
        if about["form"] != FORM:
            raise ValueError(f"form {about['form']!r}")
        first = about["first_tested"]
        return GroupIndex(table.cast(_SCHEMA), datetime.fromisoformat(first) if first is not None else None)
    except TABLE_ERRORS as error:
        raise corrupt_table(body, place, error, f"an index of groups of form {FORM}") from error


def read_index(store: ObjectStore, detector: str, now: datetime) -> GroupIndex:
    """Return the index as the groups are, and write it if it has changed; raises `StoreError`.

    A lake that cannot be written is read all the same.
    """
    for tried in range(_TRIES):
        found = _updated(store, detector, now, is_last_try=tried == _TRIES - 1)
        if found is not None:
            return found
    raise AssertionError("the last try returns an index")


def settle_changes(store: ObjectStore, detector: str, now: datetime) -> None:
    """Take the changes into the index, so that their number stays small; raises `StoreError`.

    Where there is no index yet but many groups, a reader builds it.
    """
    if not any(_NUMBER.search(entry.key) for entry in store.list(index_folder(detector))):
        parts = store.list(groups_folder(detector))
        if sum(1 for _ in islice(parts, MOST_BUILT_LIVE + 1)) > MOST_BUILT_LIVE:
            return
    read_index(store, detector, now)


def entries(index: GroupIndex, detector_arn: str) -> list[GroupEntry]:
    """Return the groups of a detector, newest first; a live group stands for that of the backtest with its id."""
    table = index.table.filter(pc.equal(index.table["detector_arn"], detector_arn))
    is_live = pc.is_null(table["place"])
    live_ids = pc.unique(table["group_id"].filter(is_live))
    table = table.filter(pc.or_(is_live, pc.invert(pc.is_in(table["group_id"], value_set=live_ids)))).combine_chunks()
    if not table.num_rows:
        return []
    # The id names detector, measure and first interval, so that of all rows of a group any has its measure.
    ids = table["group_id"].combine_chunks().dictionary_encode()
    group = ids.indices.to_numpy()
    start, score = table["start"].to_numpy(), table["score"].to_numpy()
    size = len(ids.dictionary)
    first, last, most, row = np.full(size, _LATEST), np.full(size, -_LATEST), np.zeros(size), np.zeros(size, np.int64)
    np.minimum.at(first, group, start)
    np.maximum.at(last, group, start)
    np.maximum.at(most, group, score)
    row[group] = np.arange(len(group))
    by_group = pa.table(
        {
            "group_id": ids.dictionary,
            "measure": table["measure"].take(pa.array(row)),
            "first": first,
            "last": last,
            "score": most,
            "place": table["place"].take(pa.array(row)),
        }
    )
    newest_first = pc.sort_indices(by_group, sort_keys=[("first", "descending"), ("group_id", "descending")])
    columns = by_group.take(newest_first)
    return list(map(GroupEntry, *(columns[name].to_pylist() for name in GroupEntry._fields)))


def find_entry(index: GroupIndex, detector_arn: str, group_id: str) -> GroupEntry | None:
    """Return a group of a detector; None where there is none with that id."""
    table = index.table.filter(pc.equal(index.table["group_id"], group_id))
    return next(iter(entries(GroupIndex(table), detector_arn)), None)


def _updated(store: ObjectStore, detector: str, now: datetime, *, is_last_try: bool) -> GroupIndex | None:
    """Return the index with all changes; None where another has written a newer one meanwhile."""
    keys = [entry.key for entry in store.list(index_folder(detector))]
    number = max((int(match[1]) for key in keys if (match := _NUMBER.search(key))), default=0)
    changes = read_changes(store, filter(is_change_key, keys))
    if None in changes.values() and not is_last_try:
        return None
    try:
        # It is read before the parts of groups, so that it is never newer than they are.
        stored = from_parquet(store.get(index_key(detector, number))) if number else None
    except CorruptError:
        stored = None
    except ObjectNotFound:
        if not is_last_try:
            return None
        stored = None
    known = [change for change in changes.values() if isinstance(change, GroupChange)]
    if stored is None or len(known) < len(changes):
        index = _built(store, detector)
    elif known:
        index = _with_changes(store, detector, stored, known)
    else:
        return stored
    settled = [key for key, change in changes.items() if not isinstance(change, GroupChange) or change.is_settled(now)]
    if stored is None or settled:
        with suppress(StoreError):
            _write(store, detector, number + 1, index, settled)
    return index


def _write(store: ObjectStore, detector: str, number: int, index: GroupIndex, settled: Sequence[str]) -> None:
    """Write an index; where it counts, delete what it replaces."""
    if not store.put_new(index_key(detector, number), to_parquet(index)):
        return
    numbers = [int(match[1]) for entry in store.list(index_folder(detector)) if (match := _NUMBER.search(entry.key))]
    # Number N is free again after N + 1 was written and N deleted.
    if max(numbers, default=0) == number:
        # The one before stays, so that a listing that runs now finds one of the two.
        store.delete([*settled, *(index_key(detector, other) for other in numbers if other < number - 1)])


def _built(store: ObjectStore, detector: str) -> GroupIndex:
    keys = [entry.key for entry in store.list(groups_folder(detector)) if parse_group_key(entry.key) is not None]
    parts = [part for part in read_parts(store, keys) if isinstance(part, Group)]
    table = pa.concat_tables([_rows((part, None) for part in parts), _backtest_rows(store, detector)])
    return GroupIndex(table, first_tested_interval(store, detector))


def _with_changes(store: ObjectStore, detector: str, index: GroupIndex, changes: Sequence[GroupChange]) -> GroupIndex:
    table, first_tested = index.table, index.first_tested
    changed = sorted({(name, change.start) for change in changes if change.start for name in change.group_ids})
    if changed:
        of_changed = pa.array([f"{group_id}/{int(start.timestamp())}" for group_id, start in changed], pa.string())
        keys = pc.binary_join_element_wise(table["group_id"], pc.cast(table["start"], pa.string()), "/")
        is_changed = pc.and_(pc.is_null(table["place"]), pc.is_in(keys, value_set=of_changed))
        parts = read_parts(store, [group_key(detector, group_id, start) for group_id, start in changed])
        live = _rows((part, None) for part in parts if isinstance(part, Group))
        table = pa.concat_tables([table.filter(pc.invert(is_changed)), live])
    if any(change.start is None for change in changes):
        table = pa.concat_tables([table.filter(pc.is_null(table["place"])), _backtest_rows(store, detector)])
        first_tested = first_tested_interval(store, detector)
    return GroupIndex(table, first_tested)


def _backtest_rows(store: ObjectStore, detector: str) -> pa.Table:
    return _rows((group, place) for place, group in read_placed_groups(store, detector))


def _rows(groups: Iterable[tuple[Group, int | None]]) -> pa.Table:
    rows = [row for group, place in groups for row in _rows_of(group, place)]
    return pa.Table.from_arrays(
        [pa.array([row[column] for row in rows], field.type) for column, field in enumerate(_SCHEMA)], schema=_SCHEMA
    )


def _rows_of(group: Group, place: int | None) -> Iterator[tuple[Any, ...]]:
    for interval in group.intervals:
        start = int(interval.timestamp.timestamp())
        yield group.group_id, group.detector_arn, group.measure, start, interval.score, place
