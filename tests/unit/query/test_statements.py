"""Statements that create views and source tables in Athena."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest
import sqlglot
from sqlglot import exp

from anomalake.definitions.metric_set import (
    ColumnType,
    CsvFormat,
    JsonLinesFormat,
    Measure,
    MetricSet,
    ParquetFormat,
)
from anomalake.query.errors import QueryError
from anomalake.query.relations import Relations
from anomalake.query.statements import CatalogRelation, UndefinedRelations, catalog_relations
from anomalake.records.metric_sets import write_metric_set
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore

ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:"


def shape(
    store: ObjectStore,
    name: str,
    *,
    arn: str | None = None,
    metric: str = "revenue",
    dimensions: tuple[str, ...] = ("it's",),
) -> None:
    body = json.dumps({"detector_arn": arn or f"{ARN}{name}", "metric_name": metric, "dimensions": dimensions})
    store.put(f"shapes/detector={name}/{abs(hash(body)):x}.json", body.encode())


def source(**changes: object) -> MetricSet:
    fields: dict[str, object] = {
        "detector_arn": f"{ARN}orders",
        "timestamp_column": "Time",
        "metric_list": (Measure("revenue"),),
        "dimension_list": ("it's",),
        "historical_data_path_list": ("s3://bucket/back",),
        "file_format": CsvFormat(header_list=("Time", "other", "it's", "revenue"), delimiter="\t", quote_symbol="'"),
    }
    return MetricSet(**{**fields, **changes})  # type: ignore[arg-type]


#: Tables of a lake in one format.
PARQUET, CSV = {"alert_rows", "withdrawal_rows", "cause_rows"}, {"alert_rows_csv", "withdrawal_rows", "cause_rows"}


def statements(relations: Relations, formats: Sequence[str] = ("parquet",)) -> list[str]:
    found = list(catalog_relations(relations, formats))
    assert all(isinstance(item, CatalogRelation) for item in found)
    return [item.statement for item in found if isinstance(item, CatalogRelation)]


def created_and_read(statement: str) -> tuple[str, set[str]]:
    external = re.match(r"CREATE EXTERNAL TABLE IF NOT EXISTS `(\w+)`", statement)
    if external:
        return external[1], set()
    create = sqlglot.parse_one(statement, read="athena")
    assert isinstance(create, exp.Create)
    assert create.kind == "VIEW"
    assert create.args["replace"]
    return create.this.name, {table.name for table in create.expression.find_all(exp.Table)}


def names_in_order(statements_: list[str], known: set[str]) -> list[str]:
    names = []
    for statement in statements_:
        if statement.startswith("DROP"):
            continue
        name, read = created_and_read(statement)
        assert read <= known | set(names), f"{name} reads {read - known - set(names)} first"
        names.append(name)
    return names


def test_an_empty_lake_gets_the_relations_of_every_lake() -> None:
    names = names_in_order(statements(Relations(memory_store())), PARQUET)
    assert names[:3] == ["withdrawn_bodies", "rows_in_force", "shown_rows"]
    relations = {"metric_values", "dimension_contributions", "alerts", "clashes", "anomalies", "causes", "withdrawals"}
    internal = {*names[:3], "group_spans", "shown_causes"}
    assert set(names) == internal | relations | {f"{name}_by_day" for name in relations}


def test_csv_only_tables_are_decoded_by_a_view() -> None:
    assert names_in_order(statements(Relations(memory_store()), ["csv"]), CSV)[0] == "alert_rows"


def test_each_view_is_created_after_those_that_it_reads() -> None:
    store = memory_store()
    shape(store, "orders")
    shape(store, "My-Detector", dimensions=())
    write_metric_set(store, source())
    names = names_in_order(statements(Relations(store)), PARQUET)
    assert len(set(names)) == len(names)
    for name in (
        "live_orders",
        "with_livedata_orders",
        "with_livedata_my_detector__0_2x2d_3",
        "source_orders",
        "anomalies_orders_by_day",
    ):
        assert name in names
    assert "live_my_detector__0_2x2d_3" not in names


def test_names_with_sql_in_them_are_quoted() -> None:
    store = memory_store()
    shape(store, "orders", metric='x"; DROP TABLE y; --', dimensions=("' OR 1=1", "a`b"))
    for statement in statements(Relations(store)):
        (parsed,) = sqlglot.parse(statement, read="athena")
        assert isinstance(parsed, exp.Create)


def test_source_tables() -> None:
    store = memory_store()
    write_metric_set(store, source(templated_path_list=("s3://bucket/live/x-{{yyyyMMdd}}/{{HHmm}}",)))
    created = statements(Relations(store))
    tables = [statement for statement in created if statement.startswith("CREATE EXTERNAL")]
    assert [re.search(r"LOCATION '([^']*)'", table)[1] for table in tables] == [
        "s3://bucket/back/",
        "s3://bucket/live/",
    ]  # type: ignore[index]
    assert (
        "`source_timestamp` string,\n  `unused_1` string,\n  `source_it_s__2x27` string,\n  `source_revenue` string"
        in tables[0]
    )
    assert "'separatorChar' = '\\t', 'quoteChar' = '\\'', 'escapeChar' = '\\u0000'" in tables[0]
    assert "'skip.header.line.count' = '1'" in tables[0]
    assert "source_orders" in names_in_order(created, PARQUET)
    write_metric_set(store, source(file_format=JsonLinesFormat()))
    (table,) = (statement for statement in statements(Relations(store)) if statement.startswith("CREATE EXTERNAL"))
    assert "'mapping.source_it_s__2x27' = 'it\\'s'" in table


def external_tables(metric_set: MetricSet) -> tuple[list[str], exp.Query]:
    """Return the statements of a source's tables, and the query of the view on them."""
    store = memory_store()
    write_metric_set(store, metric_set)
    created = statements(Relations(store))
    (view,) = (statement for statement in created if statement.startswith('CREATE OR REPLACE VIEW "source_orders"'))
    parsed = sqlglot.parse_one(view, read="athena")
    assert isinstance(parsed, exp.Create)
    assert isinstance(parsed.expression, exp.Query)
    return [statement for statement in created if statement.startswith("CREATE EXTERNAL")], parsed.expression


