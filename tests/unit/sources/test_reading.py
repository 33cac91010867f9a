"""Source data as metrics: every format, and everything that can be wrong with rows."""

from __future__ import annotations

import gzip
import io
import json
import random
import tracemalloc
import zlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomalake.model.metrics import Metrics
from anomalake.sources.completeness import ColumnCompleteness
from anomalake.sources.reading import InsufficientDataError, NoDataError, ReadReport, read_history, read_interval
from anomalake.storage.store import StoreError
from tests.support.source_data import FilesInMemory, detector

HEADER = "t,p,q,v,w\n"
NOON = datetime(2021, 1, 1, 12, tzinfo=UTC)
JSON_LINES = {"JsonFormatDescriptor": {}}
PARQUET: dict[str, Any] = {"ParquetFormatDescriptor": {}}


def read(body: str | bytes, name: str = "/h/a", **changes: Any) -> tuple[Metrics, ReadReport]:
    """One historical file, in which half of the rows may be bad."""
    text = body.encode() if isinstance(body, str) else body
    return read_history(detector(**{"MinimumGoodShare": 0.0, **changes}), FilesInMemory({name: text}))


def csv(*rows: str) -> str:
    return HEADER + "".join(f"{row}\n" for row in rows)


def values(metrics: Metrics) -> dict[tuple[object, ...], object]:
    """What was observed, by measure, combination and UTC."""
    return {
        (measure, *combination, str(start)[:16]): metrics.values[m, k, t]
        for m, measure in enumerate(metrics.measures)
        for k, combination in enumerate(metrics.combinations)
        for t, start in enumerate(metrics.starts)
        if not np.isnan(metrics.values[m, k, t])
    }


def test_rows_are_aggregated_by_interval_and_combination() -> None:
    metrics, report = read(
        csv(
            "2021-01-01 12:00:00,a,x,1,10",
            "2021-01-01 12:59:59,a,x,2,20",
            "2021-01-01 12:30:00,a,x,3,",
            "2021-01-01 14:00:00,a,x,4.5,1e2",
            "2021-01-01 12:00:00,b,x,-7,.5",
        )
    )
    assert values(metrics) == {
        ("v", "a", "x", "2021-01-01T12:00"): 6.0,
        ("w", "a", "x", "2021-01-01T12:00"): 15.0,
        ("v", "a", "x", "2021-01-01T14:00"): 4.5,
        ("w", "a", "x", "2021-01-01T14:00"): 100.0,
        ("v", "b", "x", "2021-01-01T12:00"): -7.0,
        ("w", "b", "x", "2021-01-01T12:00"): 0.5,
    }
    assert metrics.starts.astype(str).tolist() == [f"2021-01-01T{hour}:00:00" for hour in (12, 13, 14)]
    assert metrics.combinations == (("a", "x"), ("b", "x"))
    assert (metrics.measures, metrics.dimension_names, metrics.frequency) == (("v", "w"), ("p", "q"), "PT1H")
    assert report == ReadReport(
        files=1, rows=5, used=5, missing=1, partial=1, columns=columns(t=5, p=5, q=5, v=5, w=4),
        problems=("1 cells of measures are empty or mean no value; those measures are left out of their rows",),
    )  # fmt: skip


@pytest.mark.parametrize("sample", ["csv", "json"])
def test_the_usable_values_of_each_column_are_counted(sample: str) -> None:
    rows = [
        "2021-01-01 12:00:00,a,x,1,10",
        "2021-01-01 12:00:00,,x,,10",  # lacks a dimension value and a measure
        "2021-01-01 12:00:00,a,x,NA,10",  # a text that means no value
        "soon,a,x,1,10",  # no time
        "2021-01-01 12:00:00,a,,one,",  # no number, no dimension value, no measure
        "2021-01-01 14:00:00,a,x,1,10",
    ]
    if sample == "csv":
        _, report = read(csv(*rows, "a,row,that,is,no,row"))
    else:
        cells = [dict(zip("tpqvw", row.split(","), strict=True)) for row in rows]
        lines = "\n".join(json.dumps({name: text or None for name, text in cell.items()}) for cell in cells)
        _, report = read(f"{lines}\n[1]\n", FileFormatDescriptor=JSON_LINES)
    assert (report.rows, report.used, report.bad, report.partial) == (7, 4, 3, 2)
    assert report.columns == columns(t=5, p=5, q=5, v=3, w=5)


def test_rows_outside_of_the_interval_do_not_count_for_the_columns() -> None:
    rows = ["2021-01-01 11:00:00,,x,1,1", "2021-01-01 12:00:00,a,x,1,", "2021-01-01 13:00:00,a,,1,1"]
    given = detector(MinimumGoodShare=0)
    _, report = read_interval(given, FilesInMemory({"/l/20210101/1200/a.csv": csv(*rows).encode()}), NOON)
    assert (report.used, report.outside, report.future, report.partial) == (1, 1, 1, 1)
    assert report.columns == columns(t=1, p=1, q=1, v=1, w=0)


