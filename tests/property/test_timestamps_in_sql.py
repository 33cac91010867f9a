"""Queries on live data read timestamps as the reader of source data does, whatever the pattern."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from anomalake.definitions.errors import SourceError
from anomalake.definitions.time_formats import WallClockReader, parts_of
from anomalake.local.duckdb_functions import register
from anomalake.query.templates import DIALECT
from anomalake.query.time_formats import has_offset, read_timestamp
from anomalake.query.trino.queries import LAKE_SCHEMA, compile_query
from anomalake.query.trino.scopes import Table
from anomalake.query.trino.types import INTEGER, VARCHAR

#: A text for each pattern.
SAMPLES = {
    "yyyy-MM-dd HH:mm:ss": "2021-03-09 04:05:59",
    "yyyy-MM-dd": "2021-03-09",
    "yyyyMMddHHmmss": "20210309040559",
    "dd MMM yyyy hh:mm:ss a": "09 Mar 2021 12:05:59 pM",
    "MMMM d, yyyy h:mm a": "march 9, 2021 4:05 PM",
    "d/M/yyyy": "9/3/2021",
    "yyyy-MM-dd'T'HH:mm:ss'Z'": "2021-03-09T04:05:59Z",
    "yyyy-MM-dd'T'HH:mm:ssX": "2021-03-09T04:05:59Z",
    "yyyy-MM-dd'T'HH:mm:ss.SSSZ": "2021-03-09T04:05:59.123456789+0130",
    "yyyy-MM-dd HH:mm:ss.SSSSSSSSSx": "2021-03-09 04:05:59.123-08",
    "yyyyMMddHHmmssSSSX": "20210309040559123Z",
    "EEE, dd MMM yyyy HH:mm:ss Z": "Tue, 09 Mar 2021 04:05:59 GMT-03:00",
    "EEEE dd/MM/yy K:mm a": "Tuesday 09/03/21 0:05 pm",
    "YYYY-MM-dd kk:mm": "2021-03-09 24:05",
    "MM/dd/yy HH:mm:ss": "03/09/21 04:05:59",
    "yyyy-MM-dd HH:mm:ss.S": "2021-03-09 04:05:59.12",
    "yyyy.MM.dd 'at' HH 'o''clock' XXX": "2021.03.09 AT 04 o'clock +05:30",
    "yyyy/MM/dd yyyy HH": "2021/03/09 2021 04",
    "yyyy-MM-dd (HH:mm) [x] 50% é": "2021-03-09 (04:05) [-08] 50% é",
    "yyyyMd": "202139",
    "MM-yyyy-dd HH a": "03-2021-09 04 PM",
}
OFFSETS = ("Z", "z", "+00", "-0800", "+05:30", "GMT+02:00", "utc-03", "+18:00", "+18:01", "+05:60", "-18:00", "")


def in_sql(pattern: str, texts: list[str | None]) -> list[datetime | None]:
    """Read texts with the SQL of a pattern, as DuckDB runs Athena's text of it."""
    column = exp.column("source_timestamp", "f")
    parsed = read_timestamp(column, pattern)
    table = exp.Table(this=exp.to_identifier("x", quoted=True), db=exp.to_identifier(LAKE_SCHEMA, quoted=True))
    rows = exp.select("*", *parsed.fields).from_(exp.alias_(table, "f", table=True)).subquery("f")
    query = exp.select("f.n", exp.alias_(exp.cast(parsed.time, "TIMESTAMP"), "time")).from_(rows).order_by("f.n")
    athena = sqlglot.parse_one(query.sql(DIALECT), read=DIALECT)
    columns = [("n", INTEGER, "n"), ("source_timestamp", VARCHAR, "source_timestamp")]
    compiled = compile_query(athena, {"x": Table("x", columns)})
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE x (n INTEGER, source_timestamp VARCHAR)")
        connection.executemany("INSERT INTO x VALUES (?, ?)", list(enumerate(texts)))
        register(connection, compiled.functions)
        return [time for _, time in connection.execute(compiled.sql).fetchall()]


def as_read(pattern: str, text: str | None) -> datetime | None:
    """Read a text as the reader of source data does: UTC with an offset, else wall-clock time, in whole seconds."""
    try:
        clock = WallClockReader(parts_of(pattern)).read(text or "")
    except ValueError:
        return None
    return clock.local - timedelta(seconds=clock.offset or 0)


