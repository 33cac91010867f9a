"""``make trino-answers`` against a stand-in for a Trino server, through the real client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trino.dbapi import connect

from tests.support.trino_server import Failure, Result, serving
from tools.trino import answers

FILE = json.loads(answers.ANSWERS.read_text(encoding="utf-8"))


def result_of(item: dict[str, Any]) -> Result | Failure:
    if "error" in item:
        name, _, message = item["error"].partition(": ")
        return Failure(name, message)
    return Result([(column["name"], column["type"]) for column in item["columns"]], item["rows"])


def test_every_answer_of_the_file_comes_back_as_it_is_written(tmp_path: Path) -> None:
    """Each of its types, and its refusals."""
    path = tmp_path / "answers.json"
    path.write_text(answers.text_of([{"sql": item["sql"]} for item in FILE]), encoding="utf-8")
    known = {item["sql"]: result_of(item) for item in FILE}
    with serving(known.__getitem__) as server:
        assert answers.main([server.url, "--file", str(path)]) == 0
    assert path.read_bytes() == answers.ANSWERS.read_bytes()
    assert server.statements == [item["sql"] for item in FILE]
    assert {headers["x-trino-time-zone"] for headers in server.headers} == {"UTC"}


TYPES = {
    "varchar": ["a'b\n🙂", "", None],
    "char(3)": ["a  "],
    "boolean": [True, False, None],
    "bigint": [9_223_372_036_854_775_807, -9_223_372_036_854_775_808],
    "real": [1e-07, "NaN"],
    "double": [0.1, 1e23, -0.0, "NaN", "Infinity", "-Infinity", None],
    "decimal(38,20)": ["0.33333333333333333333", "-999999999999999999.99999999999999999999"],
    "date": ["0001-01-01", "9999-12-31"],
    "time": ["23:59:59.999"],
    "timestamp": ["2021-01-01 10:00:00.123"],
    "timestamp with time zone": ["2021-10-31 02:30:00.000 Europe/Paris", "2021-01-03 04:05:06.000 +02:00"],
    "interval day to second": ["-1 02:03:04.005"],
    "interval year to month": ["-1-2"],
    "varbinary": ["QQ=="],
    "json": ['{"b": 1.50, "a": null}'],
    "array(array(integer))": [[[1, None], [], None]],
    "map(varchar(1), row(x timestamp, y decimal(3,1)))": [{"a": ["2021-01-01 00:00:00.000", "1.5"], "b": None}],
    "row(double, interval day to second, varchar)": [["NaN", "0 00:00:00.000", None]],
    "unknown": [None],
}


@pytest.mark.parametrize("type_", TYPES)
def test_values_are_written_as_trino_sends_them(type_: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text('[{"sql": "SELECT 1"}]', encoding="utf-8")
    rows = [[value] for value in TYPES[type_]]
    with serving(lambda _: Result([("x", type_)], rows)) as server:
        assert answers.main([server.url, "--file", str(path)]) == 0
    expected = answers.text_of([{"sql": "SELECT 1", "columns": [{"name": "x", "type": type_}], "rows": rows}])
    assert path.read_text(encoding="utf-8") == expected


def test_the_stand_in_tells_types_as_the_client_reads_them() -> None:
    """The client makes Python values from the tree of a type, which the stand-in must build as Trino does."""
    columns = [(f"c{place}", type_) for place, type_ in enumerate(TYPES)]
    row = [values[0] for values in TYPES.values()]
    with serving(lambda _: Result(columns, [row])) as server, connect(server.url, user="tests") as connection:
        cursor = connection.cursor()
        [read] = cursor.execute("SELECT 1").fetchall()
        types = [column.type_code for column in cursor.description]
    by_type = dict(zip(TYPES, read, strict=True))
    assert types[list(TYPES).index("timestamp")] == "timestamp(3)"
    assert types[list(TYPES).index("timestamp with time zone")] == "timestamp(3) with time zone"
    assert by_type["timestamp"].isoformat() == "2021-01-01T10:00:00.123000"
    assert str(by_type["decimal(38,20)"]) == "0.33333333333333333333"
    assert by_type["varbinary"] == b"A"
    assert by_type["map(varchar(1), row(x timestamp, y decimal(3,1)))"]["a"].y.as_tuple().exponent == -1


def test_a_query_without_an_answer_gets_one_and_a_changed_one_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "answers.json"
    old = {"sql": "SELECT 1", "columns": [{"name": "_col0", "type": "integer"}], "rows": [[1]]}
    path.write_text(json.dumps([old, {"sql": "SELECT 1/0"}, old | {"sql": "SELECT 2"}]), encoding="utf-8")
    results = {
        "SELECT 1": Result([("_col0", "integer")], [[1]]),
        "SELECT 1/0": Failure("DIVISION_BY_ZERO", "Division by zero " + "x" * 300),
        "SELECT 2": Result([("_col0", "integer")], [[2]]),
    }
    with serving(results.__getitem__) as server:
        assert answers.main([server.url, "--file", str(path)]) == 0
    one, refused, two = json.loads(path.read_text(encoding="utf-8"))
    assert (one, two["rows"]) == (old, [[2]])
    assert refused == {"sql": "SELECT 1/0", "error": ("DIVISION_BY_ZERO: Division by zero " + "x" * 300)[:200]}
    assert capsys.readouterr().out == "trino-answers: 3 queries, 1 new, 1 with another answer\n"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "cannot be reached"),
        ("localhost:8080", "is not the address of a server; expected http://HOST:PORT"),
        ("http://127.0.0.1:99999", "expected http://HOST:PORT"),
    ],
)
def test_a_server_that_is_not_there_ends_the_command_and_leaves_the_file(
    url: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "answers.json"
    path.write_text('[{"sql": "SELECT 1"}]', encoding="utf-8")
    assert answers.main([url, "--file", str(path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert words in line
    assert path.read_text(encoding="utf-8") == '[{"sql": "SELECT 1"}]'


def test_an_error_of_the_server_itself_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answers.json"
    text = '[{"sql": "SELECT 1"}, {"sql": "SELECT 2"}]'
    path.write_text(text, encoding="utf-8")
    results = {
        "SELECT 1": Result([("_col0", "integer")], [[1]]),
        "SELECT 2": Failure("SERVER_STARTING_UP", "Trino server is still\ninitializing", "INTERNAL_ERROR"),
    }
    with serving(results.__getitem__) as server:
        assert answers.main([server.url, "--file", str(path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"trino-answers: {server.url}: SERVER_STARTING_UP: Trino server is still initializing"
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["[", "{}", '[{"query": "SELECT 1"}]', '["SELECT 1"]'])
def test_a_file_without_queries_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answers.json"
    path.write_text(text, encoding="utf-8")
    assert answers.main(["http://127.0.0.1:1", "--file", str(path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert path.read_text(encoding="utf-8") == text