def test_folders_of_days_are_projected_partitions() -> None:
    templates = ("s3://bucket/live/dt={{yyyy-MM-dd}}/{{HHmm}}",)
    (history, live), view = external_tables(source(templated_path_list=templates))
    assert "PARTITIONED BY" not in history
    assert "projection" not in history
    assert live.endswith(
        "PARTITIONED BY (`source_folder_day` string)\n"
        "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\n"
        "WITH SERDEPROPERTIES ('separatorChar' = '\\t', 'quoteChar' = '\\'', 'escapeChar' = '\\u0000')\n"
        "LOCATION 's3://bucket/live/'\n"
        "TBLPROPERTIES ('skip.header.line.count' = '1', 'projection.enabled' = 'true', "
        "'projection.source_folder_day.type' = 'date', 'projection.source_folder_day.format' = 'yyyy-MM-dd', "
        "'projection.source_folder_day.range' = '2010-01-01,NOW+2DAYS', "
        "'projection.source_folder_day.interval' = '1', 'projection.source_folder_day.interval.unit' = 'DAYS', "
        "'storage.location.template' = 's3://bucket/live/dt=${source_folder_day}/')"
    )
    assert isinstance(view, exp.Union)
    days = [select.selects[-1].sql("athena") for select in (view.this, view.expression)]
    assert days == ['CAST(NULL AS VARCHAR) AS "source_folder_day"', '"source_folder_day"']


@pytest.mark.parametrize(
    ("changes", "partitioned"),
    [
        # A table on a location would have the rows of another one on the same location again.
        ({"templated_path_list": ("s3://b/{{yyyyMMdd}}/{{HH}}", "s3://b/{{yyyyMMddHH}}")}, [False]),
        (
            {
                "templated_path_list": ("s3://b/live/{{yyyyMMdd}}/{{HH}}",),
                "historical_data_path_list": ("s3://b/live/",),
            },
            [False],
        ),
        # Athena reads the subfolders of a table's location.
        (
            {
                "templated_path_list": ("s3://b/data/live/{{yyyyMMdd}}/{{HH}}",),
                "historical_data_path_list": ("s3://b/data/", "s3://b/data/2020", "s3://b/database"),
                "recursive": True,
            },
            [False, False],
        ),
        ({"templated_path_list": ("s3://b/{{yyyyMMdd}}/{{HH}}/a", "s3://b/{{yyyyMMdd}}/{{HH}}/c")}, [True]),
        ({"templated_path_list": ("s3://b/x={{yyyyMMdd}}/{{HH}}", "s3://b/y={{yyyyMMdd}}/{{HH}}")}, [True, True]),
        # A query compares the days of all tables with one text.
        ({"templated_path_list": ("s3://b/x/{{yyyyMMdd}}/a", "s3://b/y/{{yyyy-MM-dd}}/a")}, [True, False]),
        ({"templated_path_list": ("s3://b/{{yyyyMMddHH}}",)}, [False]),
        ({"templated_path_list": ("s3://b/$x/{{yyyyMMdd}}/{{HH}}",)}, [False]),
    ],
)
def test_folders_that_are_partitions(changes: dict[str, object], partitioned: list[bool]) -> None:
    tables, view = external_tables(source(**({"historical_data_path_list": ()} | changes)))
    assert ["PARTITIONED BY" in table for table in tables] == partitioned
    assert len(list(view.find_all(exp.Table))) == len(tables)


