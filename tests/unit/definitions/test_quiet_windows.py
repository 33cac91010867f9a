"""Quiet windows: which intervals they have, across midnight and clock changes, and how a file says them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.definitions.detector import DetectorFileError
from anomalake.definitions.detector_file import parse_detector
from anomalake.definitions.intervals import interval_starts
from anomalake.definitions.quiet_windows import PlannedWindow, QuietWindow, RecurringWindow, quiet_intervals
from anomalake.frequencies import FREQUENCIES
from tests.support.source_data import detector, request

PARIS = "Europe/Paris"
SUNDAY = (6,)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def quiet(window: QuietWindow, frequency: str, first: str, last: str, timezone: str = PARIS) -> list[str]:
    """Return the starts (UTC) of the quiet intervals between two instants."""
    ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))
    starts = interval_starts(frequency, timezone, *ends)
    whole = quiet_intervals([window], starts, frequency, timezone)
    # The same interval by interval, as live detection asks.
    each = [bool(quiet_intervals([window], starts[at : at + 1], frequency, timezone)[0]) for at in range(len(starts))]
    assert whole.tolist() == each
    return [str(start)[5:16] for start in starts[whole]]


def test_a_recurring_window_is_in_the_wall_clock_of_the_zone() -> None:
    window = RecurringWindow(SUNDAY, hours(2), hours(4))
    assert quiet(window, "PT1H", "2026-03-01", "2026-03-15") == [
        "03-01T01:00",
        "03-01T02:00",
        "03-08T01:00",
        "03-08T02:00",
    ]


def test_an_interval_that_overlaps_a_window_is_quiet() -> None:
    window = RecurringWindow(SUNDAY, hours(2.5), hours(3.5))
    assert quiet(window, "PT1H", "2026-03-01", "2026-03-02", "UTC") == ["03-01T02:00", "03-01T03:00"]
    window = RecurringWindow(SUNDAY, hours(2), hours(3))
    assert quiet(window, "PT1H", "2026-03-01", "2026-03-02", "UTC") == ["03-01T02:00"]
    window = RecurringWindow(SUNDAY, hours(2), hours(2) + timedelta(minutes=1))
    assert quiet(window, "PT5M", "2026-03-01", "2026-03-02", "UTC") == ["03-01T02:00"]


def test_a_window_reaches_across_midnight() -> None:
    window = RecurringWindow(SUNDAY, hours(23), hours(1))
    expected = ["03-01T23:00", "03-02T00:00", "03-08T23:00"]
    assert quiet(window, "PT1H", "2026-03-01", "2026-03-08T23:00", "UTC") == expected
    every_day = RecurringWindow(tuple(range(7)), hours(23), hours(1))
    assert len(quiet(every_day, "PT1H", "2026-03-01", "2026-03-03T23:00", "UTC")) == 6


@pytest.mark.parametrize(
    ("start", "end", "day", "expected"),
    [
        # 29 March: 02:00 to 03:00 does not exist.
        (2, 4, "2026-03-29", ["01:00"]),
        (2, 3, "2026-03-29", []),
        (1, 3, "2026-03-29", ["00:00"]),
        # 25 October: 02:00 to 03:00 exists twice.
        (2, 4, "2026-10-25", ["00:00", "01:00", "02:00"]),
        (2, 3, "2026-10-25", ["00:00", "01:00"]),
        (1, 2.5, "2026-10-25", ["23:00", "00:00", "01:00"]),
    ],
)
def test_clock_changes_make_a_window_shorter_or_longer(start: float, end: float, day: str, expected: list[str]) -> None:
    window = RecurringWindow(SUNDAY, hours(start), hours(end))
    before = (datetime.fromisoformat(day) - hours(12)).isoformat()
    after = (datetime.fromisoformat(day) + hours(12)).isoformat()
    assert [start[-5:] for start in quiet(window, "PT1H", before, after)] == expected


MINUTES = st.integers(0, 1_439)


@settings(max_examples=30)
@given(
    st.sets(st.integers(0, 6), min_size=1),
    MINUTES,
    MINUTES,
    st.sampled_from(["PT15M", "PT1H"]),
    st.sampled_from(["UTC", "Asia/Kolkata"]),
)
def test_an_interval_is_quiet_if_a_minute_of_it_is(
    days: set[int], start: int, end: int, frequency: str, timezone: str
) -> None:
    window = RecurringWindow(tuple(sorted(days)), timedelta(minutes=start), timedelta(minutes=end))
    length = end - start if end > start else end - start + 1_440
    within = np.zeros(7 * 1_440, np.bool_)
    for day in days:
        within[(day * 1_440 + start + np.arange(length)) % len(within)] = True
    first, last = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)
    starts = interval_starts(frequency, timezone, first, last)
    # The first of the minutes of a week is Monday's midnight, on 2 March 2026.
    offset = 330 if timezone == "Asia/Kolkata" else 0
    minutes = (starts - np.datetime64("2026-03-02")).astype("timedelta64[m]").astype(int) + offset
    each = np.arange(FREQUENCIES[frequency].seconds // 60)
    expected = within[(minutes[:, None] + each) % len(within)].any(axis=1)
    np.testing.assert_array_equal(quiet_intervals([window], starts, frequency, timezone), expected)


def test_days_and_weeks_that_overlap_a_planned_window_are_quiet() -> None:
    window = PlannedWindow(datetime(2026, 12, 24, 18), datetime(2026, 12, 27))
    assert quiet(window, "P1D", "2026-12-20", "2026-12-31") == ["12-23T23:00", "12-24T23:00", "12-25T23:00"]
    assert quiet(window, "P7D", "2026-12-01", "2026-12-31") == ["12-20T23:00"]
    assert quiet(RecurringWindow(SUNDAY, hours(0), hours(24)), "P1D", "2026-03-22", "2026-04-01") == [
        "03-21T23:00",
        "03-28T23:00",
    ]


def test_no_window_and_no_interval_are_not_quiet() -> None:
    starts = interval_starts("PT1H", "UTC", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    assert not quiet_intervals([], starts, "PT1H", "UTC").any()
    assert (
        quiet_intervals([RecurringWindow(SUNDAY, hours(0), hours(24))], np.array([], "M8[s]"), "PT1H", "UTC").size == 0
    )


def file(*windows: dict[str, Any], frequency: str = "PT1H") -> dict[str, Any]:
    return {**request(frequency=frequency), "QuietWindows": list(windows)}


def read(*windows: dict[str, Any], frequency: str = "PT1H") -> tuple[QuietWindow, ...]:
    return parse_detector(json.dumps(file(*windows, frequency=frequency)), "d.yaml").quiet_windows


def test_the_windows_of_a_file() -> None:
    assert detector().quiet_windows == ()
    assert read(
        {"Days": ["Sunday"], "From": "02:00", "To": "04:00"},
        {"From": "22:30", "To": "24:00"},
        {"Days": ["Monday", "Friday"]},
        {"From": "2026-12-24T00:00", "To": "2026-12-27 12:30"},
    ) == (
        RecurringWindow(SUNDAY, hours(2), hours(4)),
        RecurringWindow(tuple(range(7)), hours(22.5), hours(24)),
        RecurringWindow((0, 4), hours(0), hours(24)),
        PlannedWindow(datetime(2026, 12, 24), datetime(2026, 12, 27, 12, 30)),
    )
    assert read({"Days": ["Sunday"]}, frequency="P1D") == (RecurringWindow(SUNDAY, hours(0), hours(24)),)


@pytest.mark.parametrize(
    ("window", "frequency", "expected"),
    [
        ({"Days": ["Sonntag"]}, "PT1H", ".Days: 'Sonntag': expected one of Monday, Tuesday"),
        ({"Days": ["Sunday", "Sunday"]}, "PT1H", ".Days[1]: 'Sunday' is repeated"),
        ({}, "PT1H", ": expected Days, From and To, or both"),
        ({"From": "02:00"}, "PT1H", ".To: is missing beside From; expected a time of day such as 02:00, or"),
        ({"Days": ["Sunday"], "To": "02:00"}, "PT1H", ".From: is missing beside To"),
        ({"From": "2:00", "To": "04:00"}, "PT1H", ".From: '2:00': expected a time of day such as 02:00"),
        ({"From": "24:00", "To": "04:00"}, "PT1H", ".From: '24:00': expected a time of day"),
        ({"From": "02:00", "To": "25:00"}, "PT1H", ".To: '25:00': expected a time of day"),
        ({"From": "02:00", "To": "02:00"}, "PT1H", ".To: '02:00': expected another time than From"),
        ({"From": "2026-12-24T00:00", "To": "04:00"}, "PT1H", ".To: '04:00': expected a day and time such as 2026"),
        ({"From": "2026-02-30T00:00", "To": "2026-03-01T00:00"}, "PT1H", ".From: '2026-02-30T00:00': expected a day"),
        ({"From": "2026-12-24T00:00", "To": "2026-12-24T00:00"}, "PT1H", ".To: '2026-12-24T00:00': expected a time af"),
        (
            {"Days": ["Sunday"], "From": "2026-12-24T00:00", "To": "2026-12-25T00:00"},
            "PT1H",
            ".Days: is given beside a planned window",
        ),
        ({"From": "02:00", "To": "04:00"}, "P1D", ".From: '02:00': is within an interval of P1D; expected Days alone"),
        ({"Days": ["Sunday"]}, "P7D", ": recurs each week, in every interval of P7D; expected From and To with a day"),
        ({"Day": ["Sunday"]}, "PT1H", ".Day: no such field; did you mean Days?"),
        ("02:00", "PT1H", ": '02:00': expected fields and their values"),
    ],
)
def test_a_mistake_in_a_window_is_told(window: Any, frequency: str, expected: str) -> None:
    with pytest.raises(DetectorFileError) as caught:
        read(window, frequency=frequency)
    assert any(line.startswith(f"d.yaml: QuietWindows[0]{expected}") for line in caught.value.problems), caught.value
