"""Changes of a detector's groups that the index of groups may not have yet (`group_index`).

Whoever changes groups records it before and after. Between the two the change is open: an index that has read the
groups may have read them too early.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Age from which an open change is taken for that of a run that was killed.
LONGEST_RUN: Final = timedelta(days=1)
#: Changes that are read at a time.
READERS: Final = 16

_CHANGES: Final = "changes"


@dataclass(frozen=True, slots=True)
class GroupChange:
    """A change of groups.

    Attributes
    ----------
    began_at
        Time of its begin.
    start
        Start of the interval in which parts of live groups change; None: the backtest's groups are replaced.
    group_ids
        The live groups.
    is_done
        Whether all is written.
    """

    began_at: datetime
    start: datetime | None = None
    group_ids: tuple[str, ...] = ()
    is_done: bool = False

    def is_settled(self, now: datetime) -> bool:
        """Whether nothing more of the change will be written."""
        return self.is_done or now - self.began_at > LONGEST_RUN


def index_folder(detector: str) -> str:
    """Return the folder of a detector's index of groups, and of the changes."""
    return f"{detector_folder(detector)}/group-index"


def is_change_key(key: str) -> bool:
    """Whether a key of the folder is that of a change."""
    return f"/group-index/{_CHANGES}/" in key


@contextmanager
def changing_groups(
    store: ObjectStore, detector: str, now: datetime, start: datetime | None = None, group_ids: Collection[str] = ()
) -> Iterator[None]:
    """Record that groups change while the block runs; raises `StoreError`.

    Parameters
    ----------
    start, group_ids
        Start of the interval, and the live groups whose parts in it may change. None: the backtest's groups.
    """
    change = GroupChange(now, start, tuple(sorted(group_ids)))
    key = f"{index_folder(detector)}/{_CHANGES}/{uuid.uuid4().hex}.json"
    store.put(key, to_json(change))
    yield
    store.put(key, to_json(replace(change, is_done=True)))


def to_json(change: GroupChange) -> bytes:
    """Write a change as JSON."""
    record = {
        "BeganAt": change.began_at.astimezone(UTC).isoformat(),
        "Timestamp": change.start.astimezone(UTC).isoformat() if change.start is not None else None,
        "AnomalyGroupIds": list(change.group_ids),
        "IsDone": change.is_done,
    }
    return json.dumps(record, separators=(",", ":")).encode("ascii")


def from_json(body: bytes, place: str = "change of groups") -> GroupChange:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        record = json.loads(body)
        began_at, start = datetime.fromisoformat(record["BeganAt"]), record["Timestamp"]
        group_ids = tuple(str(group_id) for group_id in record["AnomalyGroupIds"])
        change = GroupChange(
            began_at, datetime.fromisoformat(start) if start is not None else None, group_ids, bool(record["IsDone"])
        )
        if any(instant is not None and instant.tzinfo is None for instant in (change.began_at, change.start)):
            raise ValueError("a time without a zone")
        return change
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"{place}: {str(error)[:120]!r}: expected the record of a change of groups") from error


def read_changes(store: ObjectStore, keys: Iterable[str]) -> Mapping[str, GroupChange | RecordError | None]:
    """Read changes in parallel, by key: None where there is none any more; raises `StoreError`."""

    def read(key: str) -> GroupChange | RecordError | None:
        try:
            return from_json(store.get(key), f"{store.uri}/{key}")
        except ObjectNotFound:
            return None
        except RecordError as error:
            return error

    keys = list(keys)
    if not keys:
        return {}
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(keys, pool.map(read, keys), strict=True))
