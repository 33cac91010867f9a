"""The hour that a zone has twice in autumn: no false group, and no hour lost where timestamps tell the two apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomalake.definitions.intervals import interval_start, interval_starts
from anomalake.detection.backtest import run_backtest
from anomalake.frequencies import FREQUENCIES
from anomalake.model.metrics import Metrics
from anomalake.records.backtests import Backtest
from anomalake.sources.reading import NoDataError, ReadReport, read_history, read_interval
from tests.support.source_data import FilesInMemory, detector

PARIS = ZoneInfo("Europe/Paris")
#: In Paris, 31 October 2021 had 02:00 to 03:00 twice: from midnight to one in UTC, and from one to two.
FIRST, SECOND, THIRD = (datetime(2021, 10, 31, hour, tzinfo=UTC) for hour in range(3))
OFFSETS = {"ColumnName": "t", "ColumnFormat": "yyyy-MM-dd'T'HH:mm:ssXXX"}
ONE_MEASURE = {"MetricList": [{"MetricName": "v", "AggregationFunction": "SUM"}], "DimensionList": []}


def stamp(instant: datetime, *, offset: bool) -> str:
    local = instant.astimezone(PARIS).replace(microsecond=0)
    return local.isoformat() if offset else f"{local:%Y-%m-%d %H:%M:%S}"


def backtest_of(
    frequency: str, n_intervals: int, *, offset: bool = False, extra: dict[datetime, float] | None = None
) -> Backtest:
    """Backtest of a made series around 31 October 2021, one row an interval, read from its CSV file."""
    step = timedelta(seconds=FREQUENCIES[frequency].seconds)
    first = FIRST - step * (n_intervals * 17 // 20)
    starts = interval_starts(frequency, "Europe/Paris", first, first + 2 * n_intervals * step)[:n_intervals]
    noise = np.random.default_rng(1).normal(0, 3, n_intervals)
    lines = ["t,v"]
    for start, error in zip((item.replace(tzinfo=UTC) for item in starts.tolist()), noise.tolist(), strict=True):
        value = 100 + error + (extra or {}).get(start, 0.0)
        lines.append(f"{stamp(start, offset=offset)},{value}")
    metrics, report = read("\n".join(lines), frequency=frequency, **({"TimestampColumn": OFFSETS} if offset else {}))
    assert report.bad == 0
    return run_backtest(metrics, "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop")


def read(body: str, **changes: Any) -> tuple[Metrics, ReadReport]:
    given = {**ONE_MEASURE, "Timezone": "Europe/Paris", **changes}
    return read_history(detector(**given), FilesInMemory({"/h/a": body.encode()}))


@pytest.mark.parametrize(
    ("frequency", "n_intervals", "lost"), [("PT1H", 600, 2), ("PT30M", 700, 4), ("PT5M", 1_200, 24)]
)
def test_sums_have_no_false_group_in_autumn(frequency: str, n_intervals: int, lost: int) -> None:
    backtest = backtest_of(frequency, n_intervals)
    assert backtest.groups == ()
    values = backtest.metrics.values[0, 0]
    unknown = backtest.metrics.starts[np.isnan(values)]
    assert len(unknown) == lost
    assert unknown[0].item().replace(tzinfo=UTC) == FIRST
    assert THIRD - unknown[-1].item().replace(tzinfo=UTC) == timedelta(seconds=FREQUENCIES[frequency].seconds)


@pytest.mark.parametrize("hour", [FIRST, SECOND])
def test_an_anomaly_in_that_hour_is_found_where_timestamps_have_offsets(hour: datetime) -> None:
    backtest = backtest_of("PT1H", 600, offset=True, extra={hour: 80.0})
    (group,) = backtest.groups
    assert [interval.timestamp for interval in group.intervals] == [hour]
    assert not np.isnan(backtest.metrics.values).any()


def test_days_and_weeks_keep_their_sums() -> None:
    rows = [f"{stamp(FIRST - timedelta(hours=hours), offset=False)},1" for hours in range(-30, 200)]
    body = "\n".join(["t,v", *rows])
    for frequency, day, hours in (("P1D", FIRST, 25), ("P7D", FIRST, 169)):
        metrics, report = read(body, frequency=frequency)
        start = interval_start(day, frequency, "Europe/Paris").replace(tzinfo=None)
        assert metrics.values[0, 0, metrics.starts == np.datetime64(start)] == [hours]
        assert report.problems[-1:] == () or "no sums" not in report.problems[-1]


def test_a_mean_is_that_of_all_rows_of_both_hours() -> None:
    body = "t,v\n2021-10-31 01:00:00,1\n2021-10-31 02:00:00,2\n2021-10-31 02:00:00,4\n2021-10-31 03:00:00,5\n"
    metrics, report = read(body, MetricList=[{"MetricName": "v", "AggregationFunction": "AVG"}])
    np.testing.assert_array_equal(metrics.values, [[[1, 3, np.nan, 5]]])
    assert not any("no sums" in problem for problem in report.problems)


def test_half_an_hour_that_occurs_twice() -> None:
    """On Lord Howe Island clocks go back by half an hour: the hours with its two instants have no sum."""
    local = [datetime(2021, 4, 4, 0, 30) + timedelta(minutes=30 * number) for number in range(5)]
    rows = [f"{time:%Y-%m-%d %H:%M:%S},1" for time in [*local[:3], local[2], *local[3:]]]
    hours, _ = read("\n".join(["t,v", *rows]), Timezone="Australia/Lord_Howe")
    np.testing.assert_array_equal(hours.values, [[[1, np.nan, np.nan, 1]]])
    days, _ = read("\n".join(["t,v", *rows]), Timezone="Australia/Lord_Howe", frequency="P1D")
    assert days.values.tolist() == [[[6]]]


def test_typed_timestamps_without_a_zone_are_wall_clocks_too() -> None:
    for zone, lost in ((None, 2), ("UTC", 0)):
        hours = [FIRST.replace(tzinfo=None) + timedelta(hours=number) for number in range(-3, 5)]
        written = [hour + timedelta(hours=2 if hour < SECOND.replace(tzinfo=None) else 1) for hour in hours]
        column = pa.array(written if zone is None else hours, pa.timestamp("s", zone))
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"t": column, "v": [1.0] * 8}), sink)
        given = {**ONE_MEASURE, "Timezone": "Europe/Paris", "FileFormatDescriptor": {"ParquetFormatDescriptor": {}}}
        metrics, _ = read_history(detector(**given), FilesInMemory({"/h/a": sink.getvalue().to_pybytes()}))
        assert np.isnan(metrics.values).sum() == lost


def test_a_run_of_either_hour_has_no_value_and_does_not_fail() -> None:
    """Both hours have the same live folder."""
    body = b"t,v\n2021-10-31 02:00:00,1\n2021-10-31 02:30:00,1\n"
    files = FilesInMemory({"/l/20211031/0200/a": body, "/l/20211031/0300/a": b"t,v\n2021-10-31 03:00:00,3\n"})
    given = detector(**ONE_MEASURE, Timezone="Europe/Paris")
    for hour in (FIRST, SECOND):
        metrics, report = read_interval(given, files, hour)
        assert metrics.starts.tolist() == [hour.replace(tzinfo=None)]
        assert np.isnan(metrics.values).all()
        assert any("no sums" in problem for problem in report.problems)
    assert read_interval(given, files, THIRD)[0].values.tolist() == [[[3.0]]]
    # Without live folders, the other intervals of a history have no such line.
    history = FilesInMemory({"/h/a": body + b"2021-10-31 03:00:00,3\n"})
    given = replace(given, metric_set=replace(given.metric_set, templated_path_list=()))
    metrics, report = read_interval(given, history, THIRD)
    assert (metrics.values.tolist(), report.problems) == ([[[3.0]]], ())
    with pytest.raises(NoDataError):
        read_interval(given, files, THIRD + timedelta(hours=1))


def test_times_that_a_zone_skips_are_a_hint_that_the_zone_is_wrong() -> None:
    """Rows in UTC, read as times in Paris."""
    hours = [datetime(2021, 3, 27) + timedelta(hours=number) for number in range(48)]
    body = "\n".join(["t,v", *(f"{hour:%Y-%m-%d %H:%M:%S},1" for hour in hours)])
    _, report = read(body)
    assert report.bad == 1
    assert report.problems[0] == (
        "Timezone 'Europe/Paris': rows have times that its clocks skip (1, first 2021-03-28 02:00:00); expected the "
        "zone of the timestamps, such as UTC"
    )
    _, report = read(body, Timezone="UTC")
    assert (report.bad, report.problems) == (0, ())