def test_values_survive() -> None:
    texts = ["NA", "007", "", "null", "🎉 é", 'say "hi"', "two\nlines", "a,b", " space ", "1e5", "\\N", "x" * 1024]
    rows = ['2021-01-01 12:00:00,"' + text.replace('"', '""') + '",x,1,1' for text in texts]
    metrics, report = read(csv(*rows))
    assert report.bad == 0
    assert metrics.combinations == tuple(sorted((text, "x") for text in texts))


def columns(**usable: int) -> tuple[ColumnCompleteness, ...]:
    return tuple(ColumnCompleteness(name, number) for name, number in usable.items())


def test_no_dimensions() -> None:
    metrics, _ = read(csv("2021-01-01 12:00:00,a,x,1,1", "2021-01-01 12:00:00,b,x,2,1"), DimensionList=[])
    assert metrics.combinations == ((),)
    assert metrics.values.tolist() == [[[3.0]], [[1.0]]]


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"Delimiter": ";"}, b"t;p;q;v;w\n2021-01-01 12:00:00;a,b;x;1;2\n"),
        ({"Delimiter": "\t"}, b"t\tp\tq\tv\tw\r\n2021-01-01 12:00:00\ta,b\tx\t1\t2\r\n"),
        ({"Delimiter": " "}, b't p q v w\n"2021-01-01 12:00:00" a,b x 1 2'),
        ({"Delimiter": "|", "QuoteSymbol": "'"}, b"t|p|q|v|w\n2021-01-01 12:00:00|'a,b'|x|1|'2'\n"),
        ({"Delimiter": "|", "QuoteSymbol": ""}, b't|p|q|v|w\n2021-01-01 12:00:00|a,b|x|1|2\n'),
        ({"ContainsHeader": False, "HeaderList": ["note", "w", "v", "q", "p", "t"]},
         b'z,2,1,x,"a,b",2021-01-01 12:00:00\n'),
        ({"ContainsHeader": True, "HeaderList": ["t", "p", "q", "v", "w"]},
         b'1,2,3,4,5\n2021-01-01 12:00:00,"a,b",x,1,2\n'),
        ({"FileCompression": "GZIP"}, gzip.compress(b'w,v,q,p,t\n2,1,x,"a,b",2021-01-01 12:00:00')),
        ({"FileCompression": "GZIP"},
         gzip.compress(b't,p,q,v,w\n2021-01-01 12:00:') + gzip.compress(b'00,"a,b",x,1,2\n') + bytes(20)),
        ({}, b'\xef\xbb\xbft,p,q,v,w\n\n2021-01-01 12:00:00,"a,b",x,1,2\n\n'),
        ({"Charset": "UTF-16"}, 't,p,q,v,w\n2021-01-01 12:00:00,"a,b",x,1,2\n'.encode("utf-16")),
    ],
    ids=["semicolon", "tab", "space", "pipe", "unquoted", "headerless", "both", "gzip", "members", "bom", "utf-16"],
)  # fmt: skip
def test_csv_options(fields: dict[str, Any], body: bytes) -> None:
    metrics, report = read(body, FileFormatDescriptor={"CsvFormatDescriptor": fields})
    assert values(metrics) == {
        ("v", "a,b", "x", "2021-01-01T12:00"): 1.0,
        ("w", "a,b", "x", "2021-01-01T12:00"): 2.0,
    }
    assert (report.rows, report.bad, report.problems) == (1, 0, ())


@pytest.mark.parametrize(
    ("charset", "body"), [("UTF-16", b"t,p"), ("UTF-16-LE", b"\x00\xd8\x00\x00"), ("utf-7", b"+AA-\xff")]
)
def test_a_file_in_another_charset(charset: str, body: bytes) -> None:
    with pytest.raises(NoDataError) as caught:
        read(body, FileFormatDescriptor={"CsvFormatDescriptor": {"Charset": charset}})
    (problem,) = caught.value.report.problems
    assert problem.startswith(f"/h/a: is not text in {charset} (")
    assert "expected its own charset as Charset" in problem


@pytest.mark.parametrize("charset", ["ISO-8859-1", "windows-1252"])
def test_charsets(charset: str) -> None:
    body = csv("2021-01-01 12:00:00,été,ß,1,2").encode(charset)
    metrics, _ = read(body, FileFormatDescriptor={"CsvFormatDescriptor": {"Charset": charset}})
    assert metrics.combinations == (("été", "ß"),)
    wrong, report = read(body + b"2021-01-01 12:00:00,a,x,1,2\n")
    assert wrong.combinations == (("a", "x"),)
    assert report.problems == (
        "/h/a: line 2: column 'p' '\\\\xe9t\\\\xe9': expected text in the charset, up to 1024 characters",
    )


