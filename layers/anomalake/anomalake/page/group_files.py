"""Anomaly groups as detection keeps them: those of the live detector, and those of a backtest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from anomalake.groups.anomaly_group import Group
from anomalake.page.objects import read_each
from anomalake.records.groups import from_json
from anomalake.records.listing import DetectorRecords
from anomalake.storage.store import ObjectStore


def live_groups(store: ObjectStore, of: DetectorRecords, most: int, notes: list[str]) -> list[Group]:
    """The live detector's groups, from their newest parts."""
    keys = [key for _, key in of.groups]
    if len(keys) > most:
        notes.append(
            f"{of.name}: of {len(keys):,} records of groups the newest {most:,} were read; "
            "of older anomalies the alerts alone are shown."
        )
    return whole(read_each(store, keys[-most:], from_json, notes, f"{of.name}: records of groups"))


def whole(parts: Iterable[Group]) -> list[Group]:
    """Groups out of their parts in single intervals."""
    found: dict[tuple[str, str, str], dict[object, Group]] = {}
    for part in parts:
        by_time = found.setdefault((part.detector_arn, part.group_id, part.measure), {})
        for one in part.intervals:
            by_time[one.timestamp] = replace(part, intervals=(one,))
    return [
        replace(next(iter(by_time.values())), intervals=tuple(by_time[time].intervals[0] for time in sorted(by_time)))  # type: ignore[type-var]
        for by_time in found.values()
    ]


def in_place(first: Iterable[Group], then: Iterable[Group]) -> list[Group]:
    """Groups of both, those of the first in the place of their namesakes."""
    kept = {(one.detector_arn, one.group_id, one.measure): one for one in then}
    kept.update({(one.detector_arn, one.group_id, one.measure): one for one in first})
    return [kept[key] for key in sorted(kept)]
