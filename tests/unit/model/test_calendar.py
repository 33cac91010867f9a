"""Calendar positions of intervals, clock changes, and holidays."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from anomalake.model import judge
from anomalake.model.calendar import calendar_of, harmonics, seasonal_periods, wall_clock
from tests.unit.model.histories import judged, learn, metrics, starts

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("timezone", "utc", "local"),
    [
        (NEW_YORK, "2024-03-10T06:59:59", "2024-03-10T01:59:59"),
        (NEW_YORK, "2024-03-10T07:00:00", "2024-03-10T03:00:00"),
        (NEW_YORK, "2024-11-03T05:30:00", "2024-11-03T01:30:00"),
        (NEW_YORK, "2024-11-03T06:30:00", "2024-11-03T01:30:00"),
        ("Asia/Kathmandu", "2024-01-01T00:00:00", "2024-01-01T05:45:00"),
        ("Australia/Lord_Howe", "2024-04-06T15:00:00", "2024-04-07T01:30:00"),
        ("UTC", "2024-02-29T23:00:00", "2024-02-29T23:00:00"),
    ],
)
def test_wall_clocks(timezone: str, utc: str, local: str) -> None:
    assert wall_clock(np.array([utc], "datetime64[s]"), timezone)[0] == np.datetime64(local)


def test_phases_are_in_local_time_and_weeks_begin_on_monday() -> None:
    grid = starts(24 * 8, timezone=NEW_YORK, first="2024-03-04T05:00")  # a Monday's midnight
    calendar = calendar_of(grid, "PT1H", NEW_YORK, [date(2024, 3, 5)])
    assert calendar.week_phase[:25].tolist() == list(range(25))
    change = 24 * 6 + 2
    assert calendar.day_phase[change - 1 : change + 1].tolist() == [1, 3]
    assert calendar.week_phase[24 * 7 - 1] == 0  # the week has 167 hours
    assert np.flatnonzero(calendar.is_holiday).tolist() == list(range(24, 48))


def test_months_and_years_of_daily_data() -> None:
    grid = starts(731, "P1D", "UTC", "2024-01-01")
    calendar = calendar_of(grid, "P1D", "UTC")
    assert calendar.month[[0, 31, 60]].tolist() == [0, 0, 0]
    assert calendar.year[[0, 366]].tolist() == [0, 0]
    assert ((calendar.month >= 0) & (calendar.month < 1) & (calendar.year >= 0) & (calendar.year < 1)).all()
    assert calendar.week_phase[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]


@pytest.mark.parametrize(
    ("n", "frequency", "periods"),
    [
        (47, "PT1H", ()),
        (48, "PT1H", ("day",)),
        (336, "PT1H", ("day", "week")),
        (575, "PT5M", ()),
        (576, "PT5M", ("day",)),
        (13, "P1D", ()),
        (14, "P1D", ("week",)),
        (180, "P1D", ("week", "month")),
        (730, "P1D", ("week", "month", "year")),
        (95, "PT30M", ()),
        (96, "PT30M", ("day",)),
        (672, "PT30M", ("day", "week")),
        (1_344, "PT15M", ("day", "week")),
        (103, "P7D", ()),
        (104, "P7D", ("year",)),
    ],
)
def test_a_seasonal_period_needs_enough_history(n: int, frequency: str, periods: tuple[str, ...]) -> None:
    assert seasonal_periods(n, frequency) == periods
    calendar = calendar_of(starts(n, frequency), frequency, "UTC")
    basis = harmonics(calendar, periods)
    assert basis.shape[0] == n
    assert np.linalg.matrix_rank(basis) == basis.shape[1]  # no harmonic is there twice


def test_a_week_has_one_phase_and_its_place_in_the_year() -> None:
    grid = starts(53, "P7D", NEW_YORK, "2024-01-03")
    calendar = calendar_of(grid, "P7D", NEW_YORK, [date(2024, 1, 7), date(2024, 1, 15)])
    assert set(calendar.week_phase) == set(calendar.day_phase) == {0}
    assert calendar.year[[0, 52]].tolist() == [0, 364 / 366]
    # A holiday makes its week one: a Sunday, and a Monday.
    assert np.flatnonzero(calendar.is_holiday).tolist() == [0, 2]


@pytest.mark.parametrize("change", ["2024-03-10", "2024-11-03"])
def test_a_clock_change_is_no_anomaly_in_a_pattern_of_local_time(change: str) -> None:
    first = str(np.datetime64(change) - np.timedelta64(45, "D"))
    grid = starts(24 * 60, timezone=NEW_YORK, first=first)
    hour = calendar_of(grid, "PT1H", NEW_YORK).day_phase
    by_day = np.where((hour >= 8) & (hour < 20), 200.0, 50.0)  # an hour too early or too late is a large deviation
    values = by_day + np.random.default_rng(1).normal(0, 4, (6, len(grid)))
    local = judged(values, 24 * 35, timezone=NEW_YORK, first=first)
    assert local.is_anomaly.mean() < 1e-3
    assert np.abs(local.expected - by_day[24 * 35 :]).mean() < 4
    by_utc = judged(values, 24 * 35, first=first)
    assert by_utc.is_anomaly.sum() > 20  # the data can show the difference


@pytest.mark.parametrize("first", ["2024-01-08T05:00", "2024-09-02T04:00"])
def test_days_with_a_clock_change_are_single_intervals(first: str) -> None:
    n, learned = 84, 56
    grid = starts(n, "P1D", NEW_YORK, first)
    assert {int(b - a) for a, b in pairwise(grid.astype(int))} >= {86_400}
    weekday = calendar_of(grid, "P1D", NEW_YORK).week_phase
    assert (np.diff(weekday) % 7 == 1).all()
    values = np.where(weekday >= 5, 40.0, 100.0) + np.random.default_rng(1).normal(0, 3, (4, n))
    model = learn(values, learned, frequency="P1D", timezone=NEW_YORK, first=first)
    judgement = judged(values, learned, model=model, frequency="P1D", timezone=NEW_YORK, first=first)
    assert judgement.is_anomaly.mean() < 0.01
    for cut in range(learned + 1, n):  # steps of a day, across the clock change
        all_metrics = metrics(values, "P1D", NEW_YORK, first)
        _, state = judge(model, model.state, metrics(values[:, :cut], "P1D", NEW_YORK, first), learned)
        after, _ = judge(model, state, all_metrics, cut)
        np.testing.assert_allclose(after.expected, judgement.expected[:, cut - learned :], rtol=1e-5)


def test_days_missed_across_a_clock_change_are_the_right_weekdays() -> None:
    first, n, learned = "2024-01-08T05:00", 70, 60  # the clock changes on the 62nd day
    weekday = calendar_of(starts(n, "P1D", NEW_YORK, first), "P1D", NEW_YORK).week_phase
    values = 100.0 + 30 * weekday + np.random.default_rng(1).normal(0, 3, (4, n))
    values[:, learned : learned + 5] = np.nan
    grid = {"frequency": "P1D", "timezone": NEW_YORK, "first": first}
    model = learn(values, learned, **grid)
    judgement, _ = judge(model, model.state, metrics(values, **grid), learned)
    after_gap, _ = judge(model, model.state, metrics(values, **grid), learned + 5)
    np.testing.assert_allclose(after_gap.expected, judgement.expected[:, 5:], rtol=1e-5)


def test_holidays_like_previous_ones_are_no_anomalies_and_are_not_learned_from() -> None:
    n, learned, weeks = 24 * 63, 24 * 49, (2, 5, 8)
    grid = starts(n)
    days = [grid[24 * (7 * k + k % 5)].item().date() for k in weeks]
    is_holiday = calendar_of(grid, "PT1H", "UTC", days).is_holiday
    t = np.arange(n)
    usual = 100 + 20 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(1).normal(0, 3, (4, n))
    values = np.where(is_holiday, 0.45 * usual, usual)
    later = is_holiday[learned:]
    with_days, without = judged(values, learned, holidays=days), judged(values, learned)
    assert with_days.is_anomaly.mean() < 1e-3
    assert without.is_anomaly[:, later].mean() > 0.1
    clean = judged(usual, learned)
    np.testing.assert_allclose(with_days.expected[:, ~later], clean.expected[:, ~later], atol=6)
    assert np.abs(with_days.expected - clean.expected)[:, ~later].mean() < 1
    outage = values.copy()
    outage[:, np.flatnonzero(later)[5] + learned] = 1000
    assert judged(outage, learned, holidays=days).is_anomaly[:, np.flatnonzero(later)[5]].all()
