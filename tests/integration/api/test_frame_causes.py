"""Root causes in the result of `find_anomalies`, on real flights: as of a backtest, and as of judging in parts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import anomalake
from anomalake import FrameError
from anomalake.demo.flights import hourly_rows, read_flights

COLUMNS: dict[str, Any] = {
    "time": "timestamp", "measures": {"flights": "SUM", "cancelled": "SUM"}, "dimensions": ["carrier", "origin"],
    "timezone": "America/New_York",
}  # fmt: skip
#: Five weeks to learn from, then two weeks with the blizzard of 8 February 2013.
FIRST, LAST = datetime(2013, 2, 4), datetime(2013, 2, 17)
DETECTOR = """
AnomalyDetectorName: frame
AnomalyDetectorConfig: {AnomalyDetectorFrequency: PT1H}
MetricSet:
  MetricSetName: flights
  MetricSource:
    S3SourceConfig:
      HistoricalDataPathList: [data/]
      FileFormatDescriptor: {CsvFormatDescriptor: {ContainsHeader: true, Delimiter: ","}}
  TimestampColumn: {ColumnName: timestamp, ColumnFormat: "yyyy-MM-dd HH:mm:ss"}
  Timezone: America/New_York
  MetricSetFrequency: PT1H
  MetricList:
    - {MetricName: flights, AggregationFunction: SUM}
    - {MetricName: cancelled, AggregationFunction: SUM}
  DimensionList: [carrier, origin]
"""


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rows = hourly_rows(read_flights())
    return rows[rows["timestamp"] < LAST]


@pytest.fixture(scope="module")
def result(frame: pd.DataFrame) -> anomalake.Anomalies:
    return anomalake.find_anomalies(frame, **COLUMNS, train=FIRST)


def test_a_group_that_alerts_tells_its_causes(result: anomalake.Anomalies) -> None:
    causes = result.causes
    assert list(causes) == [
        "group", "measure", "timestamp", "rank", "carrier", "origin", "share_off", "explained", "gain",
    ]  # fmt: skip
    assert set(causes["group"]) <= set(result.groups[result.groups["alerted"]]["group"])
    assert (causes.groupby(["group", "timestamp"])["rank"].min() == 1).all()
    assert causes["explained"].between(0, 1).all()
    assert (causes["gain"] > 0).all()
    # In the blizzard, all flights of an evening were cancelled, not those of one carrier.
    storm = causes[(causes["timestamp"] == datetime(2013, 2, 8, 20)) & (causes["measure"] == "flights")]
    assert storm.iloc[0][["carrier", "origin"]].isna().all()
    assert storm.iloc[0]["share_off"] == pytest.approx(-1.0, abs=0.1)


def test_they_are_those_of_the_relation_of_a_backtest(
    frame: pd.DataFrame, result: anomalake.Anomalies, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    frame.to_csv(tmp_path / "data" / "input.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
    (tmp_path / "detector.yaml").write_text(DETECTOR, encoding="utf-8")
    lake = anomalake.open_lake(tmp_path / "lake")
    anomalake.backtest(tmp_path / "detector.yaml", lake=lake)
    of_lake = lake.query('SELECT * FROM causes ORDER BY anomaly_group_id, "timestamp", "rank"')
    whole = anomalake.find_anomalies(frame, **COLUMNS, threshold=70)
    found = whole.causes.sort_values(["group", "timestamp", "rank"], ignore_index=True)
    assert len(found) > 20
    assert list(of_lake["anomaly_group_id"]) == list(found["group"])
    assert list(of_lake["local_timestamp"]) == list(found["timestamp"])
    for theirs, ours in (("metric_name", "measure"), *((name, name) for name in ("rank", "explained", "gain"))):
        assert list(of_lake[theirs]) == list(found[ours])
    pd.testing.assert_series_equal(of_lake["share_off"], found["share_off"])
    named = [dict(row.dropna()) for _, row in found[["carrier", "origin"]].iterrows()]
    assert [dict(dimensions) for dimensions in of_lake["dimensions"]] == named


def test_judging_in_parts_finds_the_causes_of_the_whole(frame: pd.DataFrame, result: anomalake.Anomalies) -> None:
    state = anomalake.learn(frame[frame["timestamp"] < FIRST], **COLUMNS)
    new = frame[frame["timestamp"] >= FIRST]
    parts = []
    for _, part in new.groupby((new["timestamp"] - FIRST) // pd.Timedelta(hours=50)):
        judged, state = anomalake.judge(part, state)
        parts.append(judged.causes)
    keys = ["group", "timestamp", "rank"]
    of_parts = pd.concat(parts).sort_values(keys, ignore_index=True)
    of_whole = result.causes.sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(of_parts, of_whole, check_exact=False, atol=1e-3)


def test_a_frame_of_another_library_gives_the_same(frame: pd.DataFrame, result: anomalake.Anomalies) -> None:
    other = anomalake.find_anomalies(pl.from_pandas(frame), **COLUMNS, train=FIRST).causes
    assert isinstance(other, pl.DataFrame)
    assert other["gain"].to_list() == result.causes["gain"].to_list()
    assert other["carrier"].to_list() == [None if value != value else value for value in result.causes["carrier"]]


def test_without_dimensions_a_cause_is_the_measure_as_a_whole(frame: pd.DataFrame) -> None:
    total = frame.groupby("timestamp", as_index=False)["flights"].sum()
    causes = anomalake.find_anomalies(total, time="timestamp", measures="flights", dimensions=[], train=FIRST).causes
    assert list(causes) == ["group", "measure", "timestamp", "rank", "share_off", "explained", "gain"]


def test_a_dimension_with_the_name_of_a_column_of_causes_is_told_when_they_are_asked_for(frame: pd.DataFrame) -> None:
    renamed = frame.rename(columns={"carrier": "rank"})
    found = anomalake.find_anomalies(renamed, **COLUMNS | {"dimensions": ["rank", "origin"]}, train=FIRST)
    assert len(found.points)
    with pytest.raises(FrameError, match="'rank': is a column of the causes too; expected another name"):
        _ = found.causes
