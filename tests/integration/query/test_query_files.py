"""The SQL files run on DuckDB, are in Athena's dialect, are used, and are documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from anomalake.alerts import Cause
from anomalake.api import LakeHandle, open_lake
from anomalake.definitions.metric_set import Measure, MetricSet
from anomalake.query import templates
from anomalake.query.detectors import DetectorSchema
from anomalake.query.relations import BY_DAY, Relation
from tests.integration.query.lakes import alert, withdraw, write, write_causes

QUERIES = Path(__file__).parents[3] / "queries"
FILES = sorted(QUERIES.glob("*.sql"))
WIDE = templates.PER_DETECTOR
RELATIONS = {*templates.INTERNAL, "alert_rows_from_csv"} | {
    f"{name}{BY_DAY}" for name in (*templates.GENERIC, *(f"{kind}_orders" for kind in WIDE))
}
#: Numbers for the parameters of the queries.
PARAMETERS = {"group_intervals": 100_000, "rows": 1_000_000}
#: Queries of the page.
PAGE = [file for file in FILES if file.stem.startswith("page_")]
PACKAGE = Path(__file__).parents[3] / "layers" / "anomalake" / "anomalake"

EXAMPLE = MetricSet(
    detector_arn=templates.EXAMPLE_ARN,
    timestamp_column="timestamp",
    metric_list=(Measure("revenue"), Measure("views")),
    dimension_list=templates.EXAMPLE_DIMENSIONS,
    timezone=templates.EXAMPLE_TIMEZONE,
    historical_data_path_list=("data",),
)


def sql_of(file: Path) -> str:
    """The SQL of a file, with numbers for its parameters."""
    return templates.with_parameters(templates.template(file.stem), PARAMETERS).sql(templates.DIALECT)


@pytest.fixture(params=["parquet", "csv"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeHandle:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text(
        "timestamp,platform,marketplace,views,revenue\n2021-02-14 05:00:00,pc_web,it,1,2\n"
    )
    next_interval = alert("e1", "2021-02-14T05:00")
    grouped = alert("e4", group="g1")
    lake = write(
        tmp_path,
        [grouped, alert("e1"), next_interval, alert("e2", metric="views"), alert("e2", metric="views", body="2")],
        (request.param,),
    )
    lake.register_source(EXAMPLE)
    withdraw(tmp_path, [alert("e3")])
    write_causes(tmp_path, {grouped: [Cause((("platform", "pc_web"),), -0.5, 0.9, 12.5)]})
    return lake


def test_files_are_those_of_relations_and_of_the_page() -> None:
    assert {file.stem for file in FILES} == RELATIONS | {file.stem for file in PAGE}


def test_every_file_is_documented() -> None:
    document = (Path(__file__).parents[3] / "docs" / "relations.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+\.sql)` \|", document, re.MULTILINE)) == [file.name for file in FILES]


def test_every_query_of_the_page_is_used() -> None:
    code = "\n".join(file.read_text() for file in (PACKAGE / "page").glob("*.py"))
    assert [file.stem for file in PAGE if file.stem not in code] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_returns_rows(lake: LakeHandle, file: Path) -> None:
    columns, rows = lake.query_rows(sql_of(file))
    assert len(set(columns)) == len(columns)
    if file.stem != "alert_rows_from_csv" or (Path(lake.uri) / "tables" / "alert_rows_csv").exists():
        assert rows


@pytest.mark.parametrize("sql", [*map(sql_of, PAGE), *(f"SELECT * FROM {name}" for name in templates.GENERIC)])
def test_queries_return_no_rows_in_an_empty_lake(tmp_path: Path, sql: str) -> None:
    columns, rows = open_lake(str(tmp_path)).query_rows(sql)
    assert columns
    assert rows == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_files_are_in_athenas_dialect_and_begin_with_a_comment(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("-- ")
    (query,) = sqlglot.parse(text, read="athena")
    assert isinstance(query, exp.Query)
    reparsed = sqlglot.parse_one(query.sql("athena"), read="athena")
    assert reparsed.sql("athena", comments=False) == query.sql("athena", comments=False)
    assert "WITH ORDINALITY" in text or "UNNEST" not in text
    if file in PAGE:
        assert text.partition("\n")[0].endswith("?")


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_query_without_a_number_for_a_parameter_is_refused(name: str) -> None:
    numbers = {other: number for other, number in PARAMETERS.items() if other != name}
    with pytest.raises(KeyError, match=name):
        templates.with_parameters(templates.template("page_most_severe"), numbers)


@pytest.mark.parametrize("kind", WIDE)
def test_the_relation_of_the_example_detector_is_the_file(kind: str) -> None:
    detector = DetectorSchema(
        templates.EXAMPLE_ARN, "orders", templates.EXAMPLE_MEASURES, templates.EXAMPLE_DIMENSIONS, EXAMPLE
    )
    definition = Relation(f"{kind}_orders{BY_DAY}", kind, True, detector).definition()
    assert definition.sql("athena", identify=True) == templates.example(kind).sql("athena", identify=True)


@pytest.mark.parametrize("name", templates.GENERIC)
def test_a_relation_has_the_columns_of_its_by_day_form_without_day(name: str) -> None:
    plain = Relation(name, name, False).definition()
    by_day = templates.template(f"{name}{BY_DAY}")
    assert by_day.named_selects == [*plain.named_selects, "day"]
    assert [table.name for table in plain.find_all(exp.Table)] == [f"{name}{BY_DAY}"]
