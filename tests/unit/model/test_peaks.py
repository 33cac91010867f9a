"""Peaks of the day in the history: a nightly job is expected, and its absence is an anomaly."""

from __future__ import annotations

import numpy as np
import pytest

from anomalake.model import Model, judge
from tests.unit.model.histories import DAY, Floats, by_steps, judged, learn, metrics
from tests.unit.model.test_severity import check_judgement

SERIES = 6
#: Days of history, and days in all; the job does not come on day `MISSING`.
LEARNED, ALL, MISSING = 21, 30, 26


def nightly(frequency: str, width: int, size: float, noise: float = 0.05) -> tuple[Floats, Floats, slice]:
    """Return gamma noise on a daily pattern with a job each night but one, which intervals are the job, and the one."""
    day = DAY[frequency]
    t = np.arange(ALL * day)
    rng = np.random.default_rng(17)
    values = 500 * (1.5 - np.cos(2 * np.pi * t / day)) * rng.gamma(noise**-2, noise**2, (SERIES, len(t)))
    begin = day * 2 // 24
    is_job = (t % day >= begin) & (t % day < begin + width)
    missing = slice(MISSING * day + begin, MISSING * day + begin + width)
    is_job[missing] = False
    values[:, is_job] += size * rng.normal(1, 0.05, (SERIES, int(is_job.sum())))
    return values, is_job, missing


@pytest.mark.parametrize(("frequency", "width", "size"), [("PT1H", 1, 900), ("PT1H", 2, -200), ("PT5M", 1, 900)])
def test_a_nightly_job_is_expected_and_missed(frequency: str, width: int, size: float) -> None:
    values, is_job, missing = nightly(frequency, width, size)
    first = LEARNED * DAY[frequency]
    judgement = judged(values, first, frequency=frequency)
    check_judgement(judgement, values)
    anomalous = np.zeros(values.shape, np.bool_)
    anomalous[:, first:] = judgement.is_anomaly
    assert anomalous[:, missing].any(axis=1).mean() > 0.8
    anomalous[:, missing] = False
    assert anomalous[:, is_job].mean() < 0.01
    assert anomalous.mean() < 1e-3


def test_a_job_on_working_days_only_is_no_peak_of_all_days() -> None:
    values, is_job, _ = nightly("PT1H", 1, 900)
    weekend = np.arange(ALL * 24) // 24 % 7 >= 5
    values[:, weekend & is_job] -= 900
    first = LEARNED * 24
    model = learn(values, first)
    assert not model.peaks.any() or not model.peaks[:, 2].any()
    usual = ~(np.arange(first, ALL * 24) // 24 == MISSING)
    assert judged(values, first).is_anomaly[:, usual].mean() < 1e-3


def test_noise_and_low_counts_have_no_peaks() -> None:
    rng = np.random.default_rng(5)
    hours = np.arange(ALL * 24) % 24
    assert not learn(100 + rng.normal(0, 5, (40, ALL * 24)), LEARNED * 24).peaks.any()
    assert not learn(100 + 5 * rng.standard_t(3, (40, ALL * 24)), LEARNED * 24).peaks.any()
    assert not learn(rng.poisson(0.4 + 1.5 * (hours == 17), (4, ALL * 24)), LEARNED * 24).peaks.any()


def test_only_series_with_a_peak_are_fitted_again() -> None:
    values, _, _ = nightly("PT1H", 1, 900)
    noise = 100 + np.random.default_rng(5).normal(0, 5, values.shape)
    first = LEARNED * 24
    together = judged(np.vstack([values[:3], noise]), first)
    for rows, alone in ((slice(3), judged(values[:3], first)), (slice(3, None), judged(noise, first))):
        np.testing.assert_allclose(together.severity[rows], alone.severity, atol=0.02)
        np.testing.assert_allclose(together.expected[rows], alone.expected, rtol=1e-4)


def test_peaks_are_judged_in_steps_and_after_storing_as_at_once() -> None:
    values, _, missing = nightly("PT1H", 1, 900)
    first = LEARNED * 24
    model = learn(values, first)
    at_once, _ = judge(model, model.state, metrics(values), first)
    read = Model.from_arrays(model.to_arrays())
    parts, _ = by_steps(read, values, first, [missing.start, missing.stop, missing.stop + 5])
    for name in ("severity", "lower", "upper"):
        np.testing.assert_array_equal(np.hstack([getattr(part, name) for part in parts]), getattr(at_once, name))