def whole_seconds(time: datetime | None) -> datetime | None:
    return time.replace(microsecond=0) if time is not None else None


@st.composite
def written(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A pattern, and timestamps that fit it or almost do."""
    pattern = draw(st.sampled_from(sorted(SAMPLES)))
    parts = parts_of(pattern)
    texts = []
    for _ in range(draw(st.integers(1, 12))):
        local = draw(st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)))
        texts.append("".join(_written(draw, part.text, local) if part.is_field else part.text for part in parts))
    return pattern, texts


def _written(draw: st.DrawFn, field: str, local: datetime) -> str:
    letter, width = field[0], len(field)
    if letter in "yY":
        return local.strftime("%Y").zfill(4)[-2 if width == 2 else -4 :]
    if letter == "M" and width > 2:
        name = local.strftime("%B")[: 3 if width == 3 else None]
        return draw(st.sampled_from([name, name.upper(), name.lower()]))
    if letter == "E":
        return local.strftime("%A")[: 3 if width <= 3 else None]
    if letter == "a":
        return draw(st.sampled_from(["AM", "PM", "am", "pM"]))
    if letter in "ZXx":
        return draw(st.sampled_from(OFFSETS))
    if letter == "S":
        digits = draw(st.integers(1, 9)) if draw(st.booleans()) else width
        return f"{draw(st.integers(0, 10**digits - 1)):0{digits}d}"
    numbers = {"M": local.month, "d": local.day, "m": local.minute, "s": local.second}
    low, high = {"H": (0, 24), "k": (0, 25), "h": (0, 13), "K": (0, 12)}.get(letter, (0, 0))
    return str(numbers.get(letter, draw(st.integers(low, high)))).zfill(width)


@settings(max_examples=50)
@given(written())
def test_sql_reads_what_the_reader_reads(given_: tuple[str, list[str]]) -> None:
    pattern, texts = given_
    answers = in_sql(pattern, [*texts])
    assert [whole_seconds(time) for time in answers] == [as_read(pattern, text) for text in texts], (pattern, texts)


@pytest.mark.parametrize(("pattern", "sample"), SAMPLES.items())
def test_each_pattern_reads_a_sample_and_no_other_text(pattern: str, sample: str) -> None:
    expected = as_read(pattern, sample)
    assert expected is not None
    answers = [whole_seconds(time) for time in in_sql(pattern, [sample, "", f"{sample}x", f"x{sample}", None])]
    assert answers == [expected, None, None, None, None]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("yyyy-MM-dd HH:mm:ss.SSS", "2021-02-14 04:00:00.123456789", datetime(2021, 2, 14, 4, 0, 0, 123000)),
        ("yyyy-MM-dd HH:mm:ss.SSSSSS", "2021-02-14 04:00:00.5", datetime(2021, 2, 14, 4, 0, 0, 500000)),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2021-02-14T04:00:00Z", datetime(2021, 2, 14, 4)),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2021-02-14T04:00:00-05:30", datetime(2021, 2, 14, 9, 30)),
        ("MM/dd/yy", "01/01/69", datetime(2069, 1, 1)),
        ("MM/dd/yy", "01/01/70", datetime(1970, 1, 1)),
        ("yyyy-MM-dd'T'HHX", "1969-12-31T23Z", None),
        ("yyyy-MM-dd'T'HHX", "2200-01-01T00Z", None),
        ("yyyy-MM-dd'T'HHX", "2021-02-30T00Z", None),
    ],
)
def test_values(pattern: str, text: str, expected: datetime | None) -> None:
    assert in_sql(pattern, [text]) == [expected]


@pytest.mark.parametrize(("pattern", "letters"), [("yyyy-MM-dd HH:mm z", "z"), ("yyyy-MM-dd HH:mm VV", "VV")])
def test_names_of_zones_are_refused_in_one_line(pattern: str, letters: str) -> None:
    with pytest.raises(SourceError, match=rf"names of zones \({letters}\); expected an offset"):
        read_timestamp(exp.column("t", "f"), pattern)


def test_only_offsets_are_offsets() -> None:
    assert has_offset("yyyy-MM-dd'T'HH:mm:ssX")
    assert not has_offset("yyyy-MM-dd'T'HH:mm:ss'Z'")
