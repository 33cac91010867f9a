"""Roll-ups from a detector file to alerts, relations and the page, with many small shops."""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomalake.api import backtest, detect, open_lake
from anomalake.services.dashboard import read_document
from tests.support.shown_page import detector_of, values_of

DAYS, OUTAGE = 120, 100
FIRST = date(2024, 1, 1)
DAY = FIRST + timedelta(days=OUTAGE)
REGIONS = ("east", "north", "south", "west")
DETECTOR = """
AnomalyDetectorName: shops
AnomalyDetectorConfig: {AnomalyDetectorFrequency: P1D}
MetricSet:
  MetricSource:
    S3SourceConfig:
      HistoricalDataPathList: [orders.csv]
      FileFormatDescriptor: {CsvFormatDescriptor: {}}
  TimestampColumn: {ColumnName: day, ColumnFormat: yyyy-MM-dd}
  MetricList:
    - {MetricName: orders, AggregationFunction: SUM}
    - {MetricName: rating, AggregationFunction: AVG}
  DimensionList: [region, shop]
  RollUps: ROLL_UPS
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 shops with two orders a day each; for two days there are none; later one shop has very many."""
    folder = tmp_path_factory.mktemp("shops")
    orders = np.random.default_rng(5).poisson(2.0, (60, DAYS))
    orders[:, OUTAGE : OUTAGE + 2] = 0
    orders[7, OUTAGE + 8] = 90
    with (folder / "orders.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["day", "region", "shop", "orders", "rating"])
        for day in range(DAYS):
            for shop in range(60):
                start = FIRST + timedelta(days=day)
                rows.writerow([start, REGIONS[shop % 4], f"s{shop:02}", orders[shop, day], 3 + shop % 3])
    for name, roll_ups in (("with.yaml", "true"), ("without.yaml", "false")):
        (folder / name).write_text(DETECTOR.replace("ROLL_UPS", roll_ups), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def lake(folder: Path) -> Path:
    backtest(folder / "with.yaml", lake=folder / "lake")
    return folder / "lake"


def rows(lake: Path, sql: str) -> list[tuple[Any, ...]]:
    return open_lake(lake).query_rows(sql)[1]


def test_an_outage_that_is_nothing_in_each_shop_is_seen_in_their_sum(folder: Path) -> None:
    plain = backtest(folder / "without.yaml").backtest
    assert not any(item.start.date() == DAY for item in plain.groups)
    found = backtest(folder / "with.yaml").backtest
    assert (plain.metrics.n_metrics, found.metrics.n_metrics) == (2 * 60, 2 * (60 + 60 + 4 + 1))
    (outage,) = [item for item in found.groups if item.start.date() == DAY]
    first = outage.intervals[0]
    assert (outage.measure, len(outage.intervals)) == ("orders", 2)
    assert outage.score > 70
    assert first.impact == pytest.approx(120, abs=15)
    shares = {share.dimension_value: share.value_contribution for share in first.contributions}
    assert all(15 < shares[region] < 35 for region in REGIONS)
    assert sum(shares.get(f"s{shop:02}", 0) for shop in range(60)) == 100


def test_relations_count_nothing_twice(lake: Path) -> None:
    of_day = f"\"timestamp\" = TIMESTAMP '{DAY} 00:00:00'"
    found = rows(lake, f"SELECT region, shop, value FROM anomalies_shops WHERE {of_day} ORDER BY region")
    # Either all orders are one row, or each region with orders of its own has one.
    assert found
    assert all(shop is None and value == 0 for _, shop, value in found)
    spike = f"\"timestamp\" = TIMESTAMP '{DAY + timedelta(days=8)} 00:00:00'"
    assert rows(lake, f"SELECT region, shop, value FROM anomalies_shops WHERE {spike}") == [("west", "s07", 90)]
    (total,) = rows(lake, "SELECT sum(orders), count(*) FROM with_livedata_shops")
    assert total == rows(lake, "SELECT sum(orders), count(*) FROM live_shops")[0]
    # An anomaly of a shop stands next to its row, one of a roll-up next to none.
    beside = (
        f"SELECT shop, ordersanomalymetricvalue FROM with_livedata_shops WHERE ordersgroupscore IS NOT NULL AND {spike}"
    )
    assert rows(lake, beside) == [("s07", 90)]
    assert rows(lake, f"SELECT count(ordersgroupscore) FROM with_livedata_shops WHERE {of_day}") == [(0,)]
    contributions = f"""
        SELECT dimension_name, sum(value_contribution) FROM dimension_contributions WHERE {of_day} GROUP BY 1 ORDER BY 1
    """
    assert rows(lake, contributions) == [("region", 100), ("shop", 100)]


@pytest.mark.parametrize("with_source", [True, False])
def test_the_page_adds_up_the_shops_and_has_the_affected_totals_beside_them(
    lake: Path, tmp_path: Path, with_source: bool
) -> None:
    copy = tmp_path / "lake"
    shutil.copytree(lake, copy)
    if not with_source:
        shutil.rmtree(copy / "sources")
    shops = detector_of(read_document(str(copy)), "shops")
    assert shops.live is not None
    assert shops.live.roll_ups >= 1
    last = shops.live.series[-shops.live.roll_ups :]
    assert all((shops.combinations[series] < 0).any() for series in last)
    assert (shops.combinations[shops.live.series[: -shops.live.roll_ups]] >= 0).all()
    orders = {
        (dimensions, time): value
        for (measure, dimensions, time), value in values_of(shops).items()
        if measure == "orders"
    }
    totals: dict[int, float] = defaultdict(float)
    for (dimensions, time), value in orders.items():
        totals[time] += value if len(dimensions) == 2 else 0
    # Those that were affected in the outage, all orders or those of regions, have values of their own where judged.
    of_roll_ups = {key: value for key, value in orders.items() if len(key[0]) < 2}
    tested = {time for _, time in of_roll_ups}
    assert len(tested) == DAYS - DAYS * 7 // 10
    for (dimensions, time), value in of_roll_ups.items():
        of_shops = {other: of for (other, then), of in orders.items() if then == time and len(other) == 2}
        assert value == sum(of for other, of in of_shops.items() if set(dimensions) < set(other))
    outage = (DAY - date(1970, 1, 1)).days * 86_400
    expected_orders = values_of(shops, "expected")
    assert all(expected_orders["orders", dimensions, outage] > 15 for dimensions, _ in of_roll_ups)
    with (lake.parent / "orders.csv").open(encoding="utf-8", newline="") as file:
        expected: dict[int, float] = defaultdict(float)
        for row in csv.DictReader(file):
            start = date.fromisoformat(row["day"])
            expected[(start - date(1970, 1, 1)).days * 86_400] += float(row["orders"])
    assert len(totals) == (DAYS if with_source else DAYS - DAYS * 7 // 10)
    assert dict(totals) == {time: expected[time] for time in totals}


def test_live_detection_sees_it_too(folder: Path) -> None:
    executions = detect(
        folder / "with.yaml", lake=folder / "live", first=f"{DAY - timedelta(days=2)}T00:00", last=f"{DAY}T00:00"
    )
    assert [execution.status for execution in executions] == ["SUCCEEDED"] * 3
    assert executions[-1].groups == 1
    # The ratings have no roll-ups.
    assert executions[-1].metrics == 60 + 60 + 4 + 1 + 60
    (affected,) = rows(folder / "live", "SELECT count(*), count_if(cardinality(dimensions) < 2) FROM anomalies")
    assert affected[0] == affected[1] > 0


def test_labels_are_of_the_shops(folder: Path) -> None:
    labels = folder / "labels.csv"
    labels.write_text(
        f"timestamp,region,shop,measure,is_anomaly\n{DAY + timedelta(days=8)},west,s07,orders,1\n", "utf-8"
    )
    evaluated = backtest(folder / "with.yaml", labels=labels).evaluated
    assert evaluated is not None
    assert (evaluated.labelled, evaluated.unknown) == (1, 0)
    assert evaluated.figures.event_recall == 1
    plain = backtest(folder / "without.yaml", labels=labels).evaluated
    assert plain is not None
    assert evaluated.figures == plain.figures
