"""``make trino-relations`` against a stand-in for a Trino server, whose rows the local engine computes.

The stand-in shows that the statements come in order and that differences are printed, not that Trino has the same rows.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from sqlglot import exp

from anomalake.alerts import Cause
from anomalake.api import LakeHandle
from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, Measure, MetricSet
from anomalake.query.errors import QueryError
from tests.integration.query.lakes import HOSTILE, ORDERS, alert, withdraw, write, write_causes
from tests.support.trino_server import Failure, Result, serving
from tools.trino import relations
from tools.trino.tables import LakeInTrino

TEMPLATE = Path(__file__).parents[3] / "template.yaml"


class Catalog:
    """A Trino with a Hive catalog, which knows what exists and reads the rows of a lake in the local engine."""

    def __init__(self, lake: LakeHandle, change: Callable[[str, Result], Result] = lambda _, result: result) -> None:
        self.lake = lake
        self.change = change
        self.statements: list[str] = []
        self.existing: set[str] = set()

    def answer(self, sql: str) -> Result | Failure:
        if not sql.startswith("SELECT"):
            return self._run(sql)
        name = sql.removeprefix('SELECT * FROM "').removesuffix('"')
        if name not in self.existing:
            return Failure("TABLE_NOT_FOUND", f"line 1:15: Table 'hive.x.{name}' does not exist")
        try:
            table = self.lake.query_table(sql)
            types = [row["type"] for row in self.lake.query_table(f'DESCRIBE "{name}"').to_pylist()]
        except QueryError as error:
            return Failure("GENERIC_USER_ERROR", str(error))
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        columns = list(zip(table.column_names, types, strict=True))
        return self.change(name, Result(columns, [[in_json(value) for value in row] for row in rows]))

    def _run(self, sql: str) -> Result | Failure:
        self.statements.append(sql)
        if sql.startswith(("CREATE SCHEMA", "CALL ")):
            return Result()
        created = sqlglot.parse_one(sql, read="trino")
        assert isinstance(created, exp.Create), sql
        query = created.expression
        if query is not None:
            named = {cte.alias for cte in query.find_all(exp.CTE)}
            missing = {table.name for table in query.find_all(exp.Table)} - named - self.existing
            if missing:
                return Failure("TABLE_NOT_FOUND", f"no {', '.join(sorted(missing))}")
        self.existing.add(created.find(exp.Table).name)  # type: ignore[union-attr]
        return Result()


def in_json(value: Any) -> Any:
    """A value of the local engine in Trino's JSON."""
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return {key: in_json(item) for key, item in value}
    if isinstance(value, list):
        return [in_json(item) for item in value]
    if isinstance(value, dict):
        return [in_json(item) for item in value.values()]
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value) if isinstance(value, Decimal) else value


@pytest.fixture
def lake(tmp_path: Path) -> LakeHandle:
    """Hostile values, a withdrawal, causes, and source data in CSV beside the lake's folder."""
    series = [({"marketplace": value, "platform": "pc"}, "1.50") for value in HOSTILE]
    alerts = [alert("e1", series=series, group="g1"), alert("e2", "2021-02-15T04:00", zone="Europe/Paris"), alert("e3")]
    handle = write(tmp_path / "lake", alerts)
    withdraw(tmp_path / "lake", alerts[2:])
    causes = [Cause((("marketplace", value),), None, 0.125, 4.0) for value in HOSTILE]
    write_causes(tmp_path / "lake", {alerts[0]: causes})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("timestamp,marketplace,revenue\n2021-02-14 05:00:00,C:\\new,3.5\n")
    handle.register_source(source())
    return handle


def source(**changes: Any) -> MetricSet:
    fields: dict[str, Any] = {
        "detector_arn": ORDERS,
        "timestamp_column": "timestamp",
        "metric_list": (Measure("revenue"),),
        "dimension_list": ("marketplace",),
        "historical_data_path_list": ("../data",),
        "file_format": CsvFormat(),
    }
    return MetricSet(**{**fields, **changes})


