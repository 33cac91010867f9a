"""A detector's groups in the lake: an object for each interval of a group, so that no run rewrites another's."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from anomalake.groups.grouping import Group
from anomalake.records.executions import detector_folder, parse_stamp, stamp
from anomalake.records.groups import GroupRecordError, from_record, to_record
from anomalake.storage.store import ObjectNotFound, ObjectStore

READERS = 8


class GroupStore:
    """Groups of one detector: ``groups/<group id>/<start>.json`` holds a group's part in one interval.

    Parameters
    ----------
    store
        The lake.
    detector
        Its name.
    """

    def __init__(self, store: ObjectStore, detector: str) -> None:
        self._store = store
        self._folder = f"{detector_folder(detector)}/groups"

    def put(self, group: Group, start: datetime) -> bool:
        """Keep a group's part in one interval, or delete it where the group has none; whether it has one."""
        part = tuple(one for one in group.intervals if one.timestamp == start)
        if part:
            self._store.put(self._key(group.group_id, start), to_record(replace(group, intervals=part)))
        else:
            self.drop(group.group_id, start)
        return bool(part)

    def drop(self, group_id: str, start: datetime) -> None:
        """Delete a group's part in one interval; one that is not there is passed over."""
        self._store.delete([self._key(group_id, start)])

    def get(self, group_id: str, before: datetime | None = None) -> Group | None:
        """A group, or as much of it as lies before an instant; None where nothing does.

        Raises
        ------
        GroupRecordError
            A part is no record of a group.
        """
        parts = []
        for key in sorted(one.key for one in self._store.list(f"{self._folder}/{group_id}")):
            if before is None or parse_stamp(key.rsplit("/", 1)[1].removesuffix(".json")) < before:
                try:
                    parts.append(from_record(self._store.get(key), f"{self._store.uri}/{key}"))
                except ObjectNotFound:
                    continue
        if not parts:
            return None
        return replace(parts[0], intervals=tuple(one for part in parts for one in part.intervals))

    def some(self, ids: Iterable[str], before: datetime, warnings: list[str]) -> list[Group]:
        """Groups as of before an instant; one that cannot be read is left out and told of."""

        def read(group_id: str) -> Group | GroupRecordError | None:
            try:
                return self.get(group_id, before)
            except GroupRecordError as error:
                return error

        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(read, ids))
        warnings.extend(f"{one}; the group does not go on" for one in found if isinstance(one, GroupRecordError))
        return [one for one in found if isinstance(one, Group)]

    def ids(self) -> list[str]:
        """Ids of all groups."""
        prefix = len(self._folder) + 1
        return sorted({one.key[prefix:].split("/", 1)[0] for one in self._store.list(self._folder)})

    def _key(self, group_id: str, start: datetime) -> str:
        return f"{self._folder}/{group_id}/{stamp(start)}.json"
