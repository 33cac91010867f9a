"""Places of intervals in day, week, month and year; changes of clocks; holidays."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from anomalake.model import judge
from anomalake.model.calendar import calendar_of, harmonics, rhythms, wall_clock
from anomalake.model.filter import History
from anomalake.model.regression import regress
from anomalake.model.season import fit_harmonics
from anomalake.model.spread import median, quantiles
from anomalake.model.standard import standard, standardised
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


def test_phases_are_those_of_the_wall_clock_and_weeks_begin_on_monday() -> None:
    grid = starts(24 * 8, timezone=NEW_YORK, first="2024-03-04T05:00")  # a Monday's midnight
    calendar = calendar_of(grid, "PT1H", NEW_YORK, [date(2024, 3, 5)])
    assert calendar.week_phase[:25].tolist() == list(range(25))
    change = 24 * 6 + 2
    assert calendar.day_phase[change - 1 : change + 1].tolist() == [1, 3]
    assert calendar.week_phase[24 * 7 - 1] == 0  # that week had 167 hours
    assert np.flatnonzero(calendar.is_holiday).tolist() == list(range(24, 48))


def test_months_and_years_of_days() -> None:
    grid = starts(731, "P1D", "UTC", "2024-01-01")
    calendar = calendar_of(grid, "P1D", "UTC")
    assert calendar.month[[0, 31, 60]].tolist() == [0, 0, 0]
    assert calendar.year[[0, 366]].tolist() == [0, 0]
    assert ((calendar.month >= 0) & (calendar.month < 1) & (calendar.year >= 0) & (calendar.year < 1)).all()
    assert calendar.week_phase[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]


@pytest.mark.parametrize(
    ("n", "frequency", "named"),
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
    ],
)
def test_a_rhythm_is_learned_from_two_of_its_turns_on(n: int, frequency: str, named: tuple[str, ...]) -> None:
    assert rhythms(n, frequency) == named
    calendar = calendar_of(starts(n, frequency), frequency, "UTC")
    basis = harmonics(calendar, named)
    assert basis.shape[0] == n
    assert np.linalg.matrix_rank(basis) == basis.shape[1]  # none twice


@pytest.mark.parametrize("change", ["2024-03-10", "2024-11-03"])
def test_a_change_of_clocks_is_no_anomaly_where_people_follow_clocks(change: str) -> None:
    first = str(np.datetime64(change) - np.timedelta64(45, "D"))
    grid = starts(24 * 60, timezone=NEW_YORK, first=first)
    hour = calendar_of(grid, "PT1H", NEW_YORK).day_phase
    by_day = np.where((hour >= 8) & (hour < 20), 200.0, 50.0)  # opening hours: an hour off is far off
    values = by_day + np.random.default_rng(1).normal(0, 4, (6, len(grid)))
    found = judged(values, 24 * 35, timezone=NEW_YORK, first=first)
    assert found.is_anomaly.mean() < 1e-3
    assert np.abs(found.expected - by_day[24 * 35 :]).mean() < 4
    by_utc = judged(values, 24 * 35, first=first)
    assert by_utc.is_anomaly.sum() > 20  # and the test can tell


@pytest.mark.parametrize("first", ["2024-01-08T05:00", "2024-09-02T04:00"])
def test_days_with_a_change_of_clocks_are_days(first: str) -> None:
    n, learned = 84, 56
    grid = starts(n, "P1D", NEW_YORK, first)
    assert {int(b - a) for a, b in pairwise(grid.astype(int))} >= {86_400}
    weekday = calendar_of(grid, "P1D", NEW_YORK).week_phase
    assert (np.diff(weekday) % 7 == 1).all()
    values = np.where(weekday >= 5, 40.0, 100.0) + np.random.default_rng(1).normal(0, 3, (4, n))
    model = learn(values, learned, frequency="P1D", timezone=NEW_YORK, first=first)
    told = judged(values, learned, model=model, frequency="P1D", timezone=NEW_YORK, first=first)
    assert told.is_anomaly.mean() < 0.01
    for cut in range(learned + 1, n):  # one day after another, over the change
        given = metrics(values, "P1D", NEW_YORK, first)
        _, state = judge(model, model.state, metrics(values[:, :cut], "P1D", NEW_YORK, first), learned)
        after, _ = judge(model, state, given, cut)
        np.testing.assert_allclose(after.expected, told.expected[:, cut - learned :], rtol=1e-5)


def test_days_missed_over_a_change_of_clocks_are_the_days_they_are() -> None:
    first, n, learned = "2024-01-08T05:00", 70, 60  # the clocks change on the 62nd of the days
    weekday = calendar_of(starts(n, "P1D", NEW_YORK, first), "P1D", NEW_YORK).week_phase
    values = 100.0 + 30 * weekday + np.random.default_rng(1).normal(0, 3, (4, n))
    values[:, learned : learned + 5] = np.nan
    grid = {"frequency": "P1D", "timezone": NEW_YORK, "first": first}
    model = learn(values, learned, **grid)
    told, _ = judge(model, model.state, metrics(values, **grid), learned)
    untold, _ = judge(model, model.state, metrics(values, **grid), learned + 5)
    np.testing.assert_allclose(untold.expected, told.expected[:, 5:], rtol=1e-5)


def test_holidays_like_those_before_are_no_anomalies_and_teach_nothing() -> None:
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
    assert without.is_anomaly[:, later].mean() > 0.2
    clean = judged(usual, learned)
    np.testing.assert_allclose(with_days.expected[:, ~later], clean.expected[:, ~later], atol=6)
    assert np.abs(with_days.expected - clean.expected)[:, ~later].mean() < 1
    outage = values.copy()
    outage[:, np.flatnonzero(later)[5] + learned] = 1000
    assert judged(outage, learned, holidays=days).is_anomaly[:, np.flatnonzero(later)[5]].all()


def test_harmonics_are_found_among_outliers_trend_and_gaps() -> None:
    rng = np.random.default_rng(1)
    calendar = calendar_of(starts(840), "PT1H", "UTC")
    basis = harmonics(calendar, ("day", "week"))
    regular = 3 * np.sin(2 * np.pi * np.arange(840) / 24)
    values = (regular + np.linspace(0, 5, 840) + rng.normal(0, 0.3, (5, 840))).T.astype(np.float32)
    values[rng.random(values.shape) < 0.03] = 50
    values[rng.random(values.shape) < 0.1] = np.nan
    found = basis @ fit_harmonics(values, basis, 168)
    assert np.abs(found.T - regular).mean() < 0.1


def test_a_rhythm_that_is_not_there_is_not_learned() -> None:
    calendar = calendar_of(starts(840), "PT1H", "UTC")
    basis = harmonics(calendar, ("day", "week"))
    noise = np.random.default_rng(1).normal(0, 1, (840, 20)).astype(np.float32)
    assert (basis @ fit_harmonics(noise, basis, 168)).std() < 0.15


def test_a_regression_heeds_no_outliers() -> None:
    rng = np.random.default_rng(1)
    n, series = 2000, 4
    references = rng.normal(size=(n, 5, series)).astype(np.float32)
    harmonic = rng.normal(size=(n, series)).astype(np.float32)
    values = rng.normal(size=(n + 6, series)).astype(np.float32)
    history = History(references, harmonic, values, np.zeros((n, series), np.float32))
    beta = np.linspace(1, -1, 13, dtype=np.float32)
    targets = np.einsum("tfs,f->ts", history.features(0, n), beta) + rng.normal(0, 0.5, (n, series))
    targets[rng.random(targets.shape) < 0.02] = 1e6
    targets[rng.random(targets.shape) < 0.1] = np.nan
    found, sigma = regress(history, targets.astype(np.float32), 0, np.zeros(series, np.float32))
    np.testing.assert_allclose(found, np.repeat(beta[:, None], series, axis=1), atol=0.06)
    np.testing.assert_allclose(sigma, 0.5, rtol=0.15)


def test_lagged_features_are_the_values_before_above_the_level() -> None:
    n = 20
    clean = np.arange(n + 6, dtype=np.float32)[:, None]
    level = np.full((n, 1), 2, np.float32)
    history = History(np.zeros((n, 5, 1), np.float32), np.zeros((n, 1), np.float32), clean, level)
    # The value of interval t stands at place t + 6, so the one before it is t + 5.
    np.testing.assert_array_equal(history.features(3, 4)[0, 7:, 0], np.array([8, 7, 6, 5, 4, 3]) - 2)


def test_quantiles_pass_over_gaps() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(101, 5))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[:, 4] = np.nan
    shares = (0.0, 0.1, 0.5, 0.99, 1.0)
    np.testing.assert_allclose(quantiles(values, shares)[:, :4], np.nanquantile(values[:, :4], shares, axis=0))
    assert (quantiles(values, shares)[:, 4] == 0).all()
    assert median(np.array([[1.0, np.nan], [3.0, np.nan]])).tolist() == [2.0, 0.0]


def test_standardised_values_have_their_middle_at_0_and_a_width_of_1() -> None:
    raw = np.array(
        [[1.0, 2, 3, 4, 5], [7, 7, 7, 7, np.nan], [np.nan] * 5, [0, 0, 0, 0, 10], [1e308, -1e308, 0, 1, np.inf]]
    )
    center, scale, constant = standard(raw)
    assert center.tolist()[:4] == [3, 7, 0, 0]
    assert scale[0] == 2
    assert (scale > 0).all()
    assert np.isfinite(scale).all()
    assert constant.tolist() == [False, True, True, False, False]
    found = standardised(raw, center, scale)
    assert found.dtype == np.float32
    assert np.isfinite(found).T.tolist() == (~np.isnan(raw)).tolist()
    assert found[:, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
