"""The benchmarks of detection: synthetic KPIs, simple methods, sets sent to workers, tables in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from anomalake.model.metrics import Metrics
from anomalake.synth import ShopSettings, shop
from benchmarks.detection import kpis, nab, quality, simple
from benchmarks.detection.anomaly_types import Kpi, add_anomaly
from benchmarks.detection.compare import Result
from benchmarks.detection.labelled import LabelledSet, pooled, unrelated
from benchmarks.detection.methods import METHODS
from benchmarks.detection.quiet import QUIET
from benchmarks.detection.worker import load, save
from benchmarks.figures import Bound, Figure, Table, save_figures

SIMPLE = ("huber", "hour_of_week", "recent_median", "differences", "spectral_residual")


def synthetic(points: int = 900, minutes: int = 60) -> np.ndarray:
    rng = np.random.default_rng(7)
    t = np.arange(points) * minutes / 60
    values = 100 + 30 * np.sin(2 * np.pi * t / 24)[None, :] + rng.normal(size=(3, points))
    values[1, rng.random(points) < 0.05] = np.nan
    values[2] = 5.0
    return values


class TestSyntheticKpis:
    def test_they_are_reproducible(self) -> None:
        first, second = kpis.hourly("develop"), kpis.hourly("develop")
        np.testing.assert_array_equal(first.values, second.values)
        np.testing.assert_array_equal(first.labels, second.labels)

    def test_families_share_no_series(self) -> None:
        develop, check = kpis.hourly("develop").values, kpis.hourly("check", copies=2).values
        constant = np.nanstd(develop, axis=1) == 0  # constant 0 is equal in both families
        for series in develop[~constant]:
            assert not any(np.array_equal(series, other, equal_nan=True) for other in check)

    @pytest.mark.parametrize("name", sorted(kpis.KINDS))
    def test_each_kind_has_few_anomalies(self, name: str) -> None:
        series = [kpis.KINDS[name](np.random.default_rng([3, seed]), 1_680, 24) for seed in range(8)]
        share = np.mean([kpi.labels for kpi in series])
        assert 0 < share < 0.1
        assert all(np.isnan(kpi.values).mean() < 0.3 for kpi in series)
        assert not any((kpi.labels & np.isnan(kpi.values)).any() for kpi in series)

    def test_a_shift_is_permanent_and_labelled_at_its_first_point(self) -> None:
        flat = np.full(400, 50.0)
        kpi = add_anomaly("shift", Kpi(flat, flat, np.ones(400), 24), np.random.default_rng(1), 200)
        assert np.flatnonzero(kpi.labels).tolist() == [200]
        assert (np.abs(kpi.values[200:] - 50) >= 5).all()
        assert (kpi.values[:200] == 50).all()

    def test_an_anomaly_without_effect_is_not_labelled(self) -> None:
        flat = np.zeros(400)
        kpi = add_anomaly("outage", Kpi(flat, flat, np.ones(400), 24, low=0.0), np.random.default_rng(1), 200)
        assert not kpi.labels.any()


class TestSimpleMethods:
    @pytest.mark.parametrize("name", SIMPLE)
    def test_scores_do_not_depend_on_later_points(self, name: str) -> None:
        values = synthetic()
        scores = METHODS[name].score(values, 60, 600)
        changed = values.copy()
        changed[:, 800:] *= 9
        np.testing.assert_array_equal(METHODS[name].score(changed, 60, 600)[:, :200], scores[:, :200])

    @pytest.mark.parametrize("name", SIMPLE)
    @pytest.mark.parametrize("minutes", [5, 60, 1440])
    def test_a_spike_has_the_highest_score_and_a_missing_value_none(self, name: str, minutes: int) -> None:
        values = synthetic(900, minutes)
        values[0, 700] += 100
        scores = METHODS[name].score(values, minutes, 600)
        assert scores.shape == (3, 300)
        assert np.nanargmax(scores[0]) in (100, 101)
        np.testing.assert_array_equal(np.isnan(scores), np.isnan(values[:, 600:]))

    def test_autoregression_learns_the_daily_pattern(self) -> None:
        scores = simple.huber_autoregression(synthetic(), 60, 600)
        assert np.mean(scores[0] < 3) > 0.97


def test_a_set_is_sent_to_a_worker_without_its_labels(tmp_path: Path) -> None:
    hard = shop(ShopSettings(hard=True, intervals=400))
    flat = hard.labels.reshape(hard.metrics.n_metrics, -1)
    part = LabelledSet(hard.metrics, flat, 280, ("",) * len(flat), hard.holidays)
    save([part], tmp_path / "parts.npz")
    (loaded,) = load(tmp_path / "parts.npz")
    np.testing.assert_array_equal(loaded.values, part.values)
    np.testing.assert_array_equal(loaded.metrics.starts, part.metrics.starts)
    assert loaded.metrics.combinations == part.metrics.combinations
    assert (loaded.holidays, loaded.first_tested, loaded.frequency_minutes) == (part.holidays, 280, 60)
    assert not loaded.labels.any()


def test_parts_of_different_lengths_are_pooled() -> None:
    parts = [LabelledSet(unrelated(np.ones((2, n)), "PT1H"), np.ones((2, n), bool), 4, ("a", "b")) for n in (6, 9)]
    scored = pooled(parts, [np.full((2, n - 4), float(n)) for n in (6, 9)])
    assert scored.scores.shape == (4, 5)
    assert scored.observed.sum(axis=1).tolist() == [2, 2, 5, 5]
    assert scored.only("b").scores.max(axis=1).tolist() == [6, 9]


def test_windows_of_labelled_files_are_on_the_grid_of_a_detector(tmp_path: Path) -> None:
    rows = [f"2024-01-01 {n // 3:02}:{n % 3 * 20:02}:00,{n}" for n in range(15) if n not in (5, 6)]
    (tmp_path / "rides.csv").write_text("\n".join(["timestamp,value", *rows]), encoding="utf-8")
    windows = {"rides.csv": [["2024-01-01 03:40:00.000000", "2024-01-01 04:20:00.000000"]]}
    (tmp_path / "windows.json").write_text(json.dumps(windows), encoding="utf-8")
    (part,) = nab.labelled_kpis(tmp_path)
    assert part.metrics.frequency == "PT30M"
    np.testing.assert_array_equal(part.values[0], [0.5, 2, 3.5, np.nan, 7, 8, 9.5, 11, 12.5, 14])
    assert np.flatnonzero(part.labels[0]).tolist() == [7, 8]


@pytest.mark.parametrize("name", sorted(QUIET))
def test_quiet_series_are_42_for_a_year(name: str) -> None:
    metrics, _ = QUIET[name](1)
    assert isinstance(metrics, Metrics)
    assert (metrics.n_metrics, len(metrics.starts)) == (42, 8_760)
    assert np.isnan(metrics.values).mean() < 0.05


def test_comparisons_are_with_the_best_other_method() -> None:
    labels = np.zeros((1, 200), dtype=bool)
    labels[0, [20, 90, 150]] = True
    part = LabelledSet(unrelated(np.ones((1, 300)), "PT1H"), np.pad(labels, ((0, 0), (100, 0))), 100, ("",))
    perfect = labels * 100.0
    poor = perfect.copy()
    poor[0, [5, 40]] = 200
    results = {
        "ours": Result.of(pooled([part], [perfect]), 50),
        "huber": Result.of(pooled([part], [poor]), 3),
        "differences": Result.of(pooled([part], [perfect]), 1_000),
    }
    at_default, at_best, precise = quality.compared("a set", results, Bound(">=", 1))
    assert at_default.measured == pytest.approx(1 / (6 / 8))
    assert at_best.measured == 1
    assert "plain differences" in at_best.against
    assert precise.measured == 1
    assert all(figure.met for figure in (at_default, at_best, precise))


def test_a_table_is_saved_with_the_figures(tmp_path: Path) -> None:
    results, report = tmp_path / "results.json", tmp_path / "RESULTS.md"
    table = Table("by method", ("set", "method", "F1"), (("shop", "a | b", "0.5"),))
    figures = [Figure("speed", 2.0, "s", Bound("<=", 3)), table]
    save_figures("first", figures, {"processor": "none"}, ["first", "second"], results, report)
    save_figures("second", figures[:1], {"processor": "none"}, ["first", "second"], results, report)
    text = report.read_text(encoding="utf-8")
    assert "| first | speed | 2 s | <= 3 | yes |  |" in text
    assert "first: by method\n\n| set | method | F1 |\n| --- | --- | ---: |\n| shop | a \\| b | 0.5 |\n" in text
    assert "tables" not in json.loads(results.read_text(encoding="utf-8"))["second"]
    assert str(table) == "by method\n  set   method  F1 \n  shop  a | b   0.5"
