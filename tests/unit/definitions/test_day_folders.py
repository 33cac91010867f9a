"""Folders of days in template paths."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.definitions.day_folders import DayFolders, day_folders, day_text
from anomalake.definitions.intervals import folder_of

WITH_DAYS = [
    ("s3://b/live/{{yyyyMMdd}}/{{HHmm}}", DayFolders("s3://b/live/", "yyyyMMdd")),
    ("s3://b/live/{{yyyy-MM-dd}}", DayFolders("s3://b/live/", "yyyy-MM-dd")),
    ("s3://b/live/{{yyyy}}/{{MM}}/{{dd}}/{{HH}}/x", DayFolders("s3://b/live/", "yyyy/MM/dd")),
    ("s3://b/live/dt={{yyyyMMdd}}/data/{{HH}}", DayFolders("s3://b/live/dt=", "yyyyMMdd")),
    ("live/{{yyyy_MM_dd}}/", DayFolders("live/", "yyyy_MM_dd")),
]


@pytest.mark.parametrize(("template", "expected"), WITH_DAYS)
def test_folders_of_days(template: str, expected: DayFolders) -> None:
    assert day_folders(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        "s3://b/live/{{yyyyMMddHH}}", "s3://b/live/{{yyyyMMdd}}{{HH}}", "s3://b/live/{{ddMMyyyy}}/{{HH}}",
        "s3://b/live/{{yyyy-MMM-dd}}/{{HH}}", "s3://b/live/{{YYYYMMdd}}/{{HH}}", "s3://b/live/{{yyMMdd}}/{{HH}}",
        "s3://b/live/{{yyyyMd}}/{{HH}}", "s3://b/live/{{yyyyMMdd}}_{{HH}}", "s3://b/live/{{yyyyMMdd}}-orders/{{HH}}",
        "s3://b/live/{{HH}}/{{yyyyMMdd}}", "s3://b/live/{{yyyy}}/{{MM}}", "s3://b/live/year={{yyyy}}/m={{MM}}/d={{dd}}",
        "s3://b/live/",
    ],
)  # fmt: skip
def test_folders_without_a_whole_day_that_sorts(template: str) -> None:
    assert day_folders(template) is None


@given(
    st.sampled_from([template for template, _ in WITH_DAYS]),
    st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30)),
    st.integers(0, 400),
)
def test_the_text_of_days_sorts_as_days_do_and_is_in_the_path(template: str, first: datetime, days: int) -> None:
    folders = day_folders(template)
    assert folders is not None
    last = first + timedelta(days=days)
    assert day_text(folders.pattern, first.date()) <= day_text(folders.pattern, last.date())
    match = re.match(folders.expression, folder_of(template, first.replace(tzinfo=UTC), "UTC"))
    assert match is not None
    assert match[1] == day_text(folders.pattern, first.date())


def test_a_day_in_a_pattern() -> None:
    assert day_text("yyyy/MM/dd", date(2021, 2, 3)) == "2021/02/03"
