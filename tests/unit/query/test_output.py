"""Query results as JSON, CSV and tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.query import output


def written(format_: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = StringIO(newline="")
    output.WRITERS[format_](columns, rows, out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1000000000000000.12340000000000000000", "1000000000000000.1234"),
        ("650.00", "650"),
        ("1E+3", "1000"),
        ("-0.00", "0"),
        ("0.00000000000000000001", "0.00000000000000000001"),
        ("100", "100"),
    ],
)
def test_decimals_are_exact_and_have_no_trailing_zeros(value: str, text: str) -> None:
    assert output.plain(Decimal(value)) == text
    assert written("json", ["a"], [[Decimal(value)]]) == f'[\n  {{"a": {text}}}\n]\n'


def test_json_of_every_type() -> None:
    row = [
        datetime(2021, 2, 14, 4),
        date(2021, 2, 14),
        {"a": "b", "é": None},
        [1, "x"],
        True,
        None,
        float("nan"),
        float("inf"),
        86.78,
    ]
    text = written("json", list("abcdefghi"), [row, row])
    assert json.loads(text)[1] == {
        "a": "2021-02-14T04:00:00", "b": "2021-02-14", "c": {"a": "b", "é": None}, "d": [1, "x"], "e": True,
        "f": None, "g": None, "h": None, "i": 86.78,
    }  # fmt: skip
    assert "NaN" not in text
    assert written("json", ["a"], []) == "[]\n"


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_json_has_the_same_values_when_it_is_read(rows: list[tuple[str, str]]) -> None:
    assert [tuple(row.values()) for row in json.loads(written("json", ['"', "b"], rows))] == rows


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", '""'),
        ("=1+1", "'=1+1"),
        ("+1", "+1"),
        ("-2.5e3", "-2.5e3"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ("\n=1+1", '"\'\n=1+1"'),
        ("\uff1d1+1", "'\uff1d1+1"),
        ('=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'),
        ("a,b", '"a,b"'),
        ('a"b', '"a""b"'),
        ("a\nb", '"a\nb"'),
        ("NA", "NA"),
        ("007", "007"),
        ("🙂", "🙂"),
        (True, "true"),
        (Decimal("-1.50"), "-1.5"),
        (datetime(2021, 2, 14, 4), "2021-02-14 04:00:00"),
        ({"a": 'b"'}, '"{""a"": ""b\\""""}"'),
        (float("nan"), ""),
    ],
)
def test_csv_cells(value: Any, cell: str) -> None:
    assert written("csv", ["a"], [[value]]) == f"a\r\n{cell}\r\n"


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_csv_has_the_same_values_and_no_formulas(values: list[str]) -> None:
    text = written("csv", ["c"] * len(values), [values])
    _, row = csv.reader(StringIO(text, newline=""))
    for value, cell in zip(values, row, strict=True):
        assert cell in (value, f"'{value}")
        assert cell == value or value[0] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


def test_headers_are_escaped_like_cells() -> None:
    assert written("csv", ["=a", "b"], []) == "'=a,b\r\n"


def test_a_table_in_a_pipe_is_not_folded_and_has_no_control_characters() -> None:
    text = written("table", ["name", "value"], [["x" * 300, Decimal("1.50")], ["\x1b[2J[bold]", None]])
    assert "x" * 300 in text
    assert "1.5" in text
    assert "\x1b" not in text
    assert "\\x1b[2J[bold]" in text
    assert text.endswith("2 rows\n")
    assert written("table", ["a"], []).endswith("0 rows\n")


def test_rows_are_python_values() -> None:
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([[("a", "b")], None], pa.map_(pa.string(), pa.string())),
            pa.array([datetime(2021, 2, 14, 4), None], pa.timestamp("us", "Europe/Paris")),
            pa.array([Decimal("1.5"), None], pa.decimal128(38, 20)),
        ],
        names=["m", "t", "d"],
    )
    assert list(output.rows_of([batch])) == [
        ({"a": "b"}, datetime(2021, 2, 14, 4), Decimal("1.5")),
        (None, None, None),
    ]
