"""Intervals and folders, through changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.definitions.errors import SourceError
from anomalake.definitions.intervals import (
    NO_INSTANT,
    floor_to_starts,
    folder_of,
    interval_start,
    interval_starts,
    next_start,
    previous_start,
    second_instants,
    start_of_folder,
    to_utc,
)
from anomalake.frequencies import FREQUENCIES

ZONES = (
    "UTC", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Europe/Paris", "Pacific/Apia", "Africa/Cairo", "America/St_Johns",
)  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("frequency", "zone", "instant", "start"),
    [
        ("PT5M", "UTC", "2021-02-14T16:04:59", "2021-02-14T16:00"),
        ("PT10M", "Europe/Paris", "2021-02-14T16:59:59", "2021-02-14T16:50"),
        ("PT1H", "America/New_York", "2021-02-14T16:59", "2021-02-14T16:00"),
        ("PT1H", "Asia/Kolkata", "2021-02-14T16:29", "2021-02-14T15:30"),
        ("PT1H", "Asia/Kathmandu", "2021-02-14T16:29", "2021-02-14T16:15"),
        ("PT15M", "Asia/Kathmandu", "2021-02-14T16:29", "2021-02-14T16:15"),
        ("PT30M", "Europe/Paris", "2021-02-14T16:29:59", "2021-02-14T16:00"),
        ("PT30M", "Asia/Kathmandu", "2021-02-14T16:29", "2021-02-14T16:15"),
        ("P1D", "UTC", "2021-02-14T16:29", "2021-02-14T00:00"),
        ("P1D", "Europe/Paris", "2021-03-28T12:00", "2021-03-27T23:00"),
        ("P1D", "Europe/Paris", "2021-03-28T22:00", "2021-03-28T22:00"),
        # Brazil's clocks skipped midnight: the day began at one.
        ("P1D", "America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04T03:00"),
        # Weeks begin on Monday: 8 February 2021 was one, and so was 29 March, the day after the clocks changed.
        ("P7D", "UTC", "2021-02-14T23:59", "2021-02-08T00:00"),
        ("P7D", "Europe/Paris", "2021-03-28T21:59", "2021-03-21T23:00"),
        ("P7D", "Europe/Paris", "2021-03-28T22:00", "2021-03-28T22:00"),
        ("P7D", "America/New_York", "2021-02-15T04:59", "2021-02-08T05:00"),
    ],
)
def test_starts(frequency: str, zone: str, instant: str, start: str) -> None:
    assert interval_start(utc(instant), frequency, zone) == utc(start)


@pytest.mark.parametrize(("day", "hours"), [("2021-03-28", 23), ("2021-10-31", 25), ("2021-07-01", 24)])
def test_a_day_has_as_many_hours_as_its_zone_gives_it(day: str, hours: int) -> None:
    noon = utc(f"{day}T12:00")
    start = interval_start(noon, "P1D", "Europe/Paris")
    end = next_start(start, "P1D", "Europe/Paris")
    assert end - start == timedelta(hours=hours)
    last = end - timedelta(seconds=1)
    assert len(interval_starts("PT1H", "Europe/Paris", start, last)) == hours


@pytest.mark.parametrize(("day", "hours"), [("2021-03-28", 167), ("2021-10-31", 169), ("2021-07-01", 168)])
def test_a_week_has_as_many_hours_as_its_zone_gives_it(day: str, hours: int) -> None:
    start = interval_start(utc(f"{day}T12:00"), "P7D", "Europe/Paris")
    end = next_start(start, "P7D", "Europe/Paris")
    assert end - start == timedelta(hours=hours)
    assert start.astimezone(ZoneInfo("Europe/Paris")).weekday() == 0


@given(
    st.lists(st.datetimes(datetime(1972, 1, 8), datetime(2090, 1, 1)), min_size=1, max_size=5),
    st.sampled_from(ZONES),
)
def test_wall_clocks_that_occur_twice(clocks: list[datetime], zone: str) -> None:
    """The oracle is zoneinfo: fold 1 is another instant, and both have the same wall clock."""
    local = np.array([(item - datetime(1970, 1, 1)) // timedelta(seconds=1) for item in clocks], np.int64)
    for clock, found in zip(clocks, second_instants(local, zone).tolist(), strict=True):
        first = clock.replace(microsecond=0, tzinfo=ZoneInfo(zone))
        second = first.replace(fold=1)
        exists = first.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == first.replace(tzinfo=None)
        if exists and first.utcoffset() != second.utcoffset():
            assert found == second.timestamp()
        else:
            assert found == NO_INSTANT


def test_both_instants_of_an_autumn_hour() -> None:
    local = np.array([1635645600, 1635649199, 1635649200], np.int64)  # 2021-10-31 02:00:00, 02:59:59 and 03:00:00
    assert to_utc(local, "Europe/Paris").tolist() == [1635638400, 1635641999, 1635645600]
    assert second_instants(local, "Europe/Paris").tolist() == [1635642000, 1635645599, NO_INSTANT]


def test_a_day_that_a_zone_left_out_has_no_interval() -> None:
    """Samoa had no 30 December 2011."""
    starts = interval_starts("P1D", "Pacific/Apia", utc("2011-12-29T00:00"), utc("2012-01-01T00:00"))
    local = [instant.astimezone(ZoneInfo("Pacific/Apia")).date().isoformat() for instant in _instants(starts)]
    assert local == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]


def _instants(starts: np.ndarray) -> list[datetime]:
    return [item.replace(tzinfo=UTC) for item in starts.tolist()]


@given(
    st.datetimes(datetime(1972, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(ZONES),
    st.sampled_from(list(FREQUENCIES)),
)
def test_intervals_follow_each_other(instant: datetime, zone: str, frequency: str) -> None:
    moment = instant.replace(tzinfo=UTC)
    start = interval_start(moment, frequency, zone)
    end = next_start(start, frequency, zone)
    assert start <= moment < end
    assert interval_start(start, frequency, zone) == start
    assert previous_start(end, frequency, zone) == start
    assert _instants(interval_starts(frequency, zone, moment, end)) == [start, end]
    assert interval_starts(frequency, zone, end, start).size == 0
    floored = floor_to_starts(np.array([moment.timestamp(), NO_INSTANT]).astype(np.int64), frequency, zone)
    assert floored[0] == start.timestamp()


@given(
    st.lists(st.datetimes(datetime(1972, 1, 8), datetime(2090, 1, 1)), min_size=1, max_size=5),
    st.sampled_from(ZONES),
)
def test_wall_clocks_as_instants(clocks: list[datetime], zone: str) -> None:
    """The oracle is zoneinfo: fold 0, and a clock that does not come back was skipped."""
    local = np.array([(item - datetime(1970, 1, 1)) // timedelta(seconds=1) for item in clocks], np.int64)
    for clock, found, forward in zip(
        clocks, to_utc(local, zone).tolist(), to_utc(local, zone, gaps_forward=True).tolist(), strict=True
    ):
        zoned = clock.replace(microsecond=0, tzinfo=ZoneInfo(zone))
        back = zoned.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if back == zoned.replace(tzinfo=None):
            assert found == forward == zoned.timestamp()
        else:
            assert found == NO_INSTANT
            after = datetime.fromtimestamp(forward, ZoneInfo(zone)).replace(tzinfo=None)
            before = datetime.fromtimestamp(forward - 1, ZoneInfo(zone)).replace(tzinfo=None)
            assert before < zoned.replace(tzinfo=None) < after


@pytest.mark.parametrize(
    ("template", "folder"),
    [
        ("s3://b/live/{{yyyyMMdd}}/{{HHmm}}", "s3://b/live/20210704/1400"),
        ("{{yyyy}}/{{MM}}/{{dd}}/{{HH}}/{{mm}}/{{ss}}", "2021/07/04/14/00/00"),
        ("{{yy}}-{{M}}-{{d}} {{MMM}} {{MMMM}}", "21-7-4 Jul July"),
        ("{{hh a}}/{{h}}/{{K}}/{{KK}}/{{k}}/{{kk}}/{{H}}/{{m}}/{{s}}", "02 PM/2/2/02/14/14/14/0/0"),
        ("{{y}}/{{Y}}/{{YYYY}}/{{yyyy'W'MM}}", "2021/2021/2021/2021W07"),
        ("no key", "no key"),
    ],
)
def test_folders(template: str, folder: str) -> None:
    assert folder_of(template, utc("2021-07-04T12:00"), "Europe/Paris") == folder


def test_folders_at_the_ends_of_a_clock() -> None:
    assert folder_of("{{hh a}} {{KK a}} {{kk}} {{HH}}", utc("2021-07-04T00:00"), "UTC") == "12 AM 00 AM 24 00"
    assert folder_of("{{hh a}} {{KK a}} {{kk}} {{HH}}", utc("2021-07-04T12:00"), "UTC") == "12 PM 00 PM 12 12"
    # 1 January 2021 is in the last week of 2020.
    assert folder_of("{{YYYY}} {{yyyy}}", utc("2021-01-01T12:00"), "UTC") == "2020 2021"


@pytest.mark.parametrize("template", ["{{QQ}}", "{{yyyy", "{yyyy}", "{{}}", "{{VV}}", "{{SSS}}", "{{yyyyy}}"])
def test_folders_of_other_keys_are_refused(template: str) -> None:
    with pytest.raises(SourceError, match="TemplatedPathList"):
        folder_of(template, utc("2021-07-04T12:00"), "UTC")


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)),
    st.sampled_from(ZONES),
    st.sampled_from(["PT5M", "PT30M", "PT1H", "P1D", "P7D"]),
    st.sampled_from(["/l/{{yyyyMMdd}}/{{HHmm}}", "/l.x/{{yyyy}}/{{MMM}}/{{d}}/{{hh-mm-a}}", "/{{yyyyMMddHHmmss}}"]),
)
def test_a_folder_tells_its_interval(instant: datetime, zone: str, frequency: str, template: str) -> None:
    start = interval_start(instant.replace(tzinfo=UTC), frequency, zone)
    folder = folder_of(template, start, zone)
    found = start_of_folder(template, folder, frequency, zone)
    assert found is not None
    # When clocks go back two intervals have the same folder; it is the first one's.
    assert folder_of(template, found, zone) == folder
    assert found <= start <= found + timedelta(hours=24 if zone == "Pacific/Apia" else 1)


def test_a_week_is_in_the_folder_of_the_month_of_its_monday() -> None:
    template = "/l/{{yyyy}}/{{MM}}"
    starts = [start_of_folder(template, f"/l/2021/{month:02}", "P7D", "UTC") for month in (2, 3, 4)]
    assert starts == [utc("2021-02-01"), utc("2021-03-01"), utc("2021-04-05")]
    assert start_of_folder("/l/{{yyyyMMdd}}", "/l/20210405", "P7D", "UTC") == utc("2021-04-05")
    assert start_of_folder("/l/{{yyyyMMdd}}", "/l/20210406", "P7D", "UTC") is None


@pytest.mark.parametrize(
    "folder", ["/l/2021070/1400", "/l/20210704/1400/x", "/l/20211304/1400", "/l/20210704/1430", ""]
)
def test_other_folders_tell_none(folder: str) -> None:
    assert start_of_folder("/l/{{yyyyMMdd}}/{{HHmm}}", folder, "PT1H", "UTC") is None
