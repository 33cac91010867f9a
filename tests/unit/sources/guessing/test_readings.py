"""What small tables with the traits of real ones are taken for."""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomalake.definitions.detector_file import parse_detector
from anomalake.sources.guessing.detector_text import NotSupportedError, detector_text
from anomalake.sources.guessing.readings import Choices, NotATableError, TableReading, read_columns
from anomalake.sources.guessing.samples import FilePart, read_sample, sample_of_table
from anomalake.sources.rows import SourceFileError
from tests.support.tables import TABLES, counts, csv_of, days, levels


def read(content: bytes, choices: Choices = Choices()) -> TableReading:  # noqa: B008
    text, sample = read_sample([FilePart("table", content)])
    return read_columns(text, sample, choices)


@cache
def reading(name: str) -> TableReading:
    return read(TABLES[name]())


EXPECTED: dict[str, dict[str, Any]] = {
    "decimal comma": {
        "time": ("Zeit",), "format": "dd.MM.yyyy HH:mm:ss", "frequency": "P1D",
        "measures": {"AnzahlFälle": "SUM", "Inzidenz": "AVG"}, "dimensions": ("Region",),
        "ignored": {"RegionID", "Einwohner", "AnzahlFälleSumme"},
        "warnings": {"totals", "cumulative", "too short"}, "decimal": ",", "delimiter": ";",
    },
    "wide": {
        "time": ("Date",), "format": "dd/MM/yyyy", "frequency": "P1D", "layout": "wide", "charset": "ISO-8859-1",
        "measures": dict.fromkeys(("Pont Neuf", "Bréhat", "Rue 7", "Quai"), "SUM"), "ignored": {"Fermé"},
        "warnings": {"empty columns"},
    },
    "half days": {
        "time": ("Date",), "format": "MM/dd/yyyy hh:mm:ss a", "frequency": "PT1H", "measures": {"Riders NB": "SUM"},
    },
    "weeks": {
        "time": ("date",), "format": "M/d/yyyy", "frequency": "P1W", "measures": {"close": "AVG", "volume": "SUM"},
        "dimensions": ("stock",), "warnings": {"currency signs", "unsupported frequency", "too short"},
    },
    "date and hour": {
        "time": ("Date", "Hour"), "format": "dd/MM/yyyy H", "frequency": "PT1H",
        "measures": {"Rented bikes": "SUM", "Temperature(°C)": "AVG"}, "ignored": {"Holiday"},
        "warnings": {"split time"},
    },
    "three parts": {
        "time": ("year", "month", "date_of_month"), "format": "yyyy M d", "frequency": "P1D",
        "measures": {"births": "SUM"}, "ignored": {"day_of_week"}, "warnings": {"split time"},
    },
    "leading lines": {
        "time": ("Week",), "format": "yyyy-MM-dd", "frequency": "P1W", "measures": {"tea: (Worldwide)": "SUM"},
        "skip": 2, "warnings": {"leading lines", "unsupported frequency", "too short"},
    },
    "quarters": {
        "time": ("year", "quarter"), "format": "yyyy Q", "frequency": "P3M", "measures": {"pushes": "SUM"},
        "dimensions": ("iso2_code",), "warnings": {"split time", "unsupported frequency", "totals"},
    },
    "offsets": {
        "time": ("Time",), "format": "yyyy-MM-dd'T'HH:mm:ssXXX", "frequency": "PT1H", "measures": {"Flow [l/s]": "AVG"},
        "zone": "UTC",
    },
    "labels": {
        "time": ("timestamp",), "format": "epoch_s", "frequency": "PT5M", "measures": {"value": "AVG"},
        "ignored": {"label"}, "warnings": {"label column"}, "zone": "UTC",
    },
    "JSON lines": {
        "time": ("date",), "format": "yyyy-MM-dd", "frequency": "P1D", "measures": {"price": "AVG"},
        "dimensions": ("item", "shop"), "ignored": {"currency", "note"}, "warnings": {"missing values", "too short"},
    },
    "no header": {
        "time": ("1",), "format": "yyyy-MM-dd'T'HH:mm:ssX", "frequency": "P1D", "measures": {"2": "SUM"},
        "zone": "UTC", "header": False, "warnings": {"no header", "too short"},
    },
    "order lines": {
        "time": ("InvoiceDate",), "format": "M/d/yyyy H:mm", "frequency": "PT30M",
        "measures": {"Quantity": "SUM", "Price": "AVG"}, "dimensions": ("Country",), "ignored": {"Invoice"},
        "warnings": {"irregular times", "closed hours"},
    },
    "business days": {
        "time": ("Date",), "format": "M/d/yyyy", "frequency": "P1D", "measures": {"DOIL": "AVG"},
        "warnings": {"business days", "placeholder values"},
    },
    "placeholder numbers": {
        "time": ("Date", "Time"), "format": "dd/MM/yyyy HH.mm.ss", "frequency": "PT1H", "measures": {"CO(GT)": "AVG"},
        "decimal": ",", "warnings": {"split time", "placeholder values", "empty columns"},
    },
    "numbered shops": {
        "time": ("date",), "format": "yyyy-MM-dd", "frequency": "P1D", "measures": {"sales": "SUM"},
        "dimensions": ("store", "item"),
    },
    "thousands": {
        "time": ("Day",), "format": "MMM dd, yyyy", "frequency": "P1D", "measures": {"Visits": "SUM"},
        "delimiter": "\t",
    },
    "first of months": {"time": ("Date",), "format": "M/d/yyyy", "frequency": "P1M", "measures": {"rate": "AVG"}},
    "UTF-16": {
        "time": ("Tag",), "format": "yyyy-MM-dd", "frequency": "P1D", "measures": {"Bestellungen": "SUM"},
        "charset": "UTF-16",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_is_taken_for_what_it_is(name: str) -> None:
    found, wanted = reading(name), EXPECTED[name]
    assert found.time.value.columns == wanted["time"]
    assert found.time.value.pattern == wanted["format"]
    assert found.frequency.value == wanted["frequency"]
    assert found.measures == wanted["measures"]
    assert set(found.dimensions) == set(wanted.get("dimensions", ()))
    assert wanted.get("ignored", set()) <= set(found.ignored)
    assert wanted.get("warnings", set()) <= {notice.kind for notice in found.notices}
    assert found.zone.value == wanted.get("zone")
    assert found.separators.value[0] == wanted.get("decimal", ".")
    assert found.text.skip_lines.value == wanted.get("skip", 0)
    for member in ("charset", "delimiter", "header"):
        if member in wanted:
            assert getattr(found.text, member).value == wanted[member]


@pytest.mark.parametrize("name", TABLES)
def test_every_guess_has_a_confidence_and_evidence(name: str) -> None:
    found = reading(name)
    guesses = [found.time, found.zone, found.frequency, found.layout, found.separators, found.text.charset,
               found.text.delimiter, *(role.role for role in found.roles)]  # fmt: skip
    assert all(0 <= guess.confidence <= 1 and guess.evidence for guess in guesses)


def test_times_across_the_columns_are_recognised() -> None:
    found = reading("months across")
    assert found.time.value.columns == ("Year",)
    assert found.time.value.in_names[:2] == ("Jan", "Feb")
    assert found.frequency.value == "P1M"
    assert found.measures == {"*": "AVG"}


def test_a_guess_that_rests_on_little_is_named() -> None:
    rows = [[f"0{day}/0{month}/2021", day * month] for month in (1, 2, 3) for day in (1, 5, 8)]
    found = read(csv_of(["when", "what"], rows))
    assert {"time", "time_format", "measures"} <= set(found.unsure)


def test_parquet_tells_its_types() -> None:
    table = pa.table({"when": pa.array(days(30), pa.timestamp("ns")), "price": levels(30), "shop": ["a"] * 30})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    found = read(sink.getvalue().to_pybytes())
    assert (found.time.value.columns, found.time.value.pattern) == (("when",), None)
    assert found.measures == {"price": "AVG"}
    assert "ParquetFormatDescriptor: {}" in detector_text(found, "x", ["data.parquet"])


def test_a_table_in_memory_is_read_as_its_file_is() -> None:
    table = pa.table({"when": pa.array(days(30), pa.timestamp("us", "UTC")), "orders": list(range(30, 0, -1))})
    found = read_columns(*sample_of_table(table))
    assert (found.time.value.columns, found.zone.value, found.frequency.value) == (("when",), "UTC", "P1D")
    assert set(found.measures) == {"orders"}


def test_a_detector_file_has_as_many_measures_as_it_may() -> None:
    rows = [[f"{day:%Y-%m-%d}", *counts(30, place)] for place, day in enumerate(days(40))]
    found = read(csv_of(["day", *(f"shop_{place}" for place in range(30))], rows))
    assert len(found.measures) == 30
    assert "too many measures" in {notice.kind for notice in found.notices}
    body = detector_text(found, "x", ["data.csv"])
    assert parse_detector(body, "x.yaml").metric_set.measures == tuple(found.measures)[:20]


def test_what_a_person_says_is_taken() -> None:
    choices = Choices(time=("Zeit",), zone="Europe/Vienna", means=("AnzahlFälle",), dimensions=())
    found = read(TABLES["decimal comma"](), choices)
    assert found.measures == {"AnzahlFälle": "AVG"}
    assert found.dimensions == ()
    assert (found.zone.value, found.zone.confidence) == ("Europe/Vienna", 1.0)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("decimal comma", "a backtest takes at least 15, and results are better from 285 on"),
        ("weeks", "a backtest takes at least 15, and results are better from 285 on"),
        ("first of months", "intervals of P1M have rows; results are better from 285 on"),
    ],
)
def test_a_short_table_says_how_many_intervals_a_backtest_takes(name: str, wanted: str) -> None:
    [short] = [notice.text for notice in reading(name).notices if notice.kind == "too short"]
    assert short.endswith(wanted)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(NotATableError, match=r"no column 'Datum'; the table has 'Zeit', 'Region'"):
        read(TABLES["decimal comma"](), Choices(time=("Datum",)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "there is no file|has no row|is empty"),
        (b"PK\x03\x04 xl/workbook.xml", r"is an Excel workbook \(.xlsx\); expected text: export the sheet as CSV"),
        (b'[{"a": 1}]', "is one JSON array; expected an object on each line"),
        (b'{\n "a": 1\n}\n', "its first line is no JSON object"),
        (b"name,age\nAnn,3\nBob,4\n", "no column has times; expected one with the time of each row"),
        (b"\x00\x01\x02\x03" * 20, "has bytes that are no text"),
        (b"\x1f\x8bbroken", "its gzip data are damaged|has no row|is empty"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_one_line(content: bytes, reason: str) -> None:
    with pytest.raises((SourceFileError, NotATableError), match=reason) as refused:
        read(content)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("quarters", "rows are P3M apart, and a detector has intervals of PT5M"),
        ("first of months", "rows are P1M apart"),
    ],
)
def test_what_a_detector_file_cannot_say_is_named(name: str, reason: str) -> None:
    with pytest.raises(NotSupportedError, match=reason):
        detector_text(reading(name), "x", ["data.csv"])
