"""`anomalake backtest` from a detector file to figures, scores and alerts in a lake."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from anomalake.api import backtest, open_lake
from anomalake.records.data_quality import BacktestSpan, read_backtest_quality
from anomalake.services.dashboard import read_document
from anomalake.storage.objects import open_store
from anomalake.synth import ShopSettings, shop, write_shop
from tests.support.command import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small shop of 1,000 hours."""
    write_shop(shop(ShopSettings(intervals=1_000, series=6)), tmp_path / "shop")
    return tmp_path / "shop"


def rows(lake: Path, sql: str) -> list[tuple[Any, ...]]:
    return open_lake(lake).query_rows(sql)[1]


def contents(lake: Path) -> dict[str, bytes]:
    """What a lake holds but for the changes of groups, of which each backtest records its own."""
    paths = (path for path in lake.rglob("*") if path.is_file() and "group-index" not in path.parts)
    return {path.relative_to(lake).as_posix(): path.read_bytes() for path in paths}


def test_the_summary_has_the_tested_span_and_the_anomalies(run: Run, folder: Path) -> None:
    said = run("backtest", str(folder / "detector.yaml"))
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "shop: 12 metrics, 2023-01-01 00:00 to 2023-02-11 15:00 (UTC)"
    assert lines[1] == "  trained on 700 intervals of PT1H, tested on the 300 from 2023-01-30 04:00 on"
    assert lines[2] == "  6,000 of 6,000 rows of 1 files used"
    points = re.fullmatch(r"  (\d+) of 3,600 tested points anomalous: views (\d+), revenue (\d+)", lines[3])
    assert points is not None
    assert int(points[1]) == int(points[2]) + int(points[3]) > 0
    groups = re.fullmatch(r"  (\d+) groups: views (\d+), revenue (\d+)", lines[4])
    assert groups is not None
    scores = [float(line.split()[0]) for line in lines[5:10]]
    assert scores == sorted(scores, reverse=True)
    assert "platform=" in lines[5]


def quiet_days(folder: Path, days: int = 215) -> Path:
    """A detector of daily orders by shop, with nothing unusual but one lower day, and its data."""
    noise = np.random.default_rng(3).uniform(-60, 60, (2, days))
    noise[1, 190] = -75
    lines = [
        f"{date(2023, 6, 1) + timedelta(days=day)},{shop},{1_000 + noise[number, day]:.0f}"
        for day in range(days)
        for number, shop in enumerate(("north", "south"))
    ]
    folder.mkdir()
    (folder / "orders.csv").write_text("\n".join(["day,shop,orders", *lines, ""]), encoding="utf-8")
    (folder / "detector.yaml").write_text(
        "AnomalyDetectorName: orders\nAnomalyDetectorConfig: {AnomalyDetectorFrequency: P1D}\n"
        "MetricSet:\n"
        "  MetricSource:\n"
        "    S3SourceConfig:\n"
        "      HistoricalDataPathList: [orders.csv]\n"
        "      FileFormatDescriptor: {CsvFormatDescriptor: {}}\n"
        "  TimestampColumn: {ColumnName: day, ColumnFormat: yyyy-MM-dd}\n"
        "  MetricList: [{MetricName: orders, AggregationFunction: SUM}]\n"
        "  DimensionList: [shop]\n",
        encoding="utf-8",
    )
    return folder / "detector.yaml"


