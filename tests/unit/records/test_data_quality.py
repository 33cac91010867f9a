"""Data quality: what is counted, and its records."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.records.data_quality import (
    BacktestSpan,
    ColumnQuality,
    DataQuality,
    backtest_quality_key,
    backtest_quality_of,
    quality_of,
    read_backtest_quality,
    summed,
    write_backtest_quality,
)
from anomalake.records.errors import RecordError
from anomalake.records.executions import Execution, from_json, to_json
from anomalake.sources.reading import read_history
from anomalake.storage.objects import memory_store
from tests.support.source_data import FilesInMemory, detector

ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop"
NOON = datetime(2021, 1, 1, 12, tzinfo=UTC)
QUALITY = DataQuality(NOON, 10, 2, 1, 4, (ColumnQuality("t", 9), ColumnQuality("p", 8, 3), ColumnQuality("v", 10)))

numbers = st.integers(0, 10**12)
instants = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
columns = st.builds(ColumnQuality, st.text(max_size=5), numbers, st.none() | numbers)
qualities = st.builds(
    DataQuality, instants, numbers, numbers, numbers, numbers, st.lists(columns, max_size=4).map(tuple),
    st.none() | st.builds(BacktestSpan, instants, instants, instants, instants),
)  # fmt: skip


def test_the_quality_of_rows() -> None:
    rows = ["12:00:00,a,x,1,1", "12:30:00,b,x,1,", "13:00:00,,x,1,1", "soon,c,x,1,1", "15:00:00,a,y,2,2"]
    body = "t,p,q,v,w\n" + "".join(f"2021-01-01 {row}\n" for row in rows)
    metrics, report = read_history(detector(MinimumGoodShare=0), FilesInMemory({"/h/a.csv": body.encode()}))
    quality = quality_of(report, metrics, NOON)
    # v has four combinations, w three; the row with an invalid time counts in its other columns.
    assert quality == DataQuality(
        NOON, 5, 2, 1, 7,
        (
            ColumnQuality("t", 4), ColumnQuality("p", 4, 2), ColumnQuality("q", 5, 2),
            ColumnQuality("v", 5), ColumnQuality("w", 4),
        ),
    )  # fmt: skip
    tested = backtest_quality_of(report, metrics, 3)
    hour = timedelta(hours=1)
    assert tested == replace(quality, span=BacktestSpan(NOON, NOON + 2 * hour, NOON + 3 * hour, NOON + 3 * hour))
    assert backtest_quality_of(report, metrics, 0) == backtest_quality_of(report, metrics, 9) == quality
    assert quality_of(report, None, NOON).series == 0


def test_the_sum_of_intervals() -> None:
    later = DataQuality(NOON + timedelta(hours=1), 5, 0, 3, 6, (ColumnQuality("t", 2), ColumnQuality("p", 5, 2)))
    assert summed([QUALITY, later]) == DataQuality(
        NOON, 15, 2, 4, 6, (ColumnQuality("t", 11), ColumnQuality("p", 13, 3), ColumnQuality("v", 10))
    )


def test_the_record_of_a_backtest_is_replaced() -> None:
    store = memory_store()
    assert read_backtest_quality(store, "shop") is None
    write_backtest_quality(store, "shop", replace(QUALITY, rows=1))
    write_backtest_quality(store, "shop", QUALITY)
    assert read_backtest_quality(store, "shop") == QUALITY
    assert [entry.key for entry in store.list("")] == ["detection/detector=shop/backtest/data-quality.json"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"start": 1}', b"\xff", b"[" * 100_000])
def test_an_invalid_record_is_named(body: bytes) -> None:
    store = memory_store()
    store.put(backtest_quality_key("shop"), body)
    with pytest.raises(RecordError, match=r"detector=shop/backtest/data-quality\.json: "):
        read_backtest_quality(store, "shop")


@given(qualities)
def test_every_quality_is_read_back(quality: DataQuality) -> None:
    assert DataQuality.from_fields(json.loads(json.dumps(quality.to_fields()))) == quality


@given(st.none() | qualities)
def test_an_execution_keeps_its_quality(quality: DataQuality | None) -> None:
    execution = Execution(ARN, NOON, "SUCCEEDED", quality=quality)
    assert from_json(to_json(execution)) == execution


def test_executions_of_earlier_versions_are_read() -> None:
    fields = Execution(ARN, NOON, "SUCCEEDED", rows=7).to_fields()
    assert "quality" not in fields
    assert Execution.from_fields(fields) == Execution(ARN, NOON, "SUCCEEDED", rows=7)
