"""Holidays: the first one, the same one a year later, the day after, and outages on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from anomalake.model import Model, fit, judge
from anomalake.model.calendar import calendar_of
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, between
from tests.unit.model.histories import Floats, metrics, starts

N_SERIES = 6
PER_DAY = {"PT5M": 288, "PT1H": 24, "P1D": 1}
# Days of the year of a holiday in the first and in the second year, from the first day of the histories on.
HOLIDAY = (326, 326 + 364)


def office(frequency: str, n_days: int, weekend: Sequence[int] = (5, 6), noise: float = 0.05) -> Floats:
    """Return series with calm weekends: shape (N_SERIES, intervals)."""
    per_day = PER_DAY[frequency]
    calendar = calendar_of(starts(n_days * per_day, frequency), frequency, "UTC")
    weekday = calendar.week_phase // (per_day if frequency != "P1D" else 1)
    calm = np.isin(weekday, weekend)
    hours = 1 - 0.6 * np.cos(2 * np.pi * np.arange(n_days * per_day) / per_day) if per_day > 1 else 1.0
    usual = 1000 * hours * np.where(calm, 0.3, 1.0)
    return usual * (1 + noise * np.random.default_rng(3).normal(size=(N_SERIES, n_days * per_day)))


def on_day(day: int, frequency: str) -> slice:
    return slice(day * PER_DAY[frequency], (day + 1) * PER_DAY[frequency])


def as_date(day: int) -> date:
    return date(2024, 1, 1) + timedelta(days=day)


def judged_after(
    values: Floats, day: int, frequency: str, holidays: Sequence[date], model: Model | None = None
) -> Judgement:
    """Judge from the start of `day` on, by a model of the days before it."""
    first = day * PER_DAY[frequency]
    of = metrics(values, frequency=frequency)
    model = fit(between(of, 0, first), holidays=tuple(holidays)) if model is None else model
    return judge(model, model.state, between(of, first, len(of.starts)), 0)[0]


@pytest.mark.parametrize(("frequency", "n_days"), [("PT1H", 104), ("PT5M", 28), ("P1D", 210)])
@pytest.mark.parametrize("share", [0.3, 0.6, 1.0], ids=["as on a Sunday", "between", "as on a usual day"])
def test_a_first_holiday_and_the_day_after_are_no_anomalies(frequency: str, n_days: int, share: float) -> None:
    values = office(frequency, n_days + 4)
    day = n_days + (2 - n_days) % 7  # a Wednesday
    values = values[:, : (day + 2) * PER_DAY[frequency]]
    values[:, on_day(day, frequency)] *= share
    judgement = judged_after(values, day, frequency, [as_date(day)])
    assert judgement.is_anomaly.mean() < 0.01
    outage = values.copy()
    hours = on_day(day, frequency)
    middle = slice(
        hours.start + PER_DAY[frequency] // 2, hours.start + PER_DAY[frequency] // 2 + PER_DAY[frequency] // 4
    )
    outage[:, middle if frequency != "P1D" else hours] = 0
    seen = judged_after(outage, day, frequency, [as_date(day)]).is_anomaly[:, : PER_DAY[frequency]]
    assert seen.any(axis=1).all()


@pytest.mark.parametrize(("frequency", "n_days"), [("PT1H", 107), ("P1D", 212)])
def test_the_day_after_a_closed_day_is_no_anomaly(frequency: str, n_days: int) -> None:
    values = office(frequency, n_days + 2)
    values[:, on_day(n_days, frequency)] = 0
    judgement = judged_after(values, n_days, frequency, [as_date(n_days)])
    assert judgement.is_anomaly[:, : PER_DAY[frequency]].any(axis=1).all()
    assert not judgement.is_anomaly[:, PER_DAY[frequency] :].any()


def test_a_first_holiday_is_expected_to_be_as_the_day_of_rest() -> None:
    day = 107
    for weekend, rest in (((5, 6), 6), ((4, 5), 4), ((6,), 6), ((4,), 4)):
        values = office("PT1H", day + 1, weekend)
        values[:, on_day(day, "PT1H")] *= 0.3
        model = fit(between(metrics(values), 0, day * 24), holidays=(as_date(day),))
        assert (model.learned_holidays.rest == rest).all() or len(weekend) == 2
        judgement = judged_after(values, day, "PT1H", [as_date(day)], model)
        np.testing.assert_allclose(judgement.expected, values[:, -24:], rtol=0.4)


def test_a_series_without_weekends_has_usual_holidays() -> None:
    values = office("PT1H", 108, ())
    judgement = judged_after(values, 107, "PT1H", [as_date(107)])
    np.testing.assert_allclose(judgement.expected, values[:, -24:], rtol=0.3)


def year_later(share: float, later: float) -> tuple[Metrics, Model, int]:
    """Return series with a holiday at `share` of the usual values, a model of weekly fits to 104 days, and its day.

    A year later, it is at the share `later`; the model is that of the Monday before.
    """
    first, second = HOLIDAY
    values = office("PT1H", second + 2)
    values[:, on_day(first, "PT1H")] *= share
    values[:, on_day(second, "PT1H")] *= later
    of = metrics(values)
    holidays = (as_date(first), as_date(second))
    model = None
    for day in (first + 1, first + 90, first + 180, first + 270, second - 3):
        history = between(of, max(0, day - 104) * 24, day * 24)
        model = fit(history, holidays=holidays, earlier=model)
    assert model is not None
    return of, model, second


def test_what_a_holiday_was_like_a_year_ago_is_expected_after_refits_without_it() -> None:
    of, model, day = year_later(0.12, 0.12)
    assert model.holidays[0] < as_date(day - 107)
    judgement, _ = judge(model, model.state, between(of, (day - 3) * 24, len(of.starts)), 0)
    there = slice(72, 96)
    that_day = of.flat[:, on_day(day, "PT1H")]
    np.testing.assert_allclose(judgement.expected[:, there].mean(axis=1), that_day.mean(axis=1), rtol=0.5)
    assert judgement.is_anomaly.mean() < 0.01
    assert judgement.upper[:, there][:, 6:20].mean() < 700
    # A busy holiday is expected too, and one that is not busy is an anomaly.
    of, model, day = year_later(4.0, 1.0)
    judgement, _ = judge(model, model.state, between(of, (day - 3) * 24, len(of.starts)), 0)
    assert judgement.is_anomaly[:, there].any(axis=1).all()


def test_what_holidays_taught_is_that_of_each_metric() -> None:
    first, _ = HOLIDAY
    values = office("PT1H", first + 10)
    values[0, on_day(first, "PT1H")] = 0
    of = metrics(values[:2], names=["a", "b"])
    holidays = (as_date(first), as_date(HOLIDAY[1]))
    earlier = fit(between(of, 0, (first + 1) * 24), holidays=holidays)
    swapped = metrics(np.vstack([values[2], values[1], values[0]])[:, -200:], names=["c", "b", "a"])
    swapped = replace(swapped, starts=of.starts[-200:])
    model = fit(swapped, holidays=holidays, earlier=earlier)
    learned = model.learned_holidays
    assert learned.dates.tolist() == [(as_date(first) - date(1970, 1, 1)).days]
    assert np.isnan(learned.effects[0, ..., 0]).all()
    np.testing.assert_array_equal(learned.effects[0, ..., 1:], earlier.learned_holidays.effects[0][..., [1, 0]])


def test_models_without_holidays_store_nothing_of_them() -> None:
    model = fit(metrics(office("PT1H", 30)))
    assert not [name for name in model.to_arrays() if name.startswith("holiday_")]
    assert not len(Model.from_arrays(model.to_arrays()).learned_holidays.dates)


def test_holidays_are_expected_to_be_as_others_were() -> None:
    # On working days and on a Saturday, all far below the day of rest.
    days = (60, 80, 107, 110)
    values = office("PT1H", 112)
    for day in days:
        values[:, on_day(day, "PT1H")] *= 0.1
    judgement = judged_after(values, 106, "PT1H", [as_date(day) for day in days])
    assert judgement.is_anomaly.mean() < 0.01


def test_a_history_that_begins_in_a_holiday_keeps_what_earlier_ones_taught() -> None:
    first, second = HOLIDAY
    values = office("PT1H", first + 40)
    values[:, on_day(first, "PT1H")] = 0
    of = metrics(values)
    holidays = (as_date(first), as_date(first + 7), as_date(second))
    earlier = fit(between(of, 0, (first + 1) * 24), holidays=holidays)
    model = fit(between(of, (first + 7) * 24, (first + 39) * 24), holidays=holidays, earlier=earlier)
    np.testing.assert_array_equal(model.learned_holidays.effects, earlier.learned_holidays.effects)
    assert model.learned_holidays.dates.tolist() == earlier.learned_holidays.dates.tolist()
