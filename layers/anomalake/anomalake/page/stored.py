"""What detection left in a lake, by one listing: which records there are of each detector."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from anomalake.records.executions import FOLDER, parse_stamp
from anomalake.storage.store import ObjectNotFound, ObjectStore, StoreError

READERS: Final = 16

T = TypeVar("T")

_KEY = re.compile(rf"{FOLDER}/detector=(?P<name>[a-zA-Z0-9][a-zA-Z0-9_-]{{0,62}})/(?P<rest>.+)")
_STAMP = r"(?P<start>\d{8}T\d{6}Z)"
_INTERVAL = re.compile(rf"version=(?P<version>[0-9a-f]+)/intervals/{_STAMP}\.parquet")
_GROUP = re.compile(rf"groups/(?P<group>[^/]+)/{_STAMP}\.json")
_EXECUTION = re.compile(rf"executions/{_STAMP}/[^/]+\.json")
_VERSION = re.compile(r"versions/(?P<version>[0-9a-f]+)\.json")
_UNTOLD = re.compile(rf"undelivered/{_STAMP}")


@dataclass(slots=True)
class Stored:
    """Keys of the records below one detector's folder.

    Attributes
    ----------
    intervals
        Starts of judged intervals, by version.
    groups, executions
        Pairs of an interval's start and a key.
    versions
        Keys by version.
    undelivered
        Intervals with alerts that did not go out.
    backtest
        Names of what the last backtest left.
    """

    name: str
    intervals: dict[str, list[datetime]] = field(default_factory=dict)
    groups: list[tuple[datetime, str]] = field(default_factory=list)
    executions: list[tuple[datetime, str]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    undelivered: int = 0
    backtest: set[str] = field(default_factory=set)


def stored_of(store: ObjectStore) -> dict[str, Stored]:
    """What there is, by the detector's name; raises `StoreError`."""
    found: dict[str, Stored] = {}
    for one in store.list(FOLDER):
        named = _KEY.fullmatch(one.key)
        if named is None:
            continue
        rest = named["rest"]
        at = found.setdefault(named["name"], Stored(named["name"]))
        if match := _INTERVAL.fullmatch(rest):
            if start := _start(match):
                at.intervals.setdefault(match["version"], []).append(start)
        elif match := _GROUP.fullmatch(rest):
            if start := _start(match):
                at.groups.append((start, one.key))
        elif match := _EXECUTION.fullmatch(rest):
            if start := _start(match):
                at.executions.append((start, one.key))
        elif match := _VERSION.fullmatch(rest):
            at.versions[match["version"]] = one.key
        elif _UNTOLD.fullmatch(rest):
            at.undelivered += 1
        elif rest.startswith("backtest/"):
            at.backtest.add(rest.removeprefix("backtest/"))
    for at in found.values():
        at.groups.sort()
        at.executions.sort()
        for starts in at.intervals.values():
            starts.sort()
    return found


def read_each(
    store: ObjectStore, keys: Iterable[str], read: Callable[[bytes, str], T], notes: list[str], what: str
) -> list[T]:
    """Objects read in parallel, in the order of the keys; what vanished meanwhile is passed over, a bad one noted."""

    def one(key: str) -> T | _Bad | None:
        try:
            return read(store.get(key), f"{store.uri}/{key}")
        except ObjectNotFound:
            return None
        except (StoreError, ValueError) as error:
            return _Bad(one_line(error))

    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(one, keys))
    bad = [one for one in found if isinstance(one, _Bad)]
    if bad:
        rest = f", and {len(bad) - 1:,} more" if len(bad) > 1 else ""
        notes.append(f"{what} left out: {bad[0]}{rest}.")
    return [one for one in found if one is not None and not isinstance(one, _Bad)]


class _Bad(str):
    """Why an object could not be read."""


def one_line(error: BaseException) -> str:
    """An error in one line, of bounded length."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _start(match: re.Match[str]) -> datetime | None:
    try:
        return parse_stamp(match["start"])
    except ValueError:
        return None
