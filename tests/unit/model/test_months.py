"""Peaks of one day of the month: known ones are expected, new ones are adopted, and a missing one is an anomaly."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from anomalake.model import Model, State, fit, judge
from anomalake.model.calendar import Calendar, calendar_of
from anomalake.model.metrics import between
from anomalake.model.months import fit_months
from tests.unit.model.histories import Floats, by_steps, metrics, starts

N_SERIES, LEARNED, ALL = 10, 430, 700
FIRST_WORKING, LAST_WORKING = 38, 39


def calendar(n: int = ALL) -> Calendar:
    return calendar_of(starts(n, "P1D"), "P1D", "UTC")


def has_slot(slots: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    result: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.isin(calendar().month_slots, slots).any(axis=1)
    return result


def shop(seed: int = 1) -> Floats:
    """Return daily sales with calm weekends, shape (N_SERIES, ALL)."""
    weekly = np.where(calendar().week_phase < 5, 1000.0, 600.0)
    return weekly * (1 + 0.05 * np.random.default_rng(seed).normal(size=(N_SERIES, ALL)))


def test_the_slots_of_the_month() -> None:
    # February 2024 ends on a Thursday, March on a Sunday; 1 March is a Friday, 1 April a Monday.
    slots = calendar_of(starts(4, "P1D", first="2024-02-28"), "P1D", "UTC").month_slots
    assert slots.tolist() == [[27, 32, -1, -1], [28, 31, -1, 39], [0, -1, 38, -1], [1, -1, -1, -1]]
    slots = calendar_of(starts(4, "P1D", first="2024-03-29"), "P1D", "UTC", [date(2024, 4, 1)]).month_slots
    assert slots.tolist() == [[28, 33, -1, 39], [29, 32, -1, -1], [30, 31, -1, -1], [0, -1, -1, -1]]
    assert calendar_of(starts(5), "PT1H", "UTC").month_slots.shape == (5, 0)


@pytest.mark.parametrize("size", [1.8, 3.0])
@pytest.mark.parametrize(
    "slots",
    [(0,), (31,), (14,), (FIRST_WORKING,), (LAST_WORKING,), (0, 31), (0, 1, 2)],
    ids=["first", "last", "15th", "first working", "last working", "first and last", "first three"],
)
def test_known_peaks_are_expected_and_a_missing_one_is_an_anomaly(slots: tuple[int, ...], size: float) -> None:
    is_peak = has_slot(slots)
    values = shop() * np.where(is_peak, size, 1)
    model = fit(between(metrics(values, "P1D"), 0, LEARNED))
    anomalies = judge(model, model.state, metrics(values, "P1D"), LEARNED)[0].is_anomaly
    assert anomalies[:, is_peak[LEARNED:]].mean() < 0.08
    assert anomalies[:, ~is_peak[LEARNED:]].mean() < 0.005
    # On a weekend, the peak itself is smaller.
    missing = int(np.flatnonzero(is_peak & (calendar().week_phase < 5) & (np.arange(ALL) >= LEARNED + 60))[0])
    values[:, missing] /= size
    anomalies = judge(model, model.state, metrics(values, "P1D"), LEARNED)[0].is_anomaly
    assert anomalies[:, missing - LEARNED].mean() >= 0.4


def test_a_peak_that_begins_later_is_adopted_and_missed_when_it_ends() -> None:
    is_peak = has_slot((0,)) & (np.arange(ALL) >= LEARNED)
    values = shop() + np.where(is_peak, 1000, 0)
    model = fit(between(metrics(values, "P1D"), 0, LEARNED))
    anomalies = judge(model, model.state, metrics(values, "P1D"), LEARNED)[0].is_anomaly[:, is_peak[LEARNED:]]
    assert anomalies[:, :2].all()
    assert anomalies[:, 3:].mean() < 0.1
    last = int(np.flatnonzero(is_peak)[-1])
    values[:, last] -= 1000
    anomalies = judge(model, model.state, metrics(values, "P1D"), LEARNED)[0].is_anomaly
    assert anomalies[:, last - LEARNED].mean() >= 0.8


def test_steps_and_stored_states_give_the_same_as_all_at_once() -> None:
    values = (
        shop() + np.where(has_slot((0, 20)), 1000, 0) + np.where(has_slot((31,)) & (np.arange(ALL) > LEARNED), 900, 0)
    )
    model = fit(between(metrics(values, "P1D"), 0, LEARNED))
    model = Model.from_arrays(model.to_arrays())
    at_once = judge(model, model.state, metrics(values, "P1D"), LEARNED)[0]
    parts, _ = by_steps(model, values, LEARNED, [LEARNED + 31, LEARNED + 100, LEARNED + 101], frequency="P1D")
    for name in ("expected", "lower", "upper", "severity"):
        np.testing.assert_array_equal(np.hstack([getattr(part, name) for part in parts]), getattr(at_once, name))


def test_states_of_days_without_slots_of_the_month_are_read() -> None:
    arrays = fit(metrics(shop()[:, :LEARNED], "P1D")).state.to_arrays()
    old = arrays | {name: arrays[name][:7] for name in ("profile", "doubt", "odd")}
    read = State.from_arrays(old).to_arrays()
    for name, array in arrays.items():
        assert read[name].shape == array.shape


@pytest.mark.parametrize("kind", ["normal", "t", "lognormal", "walk"])
def test_noise_has_no_peaks_of_the_month(kind: str) -> None:
    rng = np.random.default_rng(4)
    shape = (730, 300)
    noise = {
        "normal": lambda: rng.normal(size=shape),
        "t": lambda: rng.standard_t(4, shape),
        "lognormal": lambda: np.exp(rng.normal(size=shape)),
        "walk": lambda: rng.normal(size=shape).cumsum(axis=0) * 0.1 + rng.normal(size=shape),
    }[kind]()
    found = fit_months(noise.astype(np.float32), calendar(730).month_slots)
    assert (found[0] != 0).any(axis=0).mean() <= 0.01


def test_the_slot_that_explains_most_is_chosen() -> None:
    is_peak = has_slot((LAST_WORKING,))
    deviation = (np.where(is_peak, 8, 0)[:, None] + np.random.default_rng(5).normal(size=(ALL, 20))).astype(np.float32)
    found = fit_months(deviation, calendar().month_slots)[0]
    assert np.flatnonzero(found.any(axis=1)).tolist() == [LAST_WORKING]
    np.testing.assert_allclose(found[LAST_WORKING], 8, atol=1)
