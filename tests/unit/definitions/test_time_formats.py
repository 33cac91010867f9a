"""Timestamps in Java's patterns."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.definitions.errors import SourceError
from anomalake.definitions.time_formats import WallClockReader, parts_of, write_wall_clock


def read(pattern: str, text: str) -> tuple[str, int | None]:
    clock = WallClockReader(parts_of(pattern)).read(text)
    return clock.local.isoformat(" "), clock.offset


@pytest.mark.parametrize(
    ("pattern", "text", "local", "offset"),
    [
        ("yyyy-MM-dd HH:mm:ss", "2021-02-14 16:05:09", "2021-02-14 16:05:09", None),
        ("yyyy-MM-dd HH:mm:ss", "2021-2-4 6:5:9", "2021-02-04 06:05:09", None),
        ("yyyyMMddHHmm", "202102141605", "2021-02-14 16:05:00", None),
        ("dd MMM yyyy hh:mm:ss a", "14 feb 2021 12:05:09 am", "2021-02-14 00:05:09", None),
        ("MMMM d, y K a", "February 4, 2021 11 PM", "2021-02-04 23:00:00", None),
        ("yyyy-MM-dd kk", "2021-02-14 24", "2021-02-14 00:00:00", None),
        ("EEE, dd MMM yy HH:mm", "Sun, 14 Feb 21 16:05", "2021-02-14 16:05:00", None),
        ("EEEE dd.MM.yyyy", "Sunday 14.02.2021", "2021-02-14 00:00:00", None),
        ("YYYY-MM-dd", "2021-01-01", "2021-01-01 00:00:00", None),
        ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2021-02-14T16:05:09.123", "2021-02-14 16:05:09", None),
        ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2021-02-14T16:05:09.123456789", "2021-02-14 16:05:09", None),
        ("yyyyMMddHHmmssSSS", "20210214160509123", "2021-02-14 16:05:09", None),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2021-02-14T16:05:09+02:00", "2021-02-14 16:05:09", 7200),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2021-02-14T16:05:09Z", "2021-02-14 16:05:09", 0),
        ("yyyy-MM-dd HH:mm Z", "2021-02-14 16:05 -0530", "2021-02-14 16:05:00", -19800),
        ("yyyy-MM-dd HH:mm z", "2021-02-14 16:05 UTC", "2021-02-14 16:05:00", 0),
        ("yyyy-MM-dd HH:mm z", "2021-02-14 16:05 EST", "2021-02-14 16:05:00", -18000),
        ("yyyy-MM-dd HH:mm VV", "2021-07-14 16:05 Europe/Paris", "2021-07-14 16:05:00", 7200),
        ("'at' yyyy.MM.dd ''HH''", "at 2021.02.14 '16'", "2021-02-14 16:00:00", None),
    ],
)
def test_timestamps(pattern: str, text: str, local: str, offset: int | None) -> None:
    assert read(pattern, text) == (local, offset)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd", "2021-02-30"),
        ("yyyy-MM-dd", "2021-13-01"),
        ("yyyy-MM-dd", "2021/01/01"),
        ("yyyy-MM-dd", "2021-01-01 "),
        ("yyyy-MM-dd", "２０２１-01-01"),
        ("yyyy-MM-dd", "1969-01-01"),
        ("yyyy-MM-dd", "2200-01-01"),
        ("yyyy-MM-dd", ""),
        ("yyyy-MM-dd HH", "2021-01-01 24"),
        ("yyyy-MM-dd kk", "2021-01-01 00"),
        ("yyyy-MM-dd hh a", "2021-01-01 13 PM"),
        ("yyyy-MM-dd hh a", "2021-01-01 00 PM"),
        ("yyyy-MM-dd KK a", "2021-01-01 12 PM"),
        ("yyyy-MM-dd HH:mm XXX", "2021-01-01 00:00 +99:00"),
        ("yyyy-MM-dd HH:mm z", "2021-01-01 00:00 localtime"),
        ("yyyyMMdd", "202111"),
    ],
)
def test_other_texts_are_refused(pattern: str, text: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        read(pattern, text)


@pytest.mark.parametrize("pattern", ["", "QQ", "yyyy-MM-ddTHH", "yyyy 'open", "DDD", "MMMMM", "aa"])
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(SourceError, match="ColumnFormat"):
        parts_of(pattern)


@pytest.mark.parametrize(
    "pattern", ["yyyy-MM-dd HH:mm:ss", "yyyyMMddHHmmss", "d/M/yyyy h:m:s a", "MMM dd yyyy kk:mm:ss"]
)
@given(clock=st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)))
def test_what_was_written_is_read(pattern: str, clock: datetime) -> None:
    clock = clock.replace(microsecond=0)
    parts = parts_of(pattern)
    assert WallClockReader(parts).read(write_wall_clock(parts, clock)).local == clock
