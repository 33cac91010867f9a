"""Zoned date-times in Java's form, as in L4M's alerts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

EARLIEST_YEAR, LATEST_YEAR = 1970, 2199

EXPECTED = (
    "a zoned date-time between 1970 and 2199 such as 2021-02-14T04:00Z[UTC] or 2021-07-16T13:00:30+02:00[Europe/Paris]"
)

_ZONED = re.compile(
    r"(?P<wall>\d{4}-\d\d-\d\dT\d\d:\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?P<offset>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?(?:\[(?P<zone>[^\[\]]{1,64})\])?",
    re.ASCII,
)
_FIXED = re.compile(r"(?:UTC|GMT|UT)?(?P<sign>[+-])(?P<h>\d{1,2})(?::?(?P<m>\d\d)(?::?(?P<s>\d\d))?)?", re.ASCII)
_REGION = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", re.ASCII)
# Names in the tz database that mean the machine's own zone, or count leap seconds.
_NOT_ZONES = ("localtime", "posixrules", "Factory")


@dataclass(frozen=True, slots=True)
class ZonedTimestamp:
    """An instant, and its wall-clock time in a zone.

    Attributes
    ----------
    utc
        The instant in UTC, naive, with microseconds.
    local
        The wall-clock time in `timezone`, naive.
    timezone
        Id of the zone as written (``Europe/Paris``, ``GMT+02:00``), or else the offset; ``UTC`` for ``Z`` alone.
    instant
        Seconds since 1970 with nine decimals: equal only for equal instants.
    """

    utc: datetime
    local: datetime
    timezone: str
    instant: str


@lru_cache(maxsize=65_536)
def parse_zoned(text: str) -> ZonedTimestamp:
    """Read a zoned date-time.

    The offset, if present, determines the instant, even if the zone has another offset at that time. The zone
    determines the wall-clock time. With a zone and no offset, a wall-clock time in a gap is moved forward by the gap,
    and one in an overlap is the earlier instant, as in Java.

    Raises
    ------
    ValueError
        The text is not a zoned date-time, or its year is out of range.
    """
    found = _ZONED.fullmatch(text)
    if found is None:
        raise ValueError(text)
    second, fraction, offset, zone = found["second"], found["fraction"] or "", found["offset"], found["zone"]
    wall = datetime.fromisoformat(found["wall"])
    wall = wall.replace(second=int(second or 0))
    if not EARLIEST_YEAR <= wall.year <= LATEST_YEAR:
        raise ValueError(text)
    if offset is None and zone is None:
        raise ValueError(text)
    clock: tzinfo = zone_of(zone) if zone is not None else zone_of(offset)
    if offset is None:
        shift = wall.replace(tzinfo=clock).utcoffset()
    else:
        shift = zone_of(offset).utcoffset(None)
    assert shift is not None
    nanoseconds = int(fraction.ljust(9, "0"))
    utc = wall - shift
    local = utc.replace(tzinfo=UTC).astimezone(clock).replace(tzinfo=None)
    seconds = int((utc - datetime(1970, 1, 1)).total_seconds())
    micro = timedelta(microseconds=nanoseconds // 1000)
    name = zone if zone is not None else ("UTC" if offset == "Z" else offset)
    assert name is not None
    return ZonedTimestamp(utc + micro, local + micro, name, f"{seconds}.{nanoseconds:09d}")


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """The zone of a Java zone id: a region, ``Z``, ``UTC``, ``GMT+2``, ``+02:00``.

    Raises
    ------
    ValueError
        There is no such zone.
    """
    if name in ("Z", "UTC", "GMT", "UT"):
        return UTC
    fixed = _FIXED.fullmatch(name)
    if fixed is not None:
        hours, minutes, seconds = int(fixed["h"]), int(fixed["m"] or 0), int(fixed["s"] or 0)
        offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if minutes > 59 or seconds > 59 or offset > timedelta(hours=18):
            raise ValueError(name)
        return timezone(-offset if fixed["sign"] == "-" else offset)
    if _REGION.fullmatch(name) is None or name in _NOT_ZONES or name.startswith(("right/", "posix/")):
        raise ValueError(name)
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError(name) from error
