"""The shop is the same for the same seed, by its figures, and its labels are where its events are."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.synth import KINDS, Shop, ShopSettings, ShopSettingsError, shop
from anomalake.synth.events import LEVEL_SHIFT, REVENUE_ONLY, SLOW, VIEWS_ONLY, draw_events

SMALL = ShopSettings(intervals=2_000)
any_settings = st.builds(
    ShopSettings,
    seed=st.integers(0, 2**63 - 1),
    hard=st.booleans(),
    frequency=st.sampled_from(["PT5M", "PT10M", "PT1H", "P1D"]),
    intervals=st.integers(1, 700),
    series=st.integers(1, 50),
    start=st.dates(date(1971, 1, 1), date(2100, 1, 1)),
    anomalies=st.booleans(),
)


def fingerprint(made: Shop) -> str:
    digest = hashlib.sha256(made.metrics.values.tobytes() + made.labels.tobytes() + made.events.first.tobytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="module")
def easy() -> Shop:
    return shop(ShopSettings())


@pytest.fixture(scope="module")
def hard() -> Shop:
    return shop(ShopSettings(hard=True))


@given(any_settings)
def test_any_shop_is_well_formed(settings: ShopSettings) -> None:
    made = shop(settings)
    values, labels, events = made.metrics.values, made.labels, made.events
    assert values.shape == labels.shape == (2, settings.series, settings.n_intervals)
    assert list(made.metrics.combinations) == sorted(set(made.metrics.combinations))
    assert np.array_equal(np.isnan(values[0]), np.isnan(values[1]))
    assert not np.isnan(values).any() or settings.hard
    observed = values[~np.isnan(values)]
    assert (observed >= 0).all()
    assert (values[0][~np.isnan(values[0])] % 1 == 0).all()
    assert not (labels & np.isnan(values)).any()
    assert ((events.first >= 0) & (events.last >= events.first) & (events.last < settings.n_intervals)).all()
    event, series, at = events.points()
    covered = np.zeros(labels.shape[1:], int)
    np.add.at(covered, (series, at), 1)
    assert (covered <= 1).all()
    assert (covered[labels.any(axis=0)] == 1).all()
    assert len(np.unique(event[labels[:, series, at].any(axis=0)])) == len(events)
    assert len(events) == 0 or settings.anomalies


@pytest.mark.parametrize("is_hard", [False, True])
def test_the_same_settings_make_the_same_shop_and_another_seed_another(is_hard: bool) -> None:
    settings = replace(SMALL, hard=is_hard)
    assert fingerprint(shop(settings)) == fingerprint(shop(settings))
    assert fingerprint(shop(settings)) != fingerprint(shop(replace(settings, seed=2)))


@pytest.mark.parametrize(("is_hard", "expected"), [(False, "4bea7162af5b5d42"), (True, "4bc58fbba8bc5273")])
def test_a_seed_makes_the_same_shop_on_every_machine_and_in_every_version(is_hard: bool, expected: str) -> None:
    made = shop(ShopSettings(hard=is_hard, intervals=500))
    cents = np.nan_to_num(np.rint(made.metrics.values * 100), nan=-1).astype("<i8")
    assert hashlib.sha256(cents.tobytes() + np.packbits(made.labels).tobytes()).hexdigest()[:16] == expected


def test_the_easy_shop_has_the_figures_of_the_samples_generator(easy: Shop) -> None:
    views, revenue = easy.metrics.values
    assert easy.metrics.dimension_names == ("platform", "marketplace")
    assert easy.metrics.values.shape == (2, 21, 8_760)
    np.testing.assert_allclose(revenue, 0.3 * views, atol=1e-9)
    calm = np.where(easy.labels[0], np.nan, views).reshape(21, -1, 24)
    usual = np.nanmedian(calm, axis=1)
    assert ((usual.min(axis=1) > 95) & (usual.min(axis=1) < 205)).all()
    assert ((np.ptp(usual, axis=1) > 185) & (np.ptp(usual, axis=1) < 405)).all()
    assert ((usual.argmax(axis=1) >= 12) & (usual.argmax(axis=1) <= 21)).all()
    spreads = np.nanmax(np.abs(calm - usual[:, None]), axis=(1, 2))
    assert ((spreads >= 2) & (spreads <= 13)).all()
    lengths = easy.events.last - easy.events.first + 1
    assert set(lengths.tolist()) == {1, 2, 3, 4, 5}
    assert (np.abs(easy.events.amount) >= 100).all()
    assert (np.abs(easy.events.amount) <= 600).all()
    assert 0.45 < (easy.events.amount > 0).mean() < 0.55
    assert {KINDS[kind] for kind in easy.events.kind} == {"shift"}


def test_as_many_anomalies_start_as_they_should() -> None:
    rng = np.random.Generator(np.random.PCG64(7))
    events = draw_events(rng, 500, 2_000, 0.005)
    free = 500 * 2_000 - (events.last - events.first + 2).sum()
    assert len(events) / free == pytest.approx(0.005, rel=0.05)


@pytest.mark.parametrize(("frequency", "a_day"), [("PT5M", 0.12), ("PT10M", 0.12), ("PT1H", 0.12), ("P1D", 0.005)])
def test_events_a_day_do_not_depend_on_the_interval_unless_it_is_a_day(frequency: str, a_day: float) -> None:
    made = shop(ShopSettings(frequency=frequency, series=210))
    days = made.settings.n_intervals * made.settings.seconds / 86_400
    assert len(made.events) / 210 / days == pytest.approx(a_day, rel=0.1)


def test_a_daily_shop_has_a_weekly_seasonality() -> None:
    made = shop(ShopSettings(frequency="P1D", intervals=700, anomalies=False))
    weeks = made.metrics.values[0].reshape(21, 100, 7)
    assert (np.ptp(np.median(weeks, axis=1), axis=1) > 150).all()
    assert (weeks.std(axis=1) < 10).all()


def test_without_anomalies_there_are_none() -> None:
    for is_hard in (False, True):
        made = shop(replace(SMALL, hard=is_hard, anomalies=False))
        assert not made.labels.any()
        assert len(made.events) == 0


def test_the_hard_shop_has_every_kind_and_labels_only_what_moved(hard: Shop) -> None:
    assert {KINDS[kind] for kind in hard.events.kind} == set(KINDS)
    event, series, at = hard.events.points()
    kind = hard.events.kind[event]
    in_views, in_revenue = hard.labels[:, series, at]
    assert not in_views[kind == REVENUE_ONLY].any()
    assert not in_revenue[kind == VIEWS_ONLY].any()
    lengths = (hard.events.last - hard.events.first + 1)[hard.events.kind == SLOW]
    assert 12 <= np.median(lengths) <= lengths.max() <= 48
    # A slow one grows: its end is labelled far more often than its beginning.
    slow = np.flatnonzero((hard.events.kind == SLOW) & (hard.events.last < 8_759))
    combination = hard.events.combination[slow]
    begun = hard.labels[0][combination, hard.events.first[slow]].mean()
    ended = hard.labels[0][combination, hard.events.last[slow]].mean()
    assert begun < 0.2 < 0.6 < ended


def test_the_hard_shop_misses_rows_and_has_series_of_few(hard: Shop) -> None:
    views = hard.metrics.values[0]
    assert np.isnan(views).mean() == pytest.approx(0.02, rel=0.1)
    calm = np.where(hard.labels[0], 0, np.nan_to_num(views))
    assert (calm.max(axis=1) < 5).sum() == 3
    assert (np.nanmedian(views, axis=1) > 50).sum() == 18


def test_a_level_shift_stays_until_the_next(hard: Shop) -> None:
    events = hard.events
    [*shifts] = np.flatnonzero(events.kind == LEVEL_SHIFT)
    assert shifts
    for i in shifts:
        k, first = events.combination[i], events.first[i]
        others = events.first[(events.kind == LEVEL_SHIFT) & (events.combination == k) & (events.first != first)]
        if first < 400 or first > 8_300 or (np.abs(others - first) < 400).any():
            continue
        before, after = hard.metrics.values[0, k, first - 336 : first], hard.metrics.values[0, k, first : first + 336]
        ratio = np.nanmedian(after) / np.nanmedian(before)
        assert ratio < 0.8 or ratio > 1.25
        assert events.last[i] - first == 4


def test_holidays_are_lower_and_no_anomalies() -> None:
    made = shop(ShopSettings(hard=True, anomalies=False))
    assert date(2023, 12, 25) in made.holidays
    days = made.metrics.starts.astype("datetime64[D]")
    [before] = np.nonzero(days == np.datetime64("2023-12-18"))
    [holiday] = np.nonzero(days == np.datetime64("2023-12-25"))
    views = made.metrics.values[0]
    many = np.nanmedian(views, axis=1) > 50
    ratios = np.nanmean(views[many][:, holiday], axis=1) / np.nanmean(views[many][:, before], axis=1)
    assert ((ratios > 0.3) & (ratios < 0.85)).all()
    assert shop(SMALL).holidays == ()


def test_more_series_than_pairs_have_products_too() -> None:
    made = shop(ShopSettings(series=1_000, intervals=10))
    assert made.metrics.dimension_names == ("platform", "marketplace", "product")
    assert len(set(made.metrics.combinations)) == 1_000
    assert all(len(value) <= 40 for combination in made.metrics.combinations for value in combination if value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"frequency": "PT2H"}, "frequency 'PT2H': expected one of PT5M, PT10M, PT15M, PT30M, PT1H, P1D"),
        ({"intervals": 0}, "intervals 0: expected 1 to 10,000,000"),
        ({"series": 0}, "series 0: expected 1 to 1,000,000"),
        ({"seed": -1}, "seed -1: expected 0 to"),
        ({"frequency": "P1D", "intervals": 9_999_999}, "expected an end before the year 10000"),
    ],
)
def test_a_shop_that_cannot_be_made_is_refused(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ShopSettingsError, match=expected):
        ShopSettings(**changes)  # type: ignore[arg-type]