def test_where_nothing_is_anomalous_the_most_unusual_points_are_told(run: Run, tmp_path: Path) -> None:
    file = quiet_days(tmp_path / "orders")
    said = run("backtest", str(file), "--lake", "lake")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    at = lines.index("  nothing counts as an anomaly; the most unusual points below severity 50:")
    assert lines[at - 1] == "  0 groups: orders 0"
    told = [re.fullmatch(r" {4} ?(\d+\.\d\d)  (\S+ \S+)  orders: shop=\w+: [\d,.]+, expected [\d,.]+", line)
            for line in lines[at + 1 : at + 6]]  # fmt: skip
    severities = [float(match[1]) for match in told if match is not None]
    assert len(severities) == 5
    assert 50 > severities[0] >= severities[-1] > 0
    assert severities == sorted(severities, reverse=True)
    # The page of the lake and Python tell the same.
    points = backtest(file).backtest.near_misses()
    shown = read_document(str(tmp_path / "lake")).near_misses
    assert [round(point.severity, 2) for point in points] == severities
    assert shown.severity == pytest.approx([point.severity for point in points], rel=1e-6)
    assert shown.time.tolist() == [point.timestamp.timestamp() for point in points]
    assert [match[2] for match in told if match is not None] == [f"{p.timestamp:%Y-%m-%d %H:%M}" for p in points]


def test_each_problem_of_a_detector_file_is_one_line(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text("AnomalyDetectorName: shop\nMetricSet: {Timezone: Mars}\n", encoding="utf-8")
    for command in ("backtest", "detect"):
        said = run(command, str(folder / "bad.yaml"), *(("--lake", "lake") if command == "detect" else ()))
        assert (said.code, said.out) == (2, "")
        lines = said.err.splitlines()
        assert len(lines) >= 4
        assert all(line.startswith(f"anomalake: {folder}/bad.yaml: line 2: ") for line in lines if "Metric" in line)
        assert sum("Timezone" in line for line in lines) == 1


def test_weekly_data_read_as_days_are_told(run: Run, folder: Path) -> None:
    days = [date(2020, 1, 6) + timedelta(days=7 * number) for number in range(48)]
    (folder / "weeks").mkdir()
    (folder / "weeks" / "a.csv").write_text("t,v\n" + "".join(f"{day},100\n" for day in days), encoding="utf-8")
    definition = {
        "AnomalyDetectorName": "weeks",
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "P1D"},
        "MetricSet": {
            "MetricSource": {"S3SourceConfig": {"HistoricalDataPathList": ["weeks/"]}},
            "TimestampColumn": {"ColumnName": "t", "ColumnFormat": "yyyy-MM-dd"},
            "MetricList": [{"MetricName": "v", "AggregationFunction": "SUM"}],
        },
    }
    (folder / "weeks.json").write_text(json.dumps(definition), encoding="utf-8")
    said = run("backtest", str(folder / "weeks.json"))
    assert said.code == 0
    assert "  48 of 330 intervals have rows\n" in said.out
    assert said.err == (
        "  282 of 330 intervals have no rows: rows are typically 7 days apart, and AnomalyDetectorFrequency is P1D; "
        "expected P7D\n"
    )


def test_labels_are_compared_with_the_anomalies(run: Run, folder: Path) -> None:
    said = run("backtest", str(folder / "detector.yaml"), "--labels", str(folder / "labels.csv"))
    f1 = re.findall(r"F1 (\d\.\d+)", said.out)
    assert len(f1) == 2
    # The rank is nearly perfect; after 700 hours of history, a few quiet points are beyond the decision too.
    assert all(float(item) > 0.6 for item in f1), said.out
    assert re.findall(r"recall (\d\.\d+)", said.out) == ["1.0000", "1.0000"]
    assert float(re.findall(r"average precision (\d\.\d+)", said.out)[0]) > 0.95
    assert re.search(r"against \d+ labelled points\n", said.out)


def test_scores_are_written_for_every_tested_point(run: Run, folder: Path, tmp_path: Path) -> None:
    said = run("backtest", str(folder / "detector.yaml"), "--scores", "scores.parquet")
    assert said.out.endswith("  scores of 3,600 points: scores.parquet\n")
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.column_names == (
        ["measure", "dimensions", "timestamp", "value", "expected", "lower", "upper", "severity", "is_anomaly"]
    )
    assert table.num_rows == 3_600
    severity, is_anomaly = table["severity"].to_pylist(), table["is_anomaly"].to_pylist()
    assert [item >= 50 for item in severity] == is_anomaly


