"""Labels are read from any form of file, and belong to the points that their rows name."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.definitions.intervals import interval_starts
from anomalake.detection.labels import LabelsError, read_labels
from anomalake.model.metrics import Metrics
from anomalake.synth import ShopSettings, shop, write_shop

COMBINATIONS = (("a", None), ("a", "x"), ("b", "x"), ("b", "y,\n"))


def metrics_of(timezone: str = "UTC", frequency: str = "PT1H", n: int = 48, month: int = 3) -> Metrics:
    first = datetime(2023, month, 25, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    last = datetime.fromtimestamp(first.timestamp() + (n - 1) * (86_400 if frequency == "P1D" else 3_600), UTC)
    starts = interval_starts(frequency, timezone, first, last)
    values = np.zeros((2, len(COMBINATIONS), len(starts)))
    return Metrics(frequency, timezone, starts, ("views", "revenue"), ("platform", "market"), COMBINATIONS, values)


def labelled(tmp_path: Path, text: str, metrics: Metrics, **options: str) -> tuple[set[tuple[int, ...]], int]:
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode("utf-8"))
    labels = read_labels(path, metrics, **options)
    return {tuple(index) for index in np.argwhere(labels.is_anomaly).tolist()}, labels.unknown


def test_a_row_labels_the_metric_it_names(tmp_path: Path) -> None:
    text = "timestamp,platform,market,measure,is_anomaly,why\n2023-03-25 02:00:00,b,x,revenue,1,?\n"
    assert labelled(tmp_path, text, metrics_of()) == ({(1, 2, 2)}, 0)


@pytest.mark.parametrize("stamp", ["1679709600", "2023-03-25 02:00:00"])
def test_timestamps_may_be_as_in_the_source(tmp_path: Path, stamp: str) -> None:
    text = f"timestamp,measure,platform,market,label\n{stamp},views,b,x,1\n"
    assert labelled(tmp_path, text, metrics_of(), timestamp_format="epoch_seconds") == ({(0, 2, 2)}, 0)


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("timestamp,label", "2023-03-25 02:00:00,true", {(m, k, 2) for m in (0, 1) for k in range(4)}),
        ("timestamp,metric_name,label", "2023-03-25 02:00:00,views,1", {(0, k, 2) for k in range(4)}),
        ("label,market,timestamp", "1,x,2023-03-25 02:00:00", {(m, k, 2) for m in (0, 1) for k in (1, 2)}),
        ("label,market,timestamp", "1,,2023-03-25 02:00:00", {(m, 0, 2) for m in (0, 1)}),
        ("label,market,platform,timestamp", '1,"y,\n",b,2023-03-25 02:59', {(m, 3, 2) for m in (0, 1)}),
        ("timestamp,label", "2023-03-25T04:00:00+02:00,Yes", {(m, k, 2) for m in (0, 1) for k in range(4)}),
        ("timestamp,label", "2023-03-25 02:00:00,0", set()),
        ("timestamp,label", "2023-03-25 02:00:00,", set()),
    ],
)
def test_a_row_labels_all_metrics_that_have_its_values(
    tmp_path: Path, header: str, row: str, expected: set[tuple[int, int, int]]
) -> None:
    assert labelled(tmp_path, f"{header}\n{row}\n", metrics_of()) == (expected, 0)


def test_the_metric_sets_timestamp_column_and_format_are_used(tmp_path: Path) -> None:
    options = {"timestamp_column": "day", "timestamp_format": "dd.MM.yyyy HH'h'"}
    points_read, _ = labelled(tmp_path, "day,measure,label\n25.03.2023 05h,views,1\n", metrics_of(), **options)
    assert points_read == {(0, k, 5) for k in range(4)}


def test_wall_clocks_are_in_the_zone_of_the_data(tmp_path: Path) -> None:
    metrics = metrics_of("Europe/Paris")
    points_read, _ = labelled(tmp_path, "timestamp,label\n2023-03-26 04:00:00,1\n", metrics)
    assert {t for _, _, t in points_read} == {27}
    assert str(metrics.starts[27]) == "2023-03-26T02:00:00"


def test_a_time_of_day_belongs_to_its_day(tmp_path: Path) -> None:
    points_read, _ = labelled(
        tmp_path, "timestamp,label\n2023-03-26 23:30:00,1\n", metrics_of("Europe/Paris", "P1D", 5)
    )
    assert {t for _, _, t in points_read} == {1}


def test_rows_of_unknown_intervals_and_metrics_are_counted(tmp_path: Path) -> None:
    text = (
        "timestamp,platform,measure,label\n2022-01-01,a,views,1\n2023-03-25 01:00,c,views,1\n"
        "2023-03-25 01:00,a,clicks,1\n2023-03-25 01:00,c,views,0\n\n"
    )
    assert labelled(tmp_path, text, metrics_of()) == (set(), 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: no column timestamp; it has none"),
        ("time,label\n", "line 1: no column timestamp; it has time, label"),
        ("timestamp,value\n", "line 1: no column is_anomaly or label; it has timestamp, value"),
        ("timestamp,label\n2023-03-25 01:00,maybe\n", "line 2: label 'maybe': expected 1, 0, true or false"),
        ("timestamp,label\n\nyesterday,1\n", "line 3: timestamp 'yesterday': expected a timestamp such as"),
        ('timestamp,label,why\n2023-03-25 01:00,0,"a\n\nb"\n2023-03-25 01:00,2,\n', "line 5: label '2': expected"),
        ("timestamp,label\n2023-03-25 01:00\n", "line 2: 1 values; expected 2, as in its header"),
    ],
)
def test_the_error_of_an_invalid_file_names_its_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(LabelsError) as refused:
        labelled(tmp_path, text, metrics_of())
    assert f"{tmp_path / 'labels.csv'}: {expected}" in str(refused.value)


def test_other_bytes_than_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"timestamp,label\n\xff\xfe,1\n")
    with pytest.raises(LabelsError, match="is no UTF-8"):
        read_labels(path, metrics_of())


@given(st.sets(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 23))))
def test_written_labels_are_read_unchanged(tmp_path_factory: pytest.TempPathFactory, points: set[tuple]) -> None:
    metrics = metrics_of("America/New_York", n=24)
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["timestamp", "measure", "platform", "market", "is_anomaly"])
    for m, k, t in points:
        local = metrics.starts[t].item().replace(tzinfo=UTC).astimezone(ZoneInfo("America/New_York"))
        out.writerow([f"{local:%Y-%m-%d %H:%M:%S}", metrics.measures[m], *COMBINATIONS[k], 1])
    points_read = labelled(tmp_path_factory.mktemp("labels"), text.getvalue(), metrics)
    assert points_read == (points, 0)


def test_the_labels_file_of_a_shop_equals_its_arrays(tmp_path: Path) -> None:
    synthetic = shop(ShopSettings(hard=True, intervals=600))
    write_shop(synthetic, tmp_path)
    labels = read_labels(tmp_path / "labels.csv", synthetic.metrics)
    assert np.array_equal(labels.is_anomaly, synthetic.labels)
    assert labels.unknown == 0