def test_json_lines() -> None:
    lines = [
        '{"t": "2021-01-01 12:00:00", "p": "a", "q": 1.10, "v": 1, "w": "2.5", "other": [1]}',
        "",
        '{"t": "2021-01-01 12:00:00", "q": true, "v": null, "p": null}',
        '{"t": "2021-01-01 12:00:00", "p": "007", "q": 7, "v": 1e2, "w": 3}',
    ]
    metrics, report = read("\n".join(lines), FileFormatDescriptor=JSON_LINES)
    assert metrics.combinations == ((None, "true"), ("007", "7"), ("a", "1.10"))
    assert values(metrics) == {
        ("v", "007", "7", "2021-01-01T12:00"): 100.0,
        ("w", "007", "7", "2021-01-01T12:00"): 3.0,
        ("v", "a", "1.10", "2021-01-01T12:00"): 1.0,
        ("w", "a", "1.10", "2021-01-01T12:00"): 2.5,
    }
    assert (report.used, report.bad, report.missing) == (3, 0, 2)


def test_bad_json_lines_are_told_with_their_lines() -> None:
    good = '{"t": "2021-01-01 12:00:00", "p": "a", "q": "x", "v": 1, "w": 2}'
    lines = [
        good,
        "[1]",
        good.replace("1,", "NaN,"),
        good.replace('"v": 1', '"v": true'),
        good.replace('"x"', '["x"]'),
        good.replace("2021-01-01", "2021-1-32"),
        good.replace('"a"', r'"\ud800"'),
        "[" * 100_000,
        good[:-20],
    ]
    _, report = read("\n".join(lines), FileFormatDescriptor=JSON_LINES)
    assert report.used == 1
    assert report.bad == 8
    problems = {line.partition(": line ")[2].partition(":")[0]: line for line in report.problems}
    assert sorted(problems) == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert problems["4"] == "/h/a: line 4: column 'v' 'true': expected a number below 1e18 in size"
    assert problems["6"].endswith("'2021-1-32 12:00:00' does not match provided timestamp format 'yyyy-MM-dd HH:mm:ss'")
    assert problems["9"].endswith("expected a JSON object a line")


def _parquet(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.mark.parametrize(
    "timestamps",
    [
        pa.array(["2021-01-01 13:00:00", "2021-01-01 13:30:00"]),
        pa.array([datetime(2021, 1, 1, 13), datetime(2021, 1, 1, 13, 30)], pa.timestamp("ns")),
        pa.array([datetime(2021, 1, 1, 12), datetime(2021, 1, 1, 12, 30)], pa.timestamp("us", "UTC")),
        pa.array(["2021-01-01 13:00:00", "2021-01-01 13:30:00"]).dictionary_encode(),
    ],
    ids=["text", "wall clock", "instant", "dictionary"],
)
def test_parquet(timestamps: pa.Array) -> None:
    body = _parquet(
        {
            "w": pa.array([None, 2], pa.int64()),
            "v": pa.array([1.5, 2.5]),
            "t": timestamps,
            "p": pa.array(["a", "a"]).dictionary_encode(),
            "q": pa.array([7, None], pa.int32()),
        }
    )
    metrics, report = read(body, FileFormatDescriptor=PARQUET, Timezone="Europe/Paris")
    assert values(metrics) == {
        ("v", "a", "7", "2021-01-01T12:00"): 1.5,
        ("v", "a", None, "2021-01-01T12:00"): 2.5,
        ("w", "a", None, "2021-01-01T12:00"): 2.0,
    }
    assert report.missing == 1


def test_parquet_dates_and_bad_rows() -> None:
    body = _parquet(
        {
            "t": pa.array([date(2021, 1, 1), date(2021, 1, 2), None, date(2021, 1, 3)]),
            "p": pa.array(["a"] * 4),
            "q": pa.array(["x"] * 4),
            "v": pa.array([1.0, float("nan"), 1.0, 2.0]),
            "w": pa.array([1, 1, 1, 1]),
        }
    )
    metrics, report = read(body, FileFormatDescriptor=PARQUET, frequency="P1D", Timezone="Europe/Paris")
    assert metrics.starts.astype(str).tolist() == [
        "2020-12-31T23:00:00", "2021-01-01T23:00:00", "2021-01-02T23:00:00"
    ]  # fmt: skip
    assert metrics.values[0].tolist() == [[1.0, pytest.approx(np.nan, nan_ok=True), 2.0]]
    assert report.problems == (
        "/h/a: line 2: column 'v' nan: expected a number below 1e18 in size",
        "/h/a: line 3: Timestamp Column 't' is empty",
    )


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"t": pa.array(["x"])}, "schema: no column 'p'; it has 't'"),
        ({"t": pa.array([1.5]), "p": ["a"], "q": ["x"], "v": [1], "w": [1]},
         "column 't' has the type double; expected a timestamp, a date or text"),
        ({"t": ["x"], "p": [["a"]], "q": ["x"], "v": [1], "w": [1]}, "column 'p' has the type list"),
        ({"t": ["x"], "p": ["a"], "q": ["x"], "v": [True], "w": [1]},
         "column 'v' has the type bool; expected a number"),
    ],
    ids=["missing", "timestamp", "dimension", "measure"],
)  # fmt: skip
def test_parquet_of_other_columns(columns: dict[str, Any], fault: str) -> None:
    with pytest.raises(NoDataError) as caught:
        read(_parquet(columns), FileFormatDescriptor=PARQUET)
    assert fault in caught.value.report.problems[0]