def test_alerts_are_stored_once_however_often_the_backtest_runs(run: Run, folder: Path, tmp_path: Path) -> None:
    call = ("backtest", str(folder / "detector.yaml"), "--lake", "lake")
    first = run(*call)
    assert first.code == 0
    new = re.search(r"alerts in lake: (\d+) new, 0 repeated\n", first.out)
    assert new is not None
    points = re.search(r"(\d+) of 3,600 tested points", first.out)
    assert points is not None
    assert rows(tmp_path / "lake", "SELECT count(*) FROM metric_values") == [(int(points[1]),)]
    assert rows(tmp_path / "lake", "SELECT count(*) FROM alerts") == [(int(new[1]),)]
    # The columns of detectors are recorded by the first query on one of them, or before the next write.
    assert rows(tmp_path / "lake", "SELECT count(*) FROM anomalies_shop") == [(int(points[1]),)]
    quality = read_backtest_quality(open_store(str(tmp_path / "lake")), "shop")
    assert quality is not None
    assert (quality.rows, quality.partial, quality.invalid, quality.series) == (6_000, 0, 0, 12)
    assert [column.usable for column in quality.columns] == [6_000] * 5
    begin, hour = datetime(2023, 1, 1, tzinfo=UTC), timedelta(hours=1)
    assert quality.span == BacktestSpan(begin, begin + 699 * hour, begin + 700 * hour, begin + 999 * hour)
    before = contents(tmp_path / "lake")
    again = run(*call)
    assert f"alerts in lake: 0 new, {new[1]} repeated\n" in again.out
    assert again.out.splitlines()[:-1] == first.out.splitlines()[:-1]
    assert contents(tmp_path / "lake") == before


def test_live_rows_are_joined_with_the_anomalies(run: Run, folder: Path, tmp_path: Path) -> None:
    run("backtest", str(folder / "detector.yaml"), "--lake", "lake")
    assert rows(tmp_path / "lake", "SELECT count(*) FROM live_shop") == [(6_000,)]
    [(count, with_score)] = rows(
        tmp_path / "lake", "SELECT count(*), count(viewsgroupscore) FROM with_livedata_shop WHERE views IS NOT NULL"
    )
    [(views,)] = rows(tmp_path / "lake", "SELECT count(*) FROM metric_values WHERE metric_name = 'views'")
    assert (count, with_score) == (6_000, views)


def test_the_rules_of_the_file_select_the_alerts(run: Run, folder: Path, tmp_path: Path) -> None:
    file = folder / "detector.yaml"
    rule = (
        "Alerts:\n  - AlertName: big\n    AlertSensitivityThreshold: 60\n    MinimumImpact: 300\n"
        "    AlertFilters:\n      MetricList: [views]\n"
    )
    file.write_text(file.read_text("utf-8") + rule, encoding="utf-8")
    assert run("backtest", str(file), "--lake", "lake").code == 0
    found = rows(tmp_path / "lake", "SELECT DISTINCT alert_name, metric_name FROM alerts")
    assert found == [("big", "views")]
    assert rows(tmp_path / "lake", "SELECT min(anomaly_score) >= 60 FROM alerts") == [(True,)]


