"""Holidays of a detector file: days, countries and their subdivisions."""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import pytest

from anomalake.definitions.detector import DetectorFileError
from anomalake.definitions.detector_file import parse_detector
from tests.support.source_data import request

A_CODE = "expected a country's code of two letters, such as US"


def read(holidays: Any) -> tuple[date, ...]:
    return parse_detector(json.dumps({**request(), "Holidays": holidays}), "d.yaml").holidays


def of_year(days: tuple[date, ...], year: int) -> list[str]:
    return [f"{day:%m-%d}" for day in days if day.year == year]


def test_the_holidays_of_a_country_with_the_days_on_which_they_are_observed() -> None:
    days = read({"Country": "US"})
    # 4 July 2026 is a Saturday: offices are closed on the Friday before it.
    expected = [
        "01-01",
        "01-19",
        "02-16",
        "05-25",
        "06-19",
        "07-03",
        "07-04",
        "09-07",
        "10-12",
        "11-11",
        "11-26",
        "12-25",
    ]
    assert of_year(days, 2026) == expected
    assert (days[0], days[-1].year) == (date(1970, 1, 1), 2069)
    assert list(days) == sorted(set(days))


def test_a_subdivision_has_holidays_of_its_own() -> None:
    assert date(2026, 8, 15) in read({"Country": "DE", "Subdivision": "SL"})
    assert date(2026, 8, 15) not in read({"Country": "DE"})


def test_days_and_countries_are_holidays_together() -> None:
    days = read(["2026-11-27", {"Country": "US"}, {"Country": "FR"}])
    assert {date(2026, 11, 26), date(2026, 11, 27), date(2026, 7, 14)} <= set(days)


def test_a_calendar_that_is_known_for_fewer_years_gives_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert of_year(read({"Country": "LK"}), 2026)
    assert [warning for warning in recwarn if "available only" in str(warning.message)] == []


def test_a_file_without_a_country_imports_no_calendars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    assert read(["2026-12-25"]) == (date(2026, 12, 25),)


@pytest.mark.parametrize(
    ("holidays", "expected"),
    [
        ({"Country": "Germany"}, f".Country: 'Germany': {A_CODE}; did you mean DE (Germany)?"),
        ({"Country": "UK"}, f".Country: 'UK': {A_CODE}; did you mean GB (Un"),
        ({"Country": "us"}, f".Country: 'us': {A_CODE}; did you mean US (Un"),
        ({"Country": "??"}, ".Country: '??': expected a country's code of two letters, such as US"),
        ({}, ".Country: is missing; expected a country's code, such as US"),
        ({"Country": "US", "Subdivision": "Californa"}, ".Subdivision: 'Californa': expected one of US's: "),
        ({"Country": "MC", "Subdivision": "X"}, ".Subdivision: 'X': expected none, for MC has none"),
        ({"Country": "US", "Region": "X"}, ".Region: no such field; expected one of Country, Subdivision"),
        ([{"Country": "XX"}], "[0].Country: 'XX': expected a country's code"),
        (["2026-02-30"], "[0]: '2026-02-30': expected a day such as 2013-12-25"),
        ([{"Country": "US"}] * 21, ": has 21 countries; expected up to 20"),
        ("US", ": 'US': expected a list"),
    ],
)  # fmt: skip
def test_a_mistake_in_holidays_is_told(holidays: Any, expected: str) -> None:
    with pytest.raises(DetectorFileError) as caught:
        read(holidays)
    assert any(line.startswith(f"d.yaml: Holidays{expected}") for line in caught.value.problems), caught.value


def test_near_subdivisions_are_told() -> None:
    with pytest.raises(DetectorFileError, match=r"did you mean CA\?"):
        read({"Country": "US", "Subdivision": "Californa"})