def test_no_parquet_at_all() -> None:
    with pytest.raises(NoDataError) as caught:
        read(b"t,p\n", FileFormatDescriptor=PARQUET)
    assert caught.value.report.problems[0].startswith("/h/a: cannot be read as Parquet: ")


def test_bad_rows_are_told_with_line_column_and_value() -> None:
    _, report = read(
        csv(
            '2021-01-01 12:00:00,"a\nb",x,1,2',
            "2021/01/01 12:00:00,a,x,1,2",
            "2021-01-01 12:00:00,a,x,one,2",
            "2021-01-01 12:00:00,a,x,1,nan",
            "2021-01-01 12:00:00,a,x,inf,2",
            "2021-01-01 12:00:00,a,x,null,2",
            "2021-01-01 12:00:00,a,x,1e31,2",
            "2021-01-01 12:00:00,a,x,1_000,2",
            "2021-01-01 12:00:00,a,x,0x10,2",
            '2021-01-01 12:00:00,a,x,"1,000",2',
            "2021-01-01 12:00:00,a,x",
            "2021-01-01 12:00:00,a,x,1,2,3",
            f"2021-01-01 12:00:00,{'y' * 1025},x,1,2",
            "2021-01-01 12:00:00,a,x, +1.5 ,2",
        )
    )
    assert (report.rows, report.used, report.bad) == (14, 2, 12)
    number = "expected a number below 1e18 in size"
    no_value = "; NullValues lists texts that mean no value"
    assert list(report.problems) == [
        "/h/a: line 4: Timestamp Column 't' '2021/01/01 12:00:00' does not match provided timestamp format "
        "'yyyy-MM-dd HH:mm:ss'",
        f"/h/a: line 5: column 'v' 'one': {number}{no_value}",
        f"/h/a: line 6: column 'w' 'nan': {number}{no_value}",
        f"/h/a: line 7: column 'v' 'inf': {number}{no_value}",
        f"/h/a: line 8: column 'v' 'null': {number}{no_value}",
        f"/h/a: line 9: column 'v' '1e31': {number}",
        f"/h/a: line 10: column 'v' '1_000': {number}",
        f"/h/a: line 11: column 'v' '0x10': {number}",
        f"/h/a: line 12: column 'v' '1,000': {number}; if ',' is a separator, DecimalSeparator or ThousandsSeparator "
        "names it",
        "/h/a: line 13: 3 columns, '2021-01-01 12:00:00,a,x': expected 5",
        "/h/a: line 14: 6 columns, '2021-01-01 12:00:00,a,x,1,2,3': expected 5",
        f"/h/a: line 15: column 'p' '{'y' * 80}…': expected text in the charset, up to 1024 characters",
    ]


def test_the_first_twenty_problems_are_kept_and_all_counted() -> None:
    _, report = read(csv("2021-01-01 12:00:00,a,x,1,2", *["x,a,x,1,2"] * 1000))
    assert report.bad == 1000
    assert [line.partition(": line ")[2].partition(":")[0] for line in report.problems] == [
        str(line) for line in range(3, 23)
    ]


def test_below_a_share_of_good_rows_reading_fails() -> None:
    body = csv(*["2021-01-01 12:00:00,a,x,1,2"] * 9, "x,a,x,1,2")
    assert read(body, MinimumGoodShare=0.9)[1].bad == 1
    with pytest.raises(InsufficientDataError) as caught:
        read(body + "y,a,x,1,2\n", MinimumGoodShare=0.9)
    assert str(caught.value).startswith(
        "Insufficient amount of data was found at the source location: /h, /l/{{yyyyMMdd}}/{{HHmm}}: 2 of 11 rows are "
        "bad, and MinimumGoodShare is 0.9; first: /h/a: line 11: Timestamp Column 't' 'x' does not match"
    )
    assert caught.value.report.bad == 2


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("t,p,q,v\n", "/h/a: line 1: no column 'w'; it has 't', 'p', 'q', 'v'; 3 rows lost"),
        ("t,p,q,v,w,v\n", "/h/a: line 1: more than one column 'v'; it has 't', 'p', 'q', 'v', 'w', 'v'; 3 rows lost"),
    ],
)
def test_other_columns(header: str, fault: str) -> None:
    files = FilesInMemory(
        {"/h/a": (header + "1,2,3,4\n" * 2).encode(), "/h/b": csv("2021-01-01 12:00:00,a,x,1,2").encode()}
    )
    with pytest.raises(InsufficientDataError) as caught:
        read_history(detector(), files)
    assert caught.value.report.problems == (fault,)
    metrics, report = read_history(detector(MinimumGoodShare=0.1), files)
    assert (report.used, report.bad) == (1, 3)
    assert metrics.n_metrics == 2