def test_a_parquet_column_may_have_the_name_of_the_partition() -> None:
    types = tuple(ColumnType(name, "string") for name in ("Time", "source_folder_day", "revenue"))
    metric_set = source(
        historical_data_path_list=(),
        templated_path_list=("s3://b/{{yyyyMMdd}}/{{HH}}",),
        dimension_list=("source_folder_day",),
        file_format=ParquetFormat(types),
    )
    (table,), _ = external_tables(metric_set)
    assert "PARTITIONED BY" not in table


def test_no_quote_symbol_is_no_character() -> None:
    store = memory_store()
    csv = CsvFormat(header_list=("Time", "other", "it's", "revenue"), quote_symbol="")
    write_metric_set(store, source(file_format=csv))
    (table,) = (statement for statement in statements(Relations(store)) if statement.startswith("CREATE EXTERNAL"))
    assert "'quoteChar' = '\\u0000', 'escapeChar' = '\\u0000'" in table


def test_the_digest_of_a_view_changes_with_what_it_reads() -> None:
    def digests(header: tuple[str, ...]) -> dict[str, str]:
        store = memory_store()
        write_metric_set(store, source(file_format=CsvFormat(header_list=header)))
        found = catalog_relations(Relations(store))
        return {item.name: item.digest for item in found if isinstance(item, CatalogRelation)}

    before, after = digests(("Time", "it's", "revenue")), digests(("Time", "revenue", "it's"))
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert {"source_orders", "live_orders_by_day", "with_livedata_orders"} <= changed
    assert "alerts" not in changed
    assert "anomalies_orders" not in changed


def test_sources_that_athena_cannot_read() -> None:
    for invalid in (source(historical_data_path_list=("data",)), source(file_format=CsvFormat())):
        store = memory_store()
        write_metric_set(store, invalid)
        (undefined,) = (item for item in catalog_relations(Relations(store)) if isinstance(item, UndefinedRelations))
        assert undefined.detector == "orders"
        assert "expected" in str(undefined.error)


def test_views_with_the_plain_name_are_dropped_if_two_detectors_have_it() -> None:
    store = memory_store()
    shape(store, "orders")
    shape(store, "orders", arn="arn:aws:lookoutmetrics:us-west-2:123456789012:AnomalyDetector:orders")
    created = statements(Relations(store))
    assert "DROP VIEW IF EXISTS metricvalue_anomalyscore_orders" in created
    assert "metricvalue_anomalyscore_orders" not in names_in_order(created, PARQUET)


def test_an_invalid_shape_is_reported_with_its_key() -> None:
    store = memory_store()
    store.put("shapes/detector=orders/x.json", b"[]")
    with pytest.raises(QueryError, match=r"memory:///shapes/detector=orders/x\.json"):
        Relations(store).names()


def test_detectors_with_long_names_are_found_by_their_names_in_sql() -> None:
    name = "A-" * 31 + "B"
    store = memory_store()
    shape(store, name)
    for region in ("a" * 32, "b" * 32):
        shape(store, name, arn=f"arn:{'p' * 32}:l4m:{region}:123456789012:AnomalyDetector:{name}")
    relations = Relations(store)
    detectors = relations.detectors.all()
    assert len(detectors) == 3
    for detector in detectors:
        assert relations.detectors.find(detector.sql_name) == detector
        assert len(f"with_dimensioncontributions_{detector.sql_name}_by_day") <= 255