def test_data_may_be_in_another_folder_than_the_file(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.json"
    file.write_text((folder / "detector.yaml").read_text("utf-8"), encoding="utf-8")
    assert run("backtest", str(file)).code != 0
    assert run("backtest", str(file), "--data", str(folder)).out == run("backtest", str(folder / "detector.yaml")).out


def test_invalid_rows_are_counted_and_printed_and_the_others_used(run: Run, folder: Path) -> None:
    data = folder / "backtest" / "input.csv"
    lines = data.read_text("utf-8").splitlines()
    lines[10] = lines[10].replace("2023-01-01", "2023-13-01")
    lines[20] = lines[20].rpartition(",")[0] + ",many"
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = run("backtest", str(folder / "detector.yaml"))
    assert said.code == 1
    assert "5,998 of 6,000 rows of 1 files used, 2 bad" in said.out
    assert "input.csv" in said.err
    assert "2023-13-01" in said.err
    assert "many" in said.err


def test_a_source_that_queries_cannot_read_is_still_tested(run: Run, folder: Path, tmp_path: Path) -> None:
    data = folder / "backtest" / "input.csv"
    data.write_text("a title\n" + data.read_text("utf-8"), encoding="utf-8")
    file = folder / "detector.yaml"
    csv = "        CsvFormatDescriptor:\n"
    assert csv in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(csv, f"{csv}          SkipLines: 1\n"), encoding="utf-8")
    said = run("backtest", str(file), "--lake", "lake")
    assert said.code == 0
    assert "queries cannot read the source data: source of arn:aws:lookoutmetrics" in said.err
    assert rows(tmp_path / "lake", "SELECT count(*) > 0 FROM alerts") == [(True,)]


def test_too_few_intervals_are_an_error_in_one_line(run: Run, tmp_path: Path) -> None:
    write_shop(shop(ShopSettings(intervals=60)), tmp_path / "shop")
    said = run("backtest", "shop/detector.yaml", "--lake", "lake")
    assert said.code == 2
    assert said.err.startswith(
        "anomalake: Insufficient amount of data was found at the source location: 60 intervals of PT1H"
    )
    assert said.err.count("\n") == 1
    assert not (tmp_path / "lake").exists()


def test_invalid_input_is_reported_first(run: Run, folder: Path, tmp_path: Path) -> None:
    said = run("backtest", "nowhere.yaml")
    assert said.code == 2
    assert "nowhere.yaml" in said.err
    (tmp_path / "labels.csv").write_text("when,what\n", encoding="utf-8")
    said = run("backtest", str(folder / "detector.yaml"), "--labels", "labels.csv", "--scores", "s.parquet")
    assert said.code == 2
    assert said.err == "anomalake: labels.csv: line 1: no column timestamp; it has when, what\n"
    assert not (tmp_path / "s.parquet").exists()


def test_an_alert_of_the_backtest_has_the_services_format(run: Run, folder: Path, tmp_path: Path) -> None:
    run("backtest", str(folder / "detector.yaml"), "--lake", "lake")
    [(detector_arn, event, group, score)] = rows(
        tmp_path / "lake",
        'SELECT detector_arn, alert_event_id, anomaly_group_id, anomaly_score FROM alerts ORDER BY "timestamp" LIMIT 1',
    )
    assert detector_arn == "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
    assert event == f"arn:aws:lookoutmetrics:us-east-1:000000000000:Alert:shop:event/{group}"
    assert 50 <= score < 100
    sums = rows(
        tmp_path / "lake",
        "SELECT DISTINCT sum(value_contribution) FROM dimension_contributions "
        'GROUP BY alert_event_id, metric_name, "timestamp", dimension_name',
    )
    assert sums == [(100,)]


def test_alerts_of_the_backtest_link_to_the_page(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backtest", str(folder / "detector.yaml"), "--lake", "lake", "--page", "https://kpi.example.com/page.html")
    links = "SELECT DISTINCT console_url, detector_arn, anomaly_group_id FROM alerts"
    found = rows(tmp_path / "lake", links)
    assert found
    for link, arn, group in found:
        assert link == f"https://kpi.example.com/page.html#{arn}/anomalies/anomaly/{group}"
    monkeypatch.setenv("ANOMALAKE_PAGE", "file:///srv/page.html")
    run("backtest", str(folder / "detector.yaml"), "--lake", "other")
    assert all(link.startswith("file:///srv/page.html#") for link, _, _ in rows(tmp_path / "other", links))


def test_an_invalid_page_address_is_reported_first(run: Run, folder: Path, tmp_path: Path) -> None:
    said = run("backtest", str(folder / "detector.yaml"), "--lake", "lake", "--page", "page.html")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("anomalake: --page: 'page.html': expected a URL such as ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "lake").exists()