def test_a_quote_that_nobody_closes_loses_no_row_unseen() -> None:
    body = csv(
        *["2021-01-01 12:00:00,a,x,1,2"] * 10, '2021-01-01 12:00:00,"a,x,1,2', *["2021-01-01 12:00:00,a,x,1,2"] * 50
    )
    _, report = read(body)
    assert (report.used, report.bad) == (10, 51)


@pytest.mark.parametrize("cut", [1, 8, 40, 300])
def test_a_truncated_archive_gives_the_rows_until_then(cut: int) -> None:
    # The same in each run: where the data happen to end after a whole row, no row is bad.
    names = random.Random(cut)
    rows = [f"2021-01-01 12:00:00,{names.randbytes(4).hex()},x,1,2" for _ in range(2_000)]
    body = gzip.compress(csv(*rows).encode())[:-cut]
    metrics, report = read(body)
    assert report.problems == ("/h/a: it ends within its gzip data; rows until then are used",)
    assert report.bad == 1
    assert 1_800 < report.used <= 2_000
    assert {combination for combination, _ in metrics.combinations} <= {row.split(",")[1] for row in rows}


def test_a_damaged_archive() -> None:
    body = bytearray(gzip.compress(csv(*["2021-01-01 12:00:00,a,x,1,2"]).encode()))
    body[20:40] = bytes(20)
    with pytest.raises((NoDataError, InsufficientDataError)) as caught:
        read(bytes(body))
    assert "/h/a: " in caught.value.report.problems[0]


def test_a_row_that_is_wrong_in_two_ways_stops_nothing() -> None:
    """Other columns, and bytes that are no text: Arrow's reader cannot tell of such a row."""
    good = b"2021-01-01 12:00:00,a,x,1,2\n"
    _, report = read(HEADER.encode() + good + b"\xff\xfe,\xe9\n" + good * 3)
    assert (report.used, report.bad) == (4, 1)
    assert report.problems[0] == "/h/a: line 3: 2 columns, '\\\\xff\\\\xfe,\\\\xe9': expected 5"


def test_a_last_line_that_is_cut_off_is_a_bad_row() -> None:
    _, report = read(csv("2021-01-01 12:00:00,a,x,1,2") + "2021-01-01 12:0")
    assert (report.used, report.bad) == (1, 1)


def test_an_empty_file() -> None:
    with pytest.raises(NoDataError) as caught:
        read("")
    assert caught.value.report.problems == ()
    with pytest.raises(NoDataError, match="1 files have 0 rows"):
        read(HEADER)


def test_nothing_is_there() -> None:
    with pytest.raises(NoDataError) as caught:
        read_history(detector(), FilesInMemory({}), until=NOON)
    assert str(caught.value) == (
        "No datapoint was found at the source location: /h, /l/{{yyyyMMdd}}/{{HHmm}}, until 2021-01-01T12:00:00Z: "
        "no file is there"
    )
    with pytest.raises(NoDataError) as caught:
        read_interval(detector(Timezone="Europe/Paris"), FilesInMemory({}), NOON)
    assert str(caught.value) == (
        "No datapoint was found at the source location for time interval from 2021-01-01T12:00:00Z to "
        "2021-01-01T13:00:00Z: /l/20210101/1300: no file is there"
    )


def test_a_file_of_another_interval() -> None:
    body = csv("2021-01-01 11:59:59,a,x,1,2", "2021-01-01 13:00:00,a,x,1,2", "2021-01-02 13:00:00,a,x,1,2")
    files = FilesInMemory({"/l/20210101/1200/a.csv": body.encode()})
    with pytest.raises(NoDataError, match=r"1 files have 3 rows, 1 before that, 2 after that$"):
        read_interval(detector(), files, NOON)


def test_one_interval() -> None:
    body = csv("2021-01-01 12:00:00,a,x,1,2", "2021-01-01 12:59:59,b,x,3,4", "2021-01-01 13:00:00,a,x,100,2")
    files = FilesInMemory(
        {
            "/l/20210101/1200/a.csv": body.encode(),
            "/l/20210101/1200/b.csv": csv("2021-01-01 12:05:00,a,x,10,2").encode(),
            "/l/20210101/1200/sub/c.csv": csv("2021-01-01 12:05:00,a,x,1000,2").encode(),
            "/h/a.csv": csv("2021-01-01 12:05:00,a,x,1000,2").encode(),
        }
    )
    metrics, report = read_interval(detector(), files, NOON)
    assert metrics.values.tolist() == [[[11.0], [3.0]], [[2.0], [4.0]]]
    assert metrics.starts.astype(str).tolist() == ["2021-01-01T12:00:00"]
    assert (report.files, report.used, report.future) == (2, 3, 1)


