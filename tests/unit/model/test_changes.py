"""Changes that last or come back are learned: repeats, new levels and returns from them, trends without noise."""

from __future__ import annotations

import numpy as np
import pytest

from anomalake.demo.flights import hourly_rows, read_flights
from anomalake.model import judge
from tests.unit.model.histories import LEARNED, Floats, by_steps, judged, learn, metrics, seasonal

ALL = 1_680
HOUR = np.arange(ALL)


def noisy(noise: float = 3.0) -> Floats:
    return seasonal(ALL) + np.random.default_rng(3).normal(0, noise, (6, ALL))


def test_a_peak_at_the_same_hour_each_week_is_expected() -> None:
    values = noisy()
    at = HOUR % 168 == 10
    values[:, at] *= 4
    anomalous = judged(values).is_anomaly
    assert anomalous[:, at[LEARNED:]].mean() < 0.2
    assert anomalous[:, ~at[LEARNED:]].mean() < 1e-3


def test_a_new_job_each_night_is_an_anomaly_for_three_nights() -> None:
    values = noisy()
    at = (HOUR % 24 == 3) & (HOUR >= LEARNED)
    values[:, at] *= 2.5
    anomalous = judged(values).is_anomaly
    nights = anomalous[:, at[LEARNED:]]
    assert nights[:, :3].all()
    assert nights[:, 3:].mean() < 0.1
    assert anomalous[:, ~at[LEARNED:]].mean() < 2e-3


def test_an_outage_of_six_hours_is_no_repeat_of_the_one_the_day_before() -> None:
    values = noisy()
    for day in (0, 24):
        values[:, 1_000 + day : 1_006 + day] = 0
    anomalous = judged(values).is_anomaly
    for day in (0, 24):
        assert anomalous[:, 1_000 + day - LEARNED : 1_006 + day - LEARNED].all()


def test_a_constant_with_another_value_at_the_same_hour_each_day_is_followed() -> None:
    values = np.ones((2, ALL)) + ((HOUR % 24 == 17) & (HOUR >= 1_000))
    anomalous = judged(values).is_anomaly
    assert 1 <= anomalous.sum(axis=1).max() <= 4
    assert not anomalous[:, 1_000 + 24 * 5 - LEARNED :].any()


def test_a_return_to_the_level_before_a_shift_is_no_anomaly() -> None:
    values = noisy()
    values[:, 1_000:1_072] += 60
    anomalous = judged(values).is_anomaly
    assert anomalous[:, 1_000 - LEARNED].all()
    assert not anomalous[:, 1_072 - LEARNED :].any()


@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_a_dip_in_a_trend_without_noise_is_an_anomaly(slope: float) -> None:
    values = 1_000 * (1 + slope * HOUR / 1_000) + np.random.default_rng(1).normal(0, 0.02, (3, ALL))
    values[:, 1_200] -= 3
    judgement = judged(values)
    assert np.abs(judgement.expected - values[:, LEARNED:])[:, : 1_200 - LEARNED].max() < 1
    assert judgement.is_anomaly[:, 1_200 - LEARNED].all()
    assert judgement.is_anomaly.sum() == 3


def test_a_carrier_that_begins_to_fly_twice_is_followed() -> None:
    """Virgin America flew once an hour from Newark, and twice at 17:00 from 27 October 2013 on (61 alarms before)."""
    rows = hourly_rows(read_flights())
    rows = rows[(rows["origin"] == "EWR") & (rows["carrier"] == "VX")]
    hours = rows["timestamp"].to_numpy().astype("datetime64[h]")
    flights = np.full((1, int((hours.max() - np.datetime64("2013-01-01T00", "h")).astype(int)) + 1), np.nan)
    flights[0, (hours - np.datetime64("2013-01-01T00", "h")).astype(int)] = rows["flights"].to_numpy(float)
    first = int(0.7 * flights.shape[1])
    assert judged(flights, first, first="2013-01-01").is_anomaly.sum() <= 15


def test_repeats_and_returns_are_judged_in_steps_as_at_once() -> None:
    values = noisy()
    values[:, (HOUR % 24 == 3) & (HOUR >= LEARNED)] *= 2.5
    values[:, 1_100:1_160] += 70
    model = learn(values)
    at_once, end = judge(model, model.state, metrics(values), LEARNED)
    parts, last = by_steps(model, values, LEARNED, [841, 868, 892, 916, 940, 1_125, 1_160, 1_161])
    np.testing.assert_array_equal(np.hstack([part.severity for part in parts]), at_once.severity)
    for name, array in end.to_arrays().items():
        np.testing.assert_array_equal(last.to_arrays()[name], array)
