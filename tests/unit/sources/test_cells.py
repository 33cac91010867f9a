"""Cells and columns of source data as publishers of tables write them: numbers, timestamps, names, and whole files."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomalake.alerts.bounds import MAX_METRIC_VALUE, MAX_VALUE
from anomalake.alerts.documents import AlertDocument, Refusal
from anomalake.alerts.reading import read_alert
from anomalake.model.metrics import Metrics
from anomalake.sources import csv_rows
from anomalake.sources.numbers import Numbers
from anomalake.sources.reading import InsufficientDataError, NoDataError, ReadReport, read_history, read_interval
from tests.support.source_data import FilesInMemory, detector

HOUR = "2021-01-01T12:00"
STAMP = "2021-01-01 12:00:00"
NUMBER = "expected a number below 1e18 in size"
SEPARATOR = "; if '{}' is a separator, DecimalSeparator or ThousandsSeparator names it"
NO_VALUE = "; NullValues lists texts that mean no value"


def read_files(files: dict[str, str | bytes], **changes: Any) -> tuple[Metrics, ReadReport]:
    """Historical files with the measure v, in which any number of rows may be bad."""
    bodies = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    options = {
        "MinimumGoodShare": 0.0,
        "MetricList": [{"MetricName": "v", "AggregationFunction": "SUM"}],
        "DimensionList": [],
        **changes,
    }
    return read_history(detector(**options), FilesInMemory(bodies))


def read(body: str | bytes, csv: dict[str, Any] | None = None, **changes: Any) -> tuple[Metrics, ReadReport]:
    """`read_files` of one CSV file, or of another format."""
    changes.setdefault("FileFormatDescriptor", {"CsvFormatDescriptor": csv or {}})
    return read_files({"/h/a": body}, **changes)


def problems(body: str | bytes, csv: dict[str, Any] | None = None, **changes: Any) -> tuple[str, ...]:
    """Problems of a file of which no row is read."""
    with pytest.raises((NoDataError, InsufficientDataError)) as caught:
        read(body, csv, **changes)
    return caught.value.report.problems


def column(format_: str) -> dict[str, Any]:
    return {"ColumnName": "t", "ColumnFormat": format_}


def observed(metrics: Metrics) -> dict[str, float]:
    """What was observed, by UTC."""
    return {
        str(start)[:16]: value
        for start, value in zip(metrics.starts, metrics.values[0, 0], strict=True)
        if not np.isnan(value)
    }


# Numbers


@pytest.mark.parametrize(
    ("settings", "cell", "value"),
    [
        ({"DecimalSeparator": ","}, "6,897", 6.897),
        ({"DecimalSeparator": ",", "ThousandsSeparator": "."}, "1.234.567,5", 1234567.5),
        ({"DecimalSeparator": ",", "ThousandsSeparator": "."}, "-,5", -0.5),
        ({"ThousandsSeparator": ","}, "6,897", 6897.0),
        ({"ThousandsSeparator": ","}, "1,23,456.5", 123456.5),
        ({"ThousandsSeparator": ","}, "6897", 6897.0),
        ({"ThousandsSeparator": "'"}, "12'345.5", 12345.5),
        ({"ThousandsSeparator": " ", "DecimalSeparator": ","}, "12 345,5", 12345.5),
        ({"ThousandsSeparator": " ", "DecimalSeparator": ","}, "12\u202f345,5", 12345.5),
        ({"ThousandsSeparator": "SPACE"}, "12\u00a0345", 12345.0),
        ({}, "$15.20", 15.2),
        ({}, "-$15.20", -15.2),
        ({}, "€ -15.20", -15.2),
        ({}, "15.20 €", 15.2),
        ({}, "\u22127", -7.0),
        ({}, "12 %", 12.0),
        ({}, "%12", 12.0),
        ({}, "+1e3%", 1000.0),
        ({"ThousandsSeparator": ","}, "$1,234.50", 1234.5),
    ],
)
def test_numbers_as_they_are_written(settings: dict[str, str], cell: str, value: float) -> None:
    metrics, report = read(f't;v\n{STAMP};"{cell}"\n', {"Delimiter": ";", **settings})
    assert (observed(metrics), report.problems) == ({HOUR: value}, ())


@pytest.mark.parametrize(
    ("settings", "cell", "hint"),
    [
        ({}, "6,897", SEPARATOR.format(",")),
        ({}, "1 234", ""),
        ({}, "12'345", '; if "\'" is a separator, DecimalSeparator or ThousandsSeparator names it'),
        ({}, "$12%", ""),
        ({}, "--5", ""),
        ({}, "12 USD", ""),
        ({}, "(12)", ""),
        ({}, "1.2.3", ""),
        ({}, "TBD", NO_VALUE),
        ({}, "null", NO_VALUE),
        (
            {"DecimalSeparator": ","},
            "6.897",
            SEPARATOR.format("."),
        ),
        ({"ThousandsSeparator": ","}, "1,2345", ""),
        ({"ThousandsSeparator": ","}, "12,34", ""),
        ({"ThousandsSeparator": ","}, "1,23.5", ""),
        ({"ThousandsSeparator": ","}, ",234", ""),
        ({"NullValues": ["TBD"]}, "?", NO_VALUE),
    ],
)
def test_what_is_no_number_is_told(settings: dict[str, Any], cell: str, hint: str) -> None:
    told = problems(f"t;v\n{STAMP};{cell}\n", {"Delimiter": ";", **settings})
    assert told == (f"/h/a: line 2: column 'v' {cell!r}: {NUMBER}{hint}",)


@pytest.mark.parametrize(
    "settings",
    [{}, {"DecimalSeparator": ","}, {"ThousandsSeparator": ","}, {"NullValues": ["-200", "?"]}],
    ids=["plain", "comma", "thousands", "numbers"],
)
def test_a_column_and_its_cells_are_read_alike(settings: dict[str, Any]) -> None:
    """Arrow converts whole columns, and Python the cells of columns with something else in them."""
    given = [
        "1",
        "-2.5",
        "1,5",
        "1,234",
        "1,234.5",
        "",
        " 7 ",
        "?",
        "-200",
        "-200.0",
        "$3",
        "x",
        "1e3",
        "nan",
        ".5",
        "5.",
    ]
    numbers = Numbers(detector(FileFormatDescriptor={"CsvFormatDescriptor": settings}).metric_set)
    together, bad = numbers.read(pa.array(given))
    for cell, value, is_bad in zip(given, together, bad, strict=True):
        alone, alone_bad = numbers.read(pa.array([cell]))
        assert (alone_bad[0], numbers.fault("v", cell) is not None) == (is_bad, is_bad), cell
        assert alone[0] == pytest.approx(value, nan_ok=True), cell


def test_texts_for_no_value() -> None:
    rows = [
        f"2021-01-01 {hour:02d}:00:00,{cell}\n" for hour, cell in enumerate([".", "?", " - ", "N/A", "NA", "", "5"])
    ]
    metrics, report = read("t,v\n" + "".join(rows))
    assert observed(metrics) == {"2021-01-01T06:00": 5.0}
    assert (report.used, report.bad, report.missing) == (7, 0, 6)
    assert report.problems == (
        "6 cells of measures are empty or mean no value; those measures are left out of their rows",
    )
    metrics, report = read("t,v\n" + "".join(rows), {"NullValues": [".", "?", "-", "5"]})
    assert (report.used, report.bad, report.missing) == (5, 2, 5)


def test_a_text_for_no_value_is_a_value_of_a_dimension() -> None:
    metrics, _ = read(f"t,p,v\n{STAMP},NA,1\n{STAMP},-,2\n", DimensionList=["p"])
    assert metrics.combinations == (("-",), ("NA",))


def test_two_currencies_in_a_column_are_told() -> None:
    metrics, report = read(f"t,v\n{STAMP},$1\n{STAMP},€2\n")
    assert observed(metrics) == {HOUR: 3.0}
    assert report.problems == (
        "column 'v' has numbers with the signs '$', '€'; they are added up as if they had one unit",
    )


# Bounds of alerts


def alert(**changes: Any) -> AlertDocument:
    series = {"dimensions": [{"dimensionName": "p", "dimensionValue": "a"}], "metricValue": 1}
    if "dimensionValue" in changes:
        series["dimensions"] = [{"dimensionName": "p", "dimensionValue": changes["dimensionValue"]}]
    if "metricValue" in changes:
        series["metricValue"] = changes["metricValue"]
    body = {
        "alertEventId": "e",
        "anomalyDetectorArn": "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop",
        "anomalyScore": 90,
        "timestamp": "2021-01-01T12:00Z[UTC]",
        "impactedMetric": {"metricName": "v", "relevantTimeSeries": [series]},
    }
    return AlertDocument(json.dumps(body), "alert")


@pytest.mark.parametrize("length", [MAX_VALUE, MAX_VALUE + 1])
def test_a_dimension_value_is_read_if_an_alert_can_have_it(length: int) -> None:
    value = "🎉" * length
    metrics, report = read(f"t,p,v\n{STAMP},{value},1\n{STAMP},a,1\n", DimensionList=["p"])
    if length > MAX_VALUE:
        assert report.problems == (
            f"/h/a: line 2: column 'p' '{'🎉' * 80}…': expected text in the charset, up to {MAX_VALUE} characters",
        )
        with pytest.raises(Refusal):
            read_alert(alert(dimensionValue=value))
    else:
        assert metrics.combinations == (("a",), (value,))
        assert read_alert(alert(dimensionValue=value)).time_series[0].dimensions == (("p", value),)


@pytest.mark.parametrize("cell", ["999999999999999872", "1e18", "-1e18", "1000000000000000000.0", "9.9e17"])
def test_a_number_is_read_if_an_alert_can_have_it(cell: str) -> None:
    is_good = abs(float(cell)) < MAX_METRIC_VALUE
    body = f"t,v\n{STAMP},{cell}\n2021-01-01 13:00:00,1\n"
    metrics, report = read(body)
    assert report.bad == int(not is_good)
    if is_good:
        assert read_alert(alert(metricValue=observed(metrics)[HOUR])).time_series[0].metric_value is not None
    else:
        assert report.problems == (f"/h/a: line 2: column 'v' '{cell}': {NUMBER}",)
        with pytest.raises(Refusal):
            read_alert(alert(metricValue=float(cell)))


def test_a_sum_that_no_alert_can_have_is_left_out_and_told() -> None:
    body = "".join(f"2021-01-01 {hour}:00:00,{p},6e17\n" for hour, p in [("12", "a"), ("12", "a"), ("13", "a")])
    metrics, report = read(f"t,p,v\n{body}", DimensionList=["p"])
    assert observed(metrics) == {"2021-01-01T13:00": 6e17}
    assert report.problems[-1] == (
        "1 values of 'v' are left out, for they are not below 1e18 in size; first: 1.2e+18 in the interval from "
        "2021-01-01T12:00:00Z, p 'a'"
    )


# Timestamps


@pytest.mark.parametrize(
    ("format_", "cells", "zone"),
    [
        ("epoch_seconds", ["1609502400", "1609506000.75"], "Europe/Paris"),
        ("epoch_seconds", ["1.6095024e9", " 1609506000 "], "UTC"),
        ("epoch_milliseconds", ["1609502400000", "1609506000999"], "Europe/Paris"),
        ("excel_serial", ["44197.541666666664", "44197.58333"], "Europe/Paris"),
        ("excel_serial", ["44197.5", "44197.541666667"], "UTC"),
    ],
)
def test_timestamps_that_are_numbers(format_: str, cells: list[str], zone: str) -> None:
    csv_body = f"t,v\n{cells[0]},1\n{cells[1]},2\n"
    json_body = "".join(json.dumps({"t": float(cell), "v": 1 + row}) + "\n" for row, cell in enumerate(cells))
    parquet = {"t": pa.array([float(cell) for cell in cells]), "v": [1, 2]}
    for body, descriptor in (
        (csv_body, {"CsvFormatDescriptor": {}}),
        (json_body, {"JsonFormatDescriptor": {}}),
        (parquet_file(parquet), {"ParquetFormatDescriptor": {}}),
    ):
        metrics, report = read(body, FileFormatDescriptor=descriptor, TimestampColumn=column(format_), Timezone=zone)
        assert observed(metrics) == {HOUR: 1.0, "2021-01-01T13:00": 2.0}
        assert report.problems == ()


def parquet_file(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.mark.parametrize("type_", [pa.int64(), pa.int32(), pa.uint32()])
def test_whole_numbers_in_parquet(type_: pa.DataType) -> None:
    parquet = {"ParquetFormatDescriptor": {}}
    body = parquet_file({"t": pa.array([1609502400, 1609506000, None], type_), "v": [1, 2, 3]})
    metrics, report = read(body, FileFormatDescriptor=parquet, TimestampColumn=column("epoch_seconds"))
    assert observed(metrics) == {HOUR: 1.0, "2021-01-01T13:00": 2.0}
    assert report.bad == 1
    body = parquet_file({"t": pa.array([20210101, 20210102], type_), "v": [1, 2]})
    metrics, _ = read(body, FileFormatDescriptor=parquet, TimestampColumn=column("yyyyMMdd"), frequency="P1D")
    assert observed(metrics) == {"2021-01-01T00:00": 1.0, "2021-01-02T00:00": 2.0}
    assert problems(body, FileFormatDescriptor=parquet, TimestampColumn=column("yyyy-MM-dd HH:mm:ss")) == (
        f"/h/a: column 't' has the type {type_}; expected a timestamp, a date or text, or ColumnFormat epoch_seconds, "
        "epoch_milliseconds, excel_serial for numbers; 1 rows lost",
    )


@pytest.mark.parametrize(
    ("format_", "cell"),
    [
        ("epoch_seconds", "1609502400000"),
        ("epoch_seconds", "nan"),
        ("epoch_seconds", "1e999999999"),
        ("epoch_seconds", "-1"),
        ("epoch_seconds", STAMP),
        ("epoch_milliseconds", "1609502400"[:-1] + "x"),
        ("excel_serial", "44197,5"),
        ("excel_serial", "12.5"),
    ],
)
def test_timestamps_that_are_other_numbers(format_: str, cell: str) -> None:
    told = problems(f"t;v\n{cell};1\n", {"Delimiter": ";"}, TimestampColumn=column(format_))
    assert told == (
        f"/h/a: line 2: Timestamp Column 't' '{cell}' does not match provided timestamp format '{format_}'",
    )


@pytest.mark.parametrize(
    ("descriptor", "body"),
    [
        ({"CsvFormatDescriptor": {}}, "Hour,v,Date\n12,1,01/02/2021\n1,2,02/02/2021\n"),
        ({"JsonFormatDescriptor": {}},
         '{"Date": "01/02/2021", "Hour": 12, "v": 1}\n{"Hour": "1", "Date": "02/02/2021", "v": 2}\n'),
        ({"ParquetFormatDescriptor": {}},
         parquet_file({"Date": ["01/02/2021", "02/02/2021"], "Hour": pa.array([12, 1], pa.int8()), "v": [1, 2]})),
    ],
    ids=["csv", "json", "parquet"],
)  # fmt: skip
def test_date_and_hour_in_two_columns(descriptor: dict[str, Any], body: str | bytes) -> None:
    stamps = {"ColumnNames": ["Date", "Hour"], "ColumnFormat": "dd/MM/yyyy H"}
    metrics, report = read(body, FileFormatDescriptor=descriptor, TimestampColumn=stamps)
    assert observed(metrics) == {"2021-02-01T12:00": 1.0, "2021-02-02T01:00": 2.0}
    assert report.problems == ()


def test_a_date_column_and_an_hour_in_parquet() -> None:
    body = parquet_file({"d": [date(2021, 2, 1)], "h": [12], "v": [1]})
    stamps = {"ColumnNames": ["d", "h"], "ColumnFormat": "yyyy-MM-dd H"}
    metrics, _ = read(body, FileFormatDescriptor={"ParquetFormatDescriptor": {}}, TimestampColumn=stamps)
    assert observed(metrics) == {"2021-02-01T12:00": 1.0}


def test_bad_cells_of_a_joined_timestamp_are_told() -> None:
    stamps = {"ColumnNames": ["Date", "Hour"], "ColumnFormat": "dd/MM/yyyy H"}
    told = problems("Date,Hour,v\n01/02/2021,noon,1\n", TimestampColumn=stamps)
    assert told == (
        "/h/a: line 2: Timestamp Column 'Date Hour' '01/02/2021 noon' does not match provided timestamp format "
        "'dd/MM/yyyy H'",
    )


@pytest.mark.parametrize(
    ("format_", "cell", "is_midnight"),
    [
        ("yyyy-MM-dd HH:mm:ss", "2021-01-02", True),
        ("yyyy-MM-dd'T'HH:mm:ss", "2021-01-02", True),
        ("d/M/yyyy h:mm a", "2/1/2021", True),
        ("yyyyMMddHH", "20210102", True),
        ("yyyy-MM-dd HH:mm:ss", "2021-01-02 ", False),
        ("yyyy-MM-dd HH:mm:ss", "2021-01", False),
        ("yyyy-MM-dd HH:mm:ss", "2021-02-30", False),
        ("yyyy-MM-dd HH:mm:ssXXX", "2021-01-02", False),
        ("MM-dd HH:mm yyyy", "01-02", False),
        ("HH:mm dd/MM/yyyy", "02/01/2021", False),
    ],
)
def test_a_date_without_a_time_is_midnight(format_: str, cell: str, is_midnight: bool) -> None:
    """pandas writes midnight so; the date must be whole, and the zone known."""
    body = f"t,v\n{cell},1\n"
    if is_midnight:
        metrics, report = read(body, TimestampColumn=column(format_), Timezone="Asia/Tokyo")
        assert (observed(metrics), report.bad) == ({"2021-01-01T15:00": 1.0}, 0)
    else:
        (told,) = problems(body, TimestampColumn=column(format_))
        assert told.endswith(f"'{cell}' does not match provided timestamp format {format_!r}")


# Names of columns


@pytest.mark.parametrize("header", ["T,V", " t, v", "\ufeff\ufefft ,v", '"t"," V"', "T,v,note"])
def test_names_that_differ_by_blanks_and_case(header: str) -> None:
    metrics, report = read(f"{header}\n{STAMP},1{',x' if 'note' in header else ''}\n")
    assert (observed(metrics), report.bad) == ({HOUR: 1.0}, 0)


def test_a_column_belongs_to_the_name_that_it_matches_best() -> None:
    body = f"t,Region,region,REGION,v\n{STAMP},a,b,c,1\n"
    metrics, _ = read(body, DimensionList=["region"])
    assert metrics.combinations == (("b",),)
    assert problems(body, DimensionList=["rEGION"]) == (
        "/h/a: line 1: more than one column 'rEGION'; it has 't', 'Region', 'region', 'REGION', 'v'; 2 rows lost",
    )
    assert problems(f"t,Region,v\n{STAMP},a,1\n", DimensionList=["Region", "region"]) == (
        "/h/a: line 1: no column 'region'; it has 't', 'Region', 'v'; 2 rows lost",
    )


def test_names_in_json_lines_and_parquet() -> None:
    lines = [{"T": STAMP, "Kind": "a", "v ": 1}, {"t": STAMP, "kind": "a", "v": 2}, {"t": STAMP, "KIND": "b"}]
    body = "\n".join(map(json.dumps, lines))
    metrics, report = read(body, FileFormatDescriptor={"JsonFormatDescriptor": {}}, DimensionList=["kind"])
    assert metrics.combinations == (("a",), ("b",))
    assert (metrics.values[0, 0].tolist(), report.missing) == ([3.0], 1)
    body_ = parquet_file({"T": [STAMP], " kind": ["a"], "V": [1]})
    metrics, _ = read(body_, FileFormatDescriptor={"ParquetFormatDescriptor": {}}, DimensionList=["kind"])
    assert (metrics.combinations, observed(metrics)) == ((("a",),), {HOUR: 1.0})


def test_a_missing_column_is_told_with_what_is_there() -> None:
    assert problems(f"timestamp, kind,value\n{STAMP},a,1\n") == (
        "/h/a: line 1: no column 't'; it has 'timestamp', ' kind', 'value'; 2 rows lost",
    )


def test_a_byte_order_mark_in_any_charset() -> None:
    body = f'\ufeff"t",v\n{STAMP},1\n'
    for charset in ("UTF-8", "UTF-16-LE", "UTF-16-BE"):
        metrics, _ = read(body.encode(charset), {"Charset": charset})
        assert observed(metrics) == {HOUR: 1.0}


# Headers


@pytest.mark.parametrize("header", ["t,v", "T,V", "when,how much"])
@pytest.mark.parametrize("setting", [{}, {"ContainsHeader": False}])
def test_a_header_is_no_row(header: str, setting: dict[str, Any]) -> None:
    metrics, report = read(f"{header}\n{STAMP},1\n", {"HeaderList": ["t", "v"], **setting})
    assert (observed(metrics), report.rows, report.problems) == ({HOUR: 1.0}, 1, ())


@pytest.mark.parametrize("first", ["soon,1", "2021-01-01 11:00:00,x", "soon,", "soon,."])
def test_a_first_row_that_may_be_data_is_no_header(first: str) -> None:
    _, report = read(f"{first}\n{STAMP},1\n", {"HeaderList": ["t", "v"]})
    assert (report.rows, report.used, report.bad) == (2, 1, 1)
    assert report.problems[0].startswith("/h/a: line 1: ")


def test_lines_before_the_header() -> None:
    body = f"Category: All, of them\n\nt,v\n{STAMP},1\nx,2\n"
    for lines in (1, 2):
        metrics, report = read(body, {"SkipLines": lines})
        assert observed(metrics) == {HOUR: 1.0}
        assert [line.split(": ")[1] for line in report.problems] == ["line 5"]
    assert problems(body) == (
        "/h/a: line 1: no column 't'; it has 'Category: All', ' of them'; line 3 has them: SkipLines 2 skips the lines "
        "before it; 5 rows lost",
    )
    packed = gzip.compress(f"\n\nnote\nt,v\n{STAMP},1\n".encode("utf-16"))
    metrics, _ = read(packed, {"SkipLines": 3, "Charset": "UTF-16"})
    assert observed(metrics) == {HOUR: 1.0}


# Rows with another number of columns


def test_rows_that_lack_empty_last_columns() -> None:
    """As spreadsheets and some programs write them; `note` is not read."""
    rows = [f"{STAMP},a,1,,", f"{STAMP},a,2,3", f"{STAMP},a,4", f"{STAMP},a,5,,,,", f"{STAMP},a", f"{STAMP},a,1,2,x,y"]
    body = "t,p,v,w,note\n" + "".join(f"{row}\n" for row in rows)
    measures = [{"MetricName": name, "AggregationFunction": "SUM"} for name in ("v", "w")]
    metrics, report = read(body, DimensionList=["p"], MetricList=measures)
    assert metrics.values.tolist() == [[[12.0]], [[3.0]]]
    assert (report.used, report.bad, report.missing) == (4, 2, 3)
    assert list(report.problems[:2]) == [
        f"/h/a: line 6: 2 columns, '{STAMP},a': expected 5",
        f"/h/a: line 7: 6 columns, '{STAMP},a,1,2,x,y': expected 5",
    ]


@pytest.mark.parametrize("short", [1, 2, 50])
def test_a_large_file_whose_rows_lack_a_column(short: int) -> None:
    """The usual rows are read fast, whichever these are."""
    rows = [f"2021-01-01 {n % 24:02d}:00:00,{n},{'x' * 10}{'' if n % short == 0 else ','}\n" for n in range(20_000)]
    metrics, report = read("t,v,other,note\n" + "".join(rows) + f"{STAMP},one,x\n{STAMP},1,x,y,z\n")
    assert (report.used, report.bad) == (20_000, 2)
    assert np.nansum(metrics.values) == sum(range(20_000))
    assert [line.partition(": line ")[2][:5] for line in report.problems] == ["20002", "20003"]


def test_too_many_rows_that_lack_columns_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "_BLOCK_ROWS", 2)
    monkeypatch.setattr(csv_rows, "_MOST_BLOCKS", 2)
    _, report = read("t,v,note\n" + f"{STAMP},1\n" * 10)
    assert (report.used, report.bad) == (4, 6)
    assert report.problems[0] == "/h/a: more than 4 rows after each other have another number of columns"


def test_invalid_cells_of_rows_that_lack_columns_are_told() -> None:
    _, report = read(f't,v,note\n{STAMP},1\n{STAMP},"x,y"\n{STAMP},1,\n')
    assert (report.used, report.bad) == (2, 1)
    assert report.problems[0] == f"/h/a: line 3: column 'v' 'x,y': {NUMBER}{NO_VALUE}"


def test_what_is_cut_off_at_the_end_is_no_row() -> None:
    """The last line lacks its end, so its last cell may be cut off too."""
    _, report = read(f"t,v,note\n{STAMP},1\n{STAMP},10")
    assert (report.used, report.bad) == (1, 1)
    assert report.problems[0] == f"/h/a: line 3: 2 columns, '{STAMP},10': expected 3"


# Whole files


@pytest.mark.parametrize(
    "empty", [b"", b"\n", b"\r\n\n", gzip.compress(b"", mtime=0), b"\xef\xbb\xbf", b"t,v\n", b"t,v"]
)
def test_empty_part_files_are_no_bad_rows(empty: bytes) -> None:
    body = f"t,v\n{STAMP},1\n{STAMP},2\n{STAMP},3\n"
    files = FilesInMemory(
        {"/l/20210101/1200/p0": body.encode(), **{f"/l/20210101/1200/p{n}": empty for n in (1, 2, 3)}}
    )
    measures = [{"MetricName": "v", "AggregationFunction": "SUM"}]
    found = detector(MetricList=measures, DimensionList=[])
    metrics, report = read_interval(found, files, datetime(2021, 1, 1, 12, tzinfo=UTC))
    assert observed(metrics) == {HOUR: 6.0}
    assert (report.files, report.rows, report.bad, report.problems) == (4, 3, 0, ())


@pytest.mark.parametrize("kind", ["JsonFormatDescriptor", "ParquetFormatDescriptor"])
def test_empty_files_of_other_formats(kind: str) -> None:
    assert problems(b"", FileFormatDescriptor={kind: {}}) == ()


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml"),
         "is an Excel workbook (.xlsx); expected text: export the sheet as CSV (UTF-8)"),
        (zipped("data.csv"), "is a ZIP archive; expected the file in it, as it is or gzipped"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(500),
         "is an Excel workbook (.xls) or another old Office file; expected text: export the sheet as CSV (UTF-8)"),
        (parquet_file({"t": [STAMP], "v": [1]}), "is Parquet; expected ParquetFormatDescriptor for it"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is a PDF; expected text: export the table as CSV"),
        (b"<!DOCTYPE html>\n<html>Sign in</html>\n", "is HTML; expected the table as CSV"),
        (f"t,v\n{STAMP},1\n".encode("utf-16"), "is text in UTF-16; expected Charset UTF-16 for it"),
    ],
    ids=["xlsx", "zip", "xls", "parquet", "pdf", "html", "utf-16"],
)  # fmt: skip
@pytest.mark.parametrize("descriptor", ["CsvFormatDescriptor", "JsonFormatDescriptor"])
def test_files_that_are_no_text(body: bytes, told: str, descriptor: str) -> None:
    expected = (f"/h/a: {told}; 1 rows lost",)
    assert problems(body, FileFormatDescriptor={descriptor: {}}) == expected
    assert problems(gzip.compress(body), FileFormatDescriptor={descriptor: {}}) == expected


@pytest.mark.parametrize("name", ["PAR1", "ORC", "BZh", "Rar!"])
def test_a_name_that_looks_like_a_signature_is_text(name: str) -> None:
    metrics, _ = read(f"{name},t,v\nx,{STAMP},1\n")
    assert observed(metrics) == {HOUR: 1.0}


# Repeated rows


def test_repeated_rows_that_differ_in_a_column_that_is_not_read() -> None:
    """A row for each kind of weather, as in a table of traffic: SUM counts an hour twice."""
    given = [(hour, weather) for hour in range(10) for weather in ("Rain", "Mist")[: hour % 3]]
    body = "weather,t,v\n" + "".join(f"{weather},2021-01-01 {hour:02d}:00:00,{hour}\n" for hour, weather in given)
    metrics, report = read(body)
    assert observed(metrics)["2021-01-01T02:00"] == 4.0
    assert report.duplicates == 3
    assert report.problems == (
        "3 rows have the same timestamp, dimension values and measures as another row (in 3 intervals), and SUM adds "
        "each of them; first: /h/a: line 4 repeats line 3, but has 'Mist' instead of 'Rain' in the column 'weather', "
        "which the detector does not read; if they are one record, remove the repeats or use AVG, else name a column "
        "that tells them apart in DimensionList",
    )


def test_repeated_rows_of_other_formats_and_files() -> None:
    row = json.dumps({"t": STAMP, "v": 1})
    _, report = read_files(
        {"/h/a": row, "/h/b": row + "\n"},
        FileFormatDescriptor={"JsonFormatDescriptor": {}},
        MetricList=[{"MetricName": "v", "AggregationFunction": "AVG"}],
    )
    assert "intervals), and AVG counts each of them; first: /h/b: line 1 repeats /h/a: line 1;" in report.problems[0]
    assert "use AVG" not in report.problems[0]
    body = parquet_file({"t": [STAMP, STAMP, "2021-01-01 13:00:00"], "v": [1, 1, 1]})
    _, report = read(body, FileFormatDescriptor={"ParquetFormatDescriptor": {}})
    assert "; first: /h/a: line 2 repeats line 1;" in report.problems[0]


def test_only_rows_that_count_are_repeats() -> None:
    """Neither rows of another interval, nor bad or filtered ones, nor ones without a value."""
    rows = ["11:00:00,a,1", "12:00:00,a,x", "12:00:00,b,1", "12:00:00,a,", "12:10:00,a,1", "12:20:00,a,1"]
    body = "t,p,v\n" + "".join(f"2021-01-01 {row}\n" * 2 for row in rows[:-1]) + f"2021-01-01 {rows[-1]}\n"
    changes: dict[str, Any] = {
        "MetricList": [{"MetricName": "v", "AggregationFunction": "SUM"}],
        "DimensionList": ["p"],
        "DimensionFilterList": [{"Name": "p", "FilterList": [{"DimensionValue": "a"}]}],
        "MinimumGoodShare": 0.0,
    }
    files = FilesInMemory({"/l/20210101/1200/a": body.encode()})
    _, report = read_interval(detector(**changes), files, datetime(2021, 1, 1, 12, tzinfo=UTC))
    assert report.duplicates == 1
    assert "; first: /l/20210101/1200/a: line 11 repeats line 10 in all columns;" in " ".join(report.problems)