def test_an_interval_of_a_detector_without_live_folders() -> None:
    source = {"S3SourceConfig": {"HistoricalDataPathList": ["/h/a.csv"]}}
    body = csv("2021-01-01 12:00:00,a,x,1,2", "2021-01-01 13:00:00,a,x,100,2")
    files = FilesInMemory({"/h/a.csv": body.encode(), "/h/b.csv": b"?"})
    metrics, report = read_interval(detector(MetricSource=source), files, NOON)
    assert metrics.values.tolist() == [[[1.0]], [[2.0]]]
    assert report.files == 1


def test_a_history_goes_on_in_the_live_folders() -> None:
    files = FilesInMemory(
        {
            "/h/a.csv": csv("2021-01-01 10:00:00,a,x,1,2", "2021-01-01 11:00:00,a,x,2,2").encode(),
            "/h/sub/a.csv": csv("2021-01-01 11:00:00,a,x,1000,2").encode(),
            # Before the end of the historical file: it has those rows already.
            "/l/20210101/1100/a.csv": csv("2021-01-01 11:00:00,a,x,1000,2").encode(),
            "/l/20210101/1200/a.csv": csv("2021-01-01 12:30:00,a,x,3,2", "2021-01-01 13:00:00,a,x,1000,2").encode(),
            "/l/20210101/1300/a.csv": csv("2021-01-01 13:00:00,a,x,4,2").encode(),
            "/l/20210101/1400/a.csv": csv("2021-01-01 14:00:00,a,x,1000,2").encode(),
            "/l/20210101/nothing/a.csv": csv("2021-01-01 13:00:00,a,x,1000,2").encode(),
            "/l/20210101/1300/sub/a.csv": csv("2021-01-01 13:00:00,a,x,1000,2").encode(),
        }
    )
    metrics, report = read_history(detector(), files, until=datetime(2021, 1, 1, 14, tzinfo=UTC))
    assert metrics.values[0].tolist() == [[1.0, 2.0, 3.0, 4.0]]
    assert (report.files, report.used, report.future) == (3, 4, 1)
    assert "/l/20210101/1400/a.csv" not in files.opened


def test_a_folder_that_holds_several_intervals() -> None:
    source = {"S3SourceConfig": {"TemplatedPathList": ["/l/{{yyyyMMdd}}"]}}
    body = csv(*(f"2021-01-01 {hour:02d}:00:00,a,x,{hour},2" for hour in range(24)), "2021-01-02 00:00:00,a,x,99,2")
    files = FilesInMemory({"/l/20210101/a.csv": body.encode()})
    metrics, report = read_history(detector(MetricSource=source), files)
    assert metrics.values[0].tolist() == [[float(hour) for hour in range(24)]]
    assert report.future == 1
    one, report = read_interval(detector(MetricSource=source), files, NOON)
    assert one.values[0].tolist() == [[12.0]]
    assert (report.outside, report.future) == (12, 12)


def test_future_rows_are_left_out_and_counted() -> None:
    body = csv("2021-01-01 11:59:59,a,x,1,2", "2021-01-01 12:00:00,a,x,1,2", "2199-01-01 12:00:00,a,x,1,2")
    metrics, report = read_history(detector(), FilesInMemory({"/h/a": body.encode()}), until=NOON)
    assert metrics.values[0].tolist() == [[1.0]]
    assert (report.used, report.future, report.bad) == (1, 2, 0)


def test_exact_duplicates_are_added_up_and_told() -> None:
    row = "2021-01-01 12:00:00,a,x,1,2"
    files = FilesInMemory({"/h/a": csv(row, row, "2021-01-01 12:00:01,a,x,1,2").encode(), "/h/b": csv(row).encode()})
    metrics, report = read_history(detector(), files)
    assert metrics.values[0].tolist() == [[4.0]]
    assert report.duplicates == 2
    assert report.problems == (
        "2 rows have the same timestamp, dimension values and measures as another row (in 1 intervals), and SUM adds "
        "each of them; first: /h/a: line 3 repeats line 2 in all columns; if they are one record, remove the repeats "
        "or use AVG, else name a column that tells them apart in DimensionList",
    )


def test_dimension_filters() -> None:
    filters = [
        {"Name": "p", "FilterList": [{"DimensionValue": "a"}, {"DimensionValue": "NO"}]},
        {"Name": "q", "FilterList": [{"DimensionValue": "x", "FilterOperation": "EQUALS"}]},
    ]
    rows = [f"2021-01-01 12:00:00,{p},{q},1,2" for p in ("a", "b", "NO") for q in ("x", "y")]
    metrics, report = read(csv(*rows), DimensionFilterList=filters)
    assert metrics.combinations == (("NO", "x"), ("a", "x"))
    assert (report.used, report.filtered) == (2, 4)


