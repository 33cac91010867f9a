"""Statements that create views and source tables in Athena."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest
import sqlglot
from sqlglot import exp

from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, Measure, MetricSet
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
PARQUET, CSV = {"alert_rows", "withdrawal_rows"}, {"alert_rows_csv", "withdrawal_rows"}


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
    relations = {"metric_values", "dimension_contributions", "alerts", "clashes", "anomalies", "withdrawals"}
    assert set(names) == {*names[:3], "group_spans"} | relations | {f"{name}_by_day" for name in relations}


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