def run(catalog: Catalog, folder: Path, location: str = "local:///data") -> int:
    with serving(catalog.answer) as server:
        return relations.main([server.url, str(folder), location])


def test_every_relation_is_made_and_compared(
    lake: LakeHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = Catalog(lake)
    assert run(catalog, tmp_path / "lake") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [f"equal   {name}" for name in lake.relations()]
    assert {"live_orders", "with_livedata_orders", "anomalies", "causes", "metric_values"} <= set(lake.relations())
    assert re.fullmatch(r"(\d+) of \1 relations are equal; Trino has them in the schema anomalake_\w+", last)
    schema = catalog.statements[0].removeprefix("CREATE SCHEMA hive.")
    assert f"CALL hive.system.sync_partition_metadata('{schema}', 'alert_rows', 'ADD')" in catalog.statements


#: Changes of what Trino answers about a relation.
CHANGES: dict[str, Callable[[Result], Result]] = {
    "metric_values": lambda result: Result(result.columns, result.rows[1:]),
    "dimension_contributions": lambda result: Result(result.columns, [*result.rows, result.rows[0]]),
    "alerts": lambda result: Result(result.columns[1:], [row[1:] for row in result.rows]),
    "live_orders": lambda result: Result(
        result.columns, [["C:new" if cell == "C:\\new" else cell for cell in row] for row in result.rows]
    ),
}


def test_each_difference_is_told(lake: LakeHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row less, a row twice, a column less, and one changed cell."""
    catalog = Catalog(lake, lambda name, result: CHANGES.get(name, lambda same: same)(result))
    assert run(catalog, tmp_path / "lake") == 1
    *lines, last = capsys.readouterr().out.splitlines()
    differences: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith(" "):
            verdict, name = line.split()
            differences[name] = of_relation = []
            assert verdict == ("differs" if name in CHANGES else "equal")
        else:
            of_relation.append(line.strip())
    assert list(differences) == lake.relations()
    assert last.startswith(f"{len(differences) - len(CHANGES)} of {len(differences)} relations are equal")
    values, shares = (lake.query_rows(f"SELECT count(*) FROM {name}")[1][0][0] for name in list(CHANGES)[:2])
    assert differences["metric_values"][0] == f"1 of {values} rows only here, such as"
    assert differences["dimension_contributions"][0] == f"1 of {shares + 1} rows only in Trino, such as"
    theirs, ours = differences["alerts"]
    assert theirs.startswith("columns in Trino: ")
    assert ours.partition(": ")[2] == f"detector, {theirs.partition(': ')[2]}"
    in_trino, cell, here, own_cell = differences["live_orders"]
    assert (in_trino, here) == ("1 of 1 rows only in Trino, such as", "1 of 1 rows only here, such as")
    assert "'marketplace': 'C:new'" in cell
    assert "'marketplace': 'C:\\\\new'" in own_cell


def test_a_source_that_trino_cannot_declare_is_told(
    lake: LakeHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "rows.csv").write_text('{"timestamp": "2021-02-14 05:00:00", "marketplace": "it"}\n')
    lake.register_source(source(file_format=JsonLinesFormat()))
    assert run(Catalog(lake), tmp_path / "lake") == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("not made: relations of orders: table source_orders__p1_") for line in lines)
    assert "differs live_orders" in lines
    assert "equal   metricvalue_anomalyscore_orders" in lines


@pytest.mark.parametrize("format_", ["parquet", "csv"])
def test_tables_have_the_templates_columns(tmp_path: Path, format_: str) -> None:
    write(tmp_path / "lake", [alert("e1")], (format_,))
    withdraw(tmp_path / "lake", [alert("e1")])
    write_causes(tmp_path / "lake", {alert("e1", group="g1"): []})
    lake = LakeInTrino(tmp_path / "lake", "s3://bucket/")
    statements = [sql for sql in lake.tables("hive", "x") if sql.startswith("CREATE TABLE")]
    assert len(statements) == 3
    for sql in statements:
        created = sqlglot.parse_one(sql, read="trino")
        name = created.find(exp.Table).name  # type: ignore[union-attr]
        declared, folder = of_template(name)
        columns = [(column.name, column.kind.sql("hive")) for column in created.this.expressions]
        assert columns == [(column, exp.DataType.build(type_, "hive").sql("hive")) for column, type_ in declared]
        assert f"external_location = 's3://bucket/lake/{folder}'" in sql


def of_template(name: str) -> tuple[list[tuple[str, str]], str]:
    """Columns with partitions, and the folder in the lake, of a table in the template."""
    body = re.sub(r"!\w+", "", TEMPLATE.read_text(encoding="utf-8"))
    resources = yaml.safe_load(body)["Resources"].values()
    [table] = [
        resource["Properties"]["TableInput"]
        for resource in resources
        if resource["Type"] == "AWS::Glue::Table" and resource["Properties"]["TableInput"]["Name"] == name
    ]
    columns = [*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", [])]
    folder = table["StorageDescriptor"]["Location"].partition("/lake/")[2]
    return [(column["Name"], column["Type"]) for column in columns], folder


def test_the_table_of_a_source_reads_it_as_athenas_does(lake: LakeHandle, tmp_path: Path) -> None:
    lake.register_source(
        source(file_format=CsvFormat(";", "'", header_list=("timestamp", "marketplace", "x)", "revenue")))
    )
    made = LakeInTrino(tmp_path / "lake", "local:///data")
    [sql] = [item.statement for item in made.relations() if getattr(item, "statement", "").startswith("CREATE TABLE")]
    assert re.sub(r"__p1_\w+", "__p1", sql) == (
        'CREATE TABLE "source_orders__p1" ("source_timestamp" varchar, "source_marketplace" varchar, '
        '"unused_2" varchar, "source_revenue" varchar) WITH (external_location = \'local:///data/data/\', '
        "format = 'CSV', csv_separator = ';', csv_quote = '''', csv_escape = U&'\\+000000', "
        "skip_header_line_count = 1)"
    )


def test_a_source_elsewhere_is_told(lake: LakeHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake.register_source(source(historical_data_path_list=("/elsewhere",)))
    assert run(Catalog(lake), tmp_path / "lake") == 1
    lines = capsys.readouterr().out.splitlines()
    reason = "source path '/elsewhere': expected s3://BUCKET/PREFIX, which Athena can read"
    assert lines[0] == f"not made: relations of orders: {reason}"
    assert "equal   metric_values" in lines


def test_an_empty_lake_has_views_without_rows_in_place_of_tables(tmp_path: Path) -> None:
    write(tmp_path / "lake", [])
    statements = list(LakeInTrino(tmp_path / "lake", "local:///").tables("hive", "x"))
    assert [sql.partition(" AS SELECT ")[0] for sql in statements] == [
        'CREATE VIEW "alert_rows"',
        'CREATE VIEW "cause_rows"',
        'CREATE VIEW "withdrawal_rows"',
    ]
    assert all(sql.endswith("WHERE false") and sqlglot.parse_one(sql, read="trino") for sql in statements)


@pytest.mark.parametrize(
    ("url", "folder", "words"),
    [
        ("http://127.0.0.1:1", "lake", "cannot be reached"),
        ("http://127.0.0.1:1", "none", "expected the folder of a lake"),
        ("http://127.0.0.1:1", "s3://bucket/lake", "expected the folder of a lake"),
    ],
)
def test_what_cannot_be_read_ends_the_command(
    lake: LakeHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, folder: str, words: str
) -> None:
    place = folder if "://" in folder else str(tmp_path / folder)
    assert relations.main([url, place, "local:///"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert words in line