def test_clocks_that_change() -> None:
    """Skipped wall clocks are bad rows. Repeated ones are the first of the two, and have no sum."""
    rows = [f"2021-{day} {hour},a,x,1,2" for day, hour in [
        ("03-28", "01:59:59"), ("03-28", "02:30:00"), ("03-28", "03:00:00"),
        ("10-31", "01:30:00"), ("10-31", "02:30:00"), ("10-31", "03:00:00"),
    ]]  # fmt: skip
    metrics, report = read(csv(*rows), Timezone="Europe/Paris")
    assert [key[3] for key in values(metrics) if key[0] == "v"] == [
        "2021-03-28T00:00", "2021-03-28T01:00", "2021-10-30T23:00", "2021-10-31T02:00"
    ]  # fmt: skip
    assert [key[3] for key in values(metrics) if key[0] == "w"] == [
        "2021-03-28T00:00", "2021-03-28T01:00", "2021-10-30T23:00", "2021-10-31T00:00", "2021-10-31T02:00"
    ]  # fmt: skip
    assert report.problems == (
        "Timezone 'Europe/Paris': rows have times that its clocks skip (1, first 2021-03-28 02:30:00); expected the "
        "zone of the timestamps, such as UTC",
        "no sums of intervals whose times occur twice in Europe/Paris, when its clocks go back, and have no offset "
        "(2, first 2021-10-31 00:00:00Z)",
        "/h/a: line 3: Timestamp Column 't' '2021-03-28 02:30:00' is no time in Europe/Paris: its clocks skip it",
    )


def test_days_through_changes_of_clocks() -> None:
    rows = [f"2018-11-{day:02d},a,x,{day},2" for day in range(2, 7)]
    pattern = {"ColumnName": "t", "ColumnFormat": "yyyy-MM-dd"}
    metrics, report = read(csv(*rows), Timezone="America/Sao_Paulo", frequency="P1D", TimestampColumn=pattern)
    assert metrics.values[0].tolist() == [[2.0, 3.0, 4.0, 5.0, 6.0]]
    assert report.bad == 0


def test_mixed_zones_are_converted() -> None:
    pattern = {"ColumnName": "t", "ColumnFormat": "yyyy-MM-dd'T'HH:mm:ssXXX"}
    rows = ["2021-01-01T12:00:00Z,a,x,1,2", "2021-01-01T14:30:00+02:00,a,x,2,2", "2021-01-01T06:45:00-05:15,a,x,3,2"]
    metrics, _ = read(csv(*rows), TimestampColumn=pattern, Timezone="Asia/Tokyo")
    assert values(metrics) == {
        ("v", "a", "x", "2021-01-01T12:00"): 6.0,
        ("w", "a", "x", "2021-01-01T12:00"): 2.0,
    }


def test_a_metric_set_beyond_its_limits() -> None:
    body = csv("1970-01-01 00:00:00,a,x,1,2", *(f"2021-01-01 12:00:00,{number},x,1,2" for number in range(2_000)))
    with pytest.raises(InsufficientDataError) as caught:
        read(body)
    assert str(caught.value).startswith("Metric set beyond its limits at the source location: /h, ")
    assert "2 measures x 2001 combinations x 447085 intervals from 1970-01-01T00:00:00+00:00" in str(caught.value)


def test_many_small_files_are_read_in_order() -> None:
    files = {f"/h/{number:03d}": csv(f"2021-01-01 12:00:00,a,x,{number},2").encode() for number in range(100)}
    place = FilesInMemory(files)
    metrics, report = read_history(detector(), place)
    assert metrics.values[0].tolist() == [[float(sum(range(100)))]]
    assert report.files == 100
    del files["/h/050"]
    place.list = lambda folder, **_: FilesInMemory({**files, "/h/050": b""}).list(folder)  # type: ignore[method-assign]
    place.files = files
    with pytest.raises(StoreError, match="/h/050: is gone"):
        read_history(detector(), place)


def test_ten_dimensions() -> None:
    names = [f"d{number}" for number in range(10)]
    lines = [
        json.dumps(
            {"t": "2021-01-01 12:00:00", "v": row, "w": 1, **{name: str(row % (n + 2)) for n, name in enumerate(names)}}
        )
        for row in range(500)
    ]
    metrics, _ = read("\n".join(lines), FileFormatDescriptor=JSON_LINES, DimensionList=names)
    expected: dict[tuple[str, ...], int] = {}
    for row in range(500):
        key = tuple(str(row % (n + 2)) for n in range(10))
        expected[key] = expected.get(key, 0) + row
    assert {item: metrics.values[0, k, 0] for k, item in enumerate(metrics.combinations)} == expected


