"""What is written is what was made: rows, labels and live folders."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml

from anomalake.synth import Shop, ShopSettings, shop, write_shop

LIVE = 30


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=[False, True], ids=["easy", "hard"])
def made(request: pytest.FixtureRequest) -> Shop:
    return shop(ShopSettings(hard=request.param, intervals=1_000 + LIVE, series=25))


@pytest.fixture(scope="module")
def folder(made: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(made, folder, LIVE)
    return folder


def read_back(made: Shop, rows: list[dict[str, str]]) -> np.ndarray:
    starts = {str(start).replace("T", " "): t for t, start in enumerate(made.metrics.starts)}
    combinations = {combination: k for k, combination in enumerate(made.metrics.combinations)}
    values = np.full(made.metrics.values.shape, np.nan)
    for row in rows:
        k = combinations[tuple(row[name] for name in made.metrics.dimension_names)]
        t = starts[row["timestamp"]]
        assert np.isnan(values[0, k, t])
        values[:, k, t] = float(row["views"]), float(row["revenue"])
    return values


def test_the_rows_are_the_values(made: Shop, folder: Path) -> None:
    history = rows_of(folder / "backtest" / "input.csv")
    live = [row for path in sorted((folder / "live").rglob("*.csv")) for row in rows_of(path)]
    assert [row["timestamp"] for row in history] == sorted(row["timestamp"] for row in history)
    assert max(row["timestamp"] for row in history) < min(row["timestamp"] for row in live)
    np.testing.assert_allclose(read_back(made, history + live), made.metrics.values, rtol=1e-12)


def test_each_live_interval_has_its_folder(made: Shop, folder: Path) -> None:
    paths = sorted(path.relative_to(folder / "live").as_posix() for path in (folder / "live").rglob("*.csv"))
    expected = [start.item().strftime("%Y%m%d/%H%M/%Y%m%d_%H%M%S.csv") for start in made.metrics.starts[-LIVE:]]
    assert paths == expected
    for path in (folder / "live").rglob("*.csv"):
        assert {row["timestamp"].translate({45: "", 58: "", 32: "_"}) for row in rows_of(path)} == {path.stem}


def test_progress_is_that_of_the_intervals(made: Shop, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_shop(made, tmp_path, LIVE, lambda done, total: told.append((done, total)))
    assert told[0] == (0, 1_000 + LIVE)
    assert told[-1] == (1_000 + LIVE, 1_000 + LIVE)
    assert told == sorted(told)


def test_labels_are_the_anomalous_points(made: Shop, folder: Path) -> None:
    rows = rows_of(folder / "labels.csv")
    labels = {
        (str(made.metrics.starts[t]).replace("T", " "), *made.metrics.combinations[k], made.metrics.measures[m])
        for m, k, t in np.argwhere(made.labels)
    }
    columns = ("timestamp", "platform", "marketplace", "product", "measure")
    assert {tuple(row[name] for name in columns) for row in rows} == labels
    assert len(rows) == len(labels)
    assert {row["is_anomaly"] for row in rows} == {"1"}
    assert {int(row["event"]) for row in rows} == set(range(1, len(made.events) + 1))
    assert ({row["kind"] for row in rows} == {"shift"}) == (not made.settings.hard)


def test_the_detector_file_says_what_the_rows_are(made: Shop, folder: Path) -> None:
    fields = yaml.safe_load((folder / "detector.yaml").read_text(encoding="utf-8"))
    metric_set = fields["MetricSet"]
    assert metric_set["DimensionList"] == list(made.metrics.dimension_names)
    assert [item["MetricName"] for item in metric_set["MetricList"]] == list(made.metrics.measures)
    assert metric_set["MetricSetFrequency"] == fields["AnomalyDetectorConfig"]["AnomalyDetectorFrequency"] == "PT1H"
    assert tuple(fields.get("Holidays", ())) == made.holidays


def test_a_shop_without_anomalies_has_a_labels_file_without_rows(tmp_path: Path) -> None:
    write_shop(shop(ShopSettings(intervals=3, anomalies=False)), tmp_path)
    header = "timestamp,platform,marketplace,measure,is_anomaly,event,kind\n"
    assert (tmp_path / "labels.csv").read_text("utf-8") == header
    assert not (tmp_path / "live").exists()