def _large(rows: int) -> Iterable[bytes]:
    yield HEADER.encode()
    block = "".join(f"2021-01-01 12:{n % 60:02d}:00,a{n % 50},x{n % 7},{n},2\n" for n in range(10_000)).encode()
    for _ in range(rows // 10_000):
        yield block


class _Generated(io.RawIOBase):
    """A file that is never in memory as a whole."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        while len(self._rest) < size and (block := next(self._blocks, None)) is not None:
            self._rest += block
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


@pytest.mark.slow
def test_a_large_file_is_read_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows, 33 MB: less than the file is held, of Python's memory and of Arrow's."""
    files = FilesInMemory({"/h/a.csv": b"x" * (2 << 20)})
    monkeypatch.setattr(files, "open", lambda name: _Generated(_large(1_000_000)))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        _, report = read_history(detector(), files)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.used == 1_000_000
    assert peak < 120e6
    assert pa.total_allocated_bytes() - before < 30e6


def test_an_archive_is_inflated_piece_by_piece() -> None:
    """A thousandfold archive of spaces: refused as a row that is too long, not held whole."""
    squeeze = zlib.compressobj(9, wbits=31)
    body = b"".join(squeeze.compress(b" " * (1 << 20)) for _ in range(24)) + squeeze.flush()
    with pytest.raises((NoDataError, InsufficientDataError)):
        read(gzip.compress(HEADER.encode()) + body)


def test_the_report_in_a_line() -> None:
    report = ReadReport(files=2, rows=1_250, used=1_200, bad=30, outside=20, duplicates=3)
    assert str(report) == "1,200 of 1,250 rows of 2 files used, 30 bad, 20 outside, 3 duplicates"


IN_S3 = {
    "MetricSource": {"S3SourceConfig": {"HistoricalDataPathList": ["s3://bucket/h"], "FileFormatDescriptor": {}}},
}
ROW = "2021-01-01 12:00:00,{},x,1,10"
BREAK = "a quoted cell has a line break; Athena ends the row there"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (csv(ROW.format("a"), ROW.format('"b\nc"'), ROW.format('"d\ne"')), 3),
        (csv(ROW.format('"a\n\n\nb"')).rstrip("\n"), 2),
        (gzip.compress(csv(ROW.format("a"), ROW.format('"b\r\nc"')).encode(), mtime=0), 3),
        (csv(ROW.format("a"), "", ROW.format("b"), ""), None),
        (csv(ROW.format("a")).rstrip("\n"), None),
        (csv(ROW.format("a")).replace("\n", "\r\n"), None),
        (csv(ROW.format("a"), "2021-01-01,too few"), None),
        # A row without its last cell is one.
        (csv(ROW.format("a"), "2021-01-01 12:00:00,a,x,1", ROW.format("b"), "2021-01-01 12:00:00,b,x,1"), None),
        (csv("2021-01-01 12:00:00,a,x,1", "", ROW.format('"b\nc"')), 4),
        ("\n\n" + csv(ROW.format("a")), None),
        ("\n\n" + csv(ROW.format('"a\nb"')), 4),
    ],
)
def test_a_line_break_in_a_cell_of_a_file_in_s3_is_a_problem_for_queries(body: str | bytes, line: int | None) -> None:
    _, report = read(body, "s3://bucket/h/a.csv", **IN_S3)
    found = [problem for problem in report.problems if BREAK in problem]
    assert [problem.partition(": a quoted")[0] for problem in found] == (
        [] if line is None else [f"s3://bucket/h/a.csv: line {line}"]
    )
    assert report.used == report.rows - report.bad


def test_a_line_break_in_a_column_that_is_not_read_is_found_too() -> None:
    body = 't,p,q,v,w,note\n2021-01-01 12:00:00,a,x,1,10,"two\nlines"\n'
    _, report = read(body, "s3://bucket/h/a.csv", **IN_S3)
    assert any(BREAK in problem for problem in report.problems)
    assert report.bad == 0


def test_a_line_break_is_no_problem_without_queries() -> None:
    skipping = {"FileFormatDescriptor": {"CsvFormatDescriptor": {"SkipLines": 1}}}
    fields = {"S3SourceConfig": {"HistoricalDataPathList": ["s3://bucket/h"], **skipping}}
    _, report = read("note\n" + csv(ROW.format('"b\nc"')), "s3://bucket/h/a.csv", MetricSource=fields)
    assert report.used == 1
    assert not any(BREAK in problem for problem in report.problems)


def test_a_line_break_is_no_problem_in_a_folder() -> None:
    _, report = read(csv(ROW.format('"b\nc"')))
    assert not any(BREAK in problem for problem in report.problems)


def test_the_lines_of_bad_rows_are_found_beside_a_line_break() -> None:
    _, report = read(csv(ROW.format('"b\nc"'), ROW.format("a").replace("2021", "soon")), "s3://bucket/h/a.csv", **IN_S3)
    assert report.bad == 1
    assert any("s3://bucket/h/a.csv: line 4: " in problem for problem in report.problems)
    assert any(BREAK in problem for problem in report.problems)
