"""A column keeps the meaning that it was given; what comes later is told apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore, MemoryStore

from anomalake.alerts import Alert
from anomalake.api import LakeHandle, open_lake
from anomalake.aws.athena_engine import AthenaEngine
from anomalake.definitions.metric_set import Measure, MetricSet, NameAliases
from anomalake.lake.lake import Lake
from anomalake.local.duckdb_engine import DuckDBEngine
from anomalake.query.columns import columns_of
from anomalake.query.detectors import DetectorSchema, DetectorSchemas
from anomalake.query.errors import QueryError, SourceError
from anomalake.query.relations import Relations
from anomalake.query.statements import CatalogRelation, catalog_relations
from anomalake.quicksight import quicksight_template
from anomalake.records.columns import ColumnRecord, column_key, create_column_record
from anomalake.services.lakes import open_writer
from anomalake.services.maintenance import rebuild
from anomalake.storage.objects import Objects, memory_store, open_store
from anomalake.storage.store import ObjectStore, StoredObject, StoreError
from tests.integration.query.lakes import ORDERS, alert, rows, write
from tests.support.quicksight import resolved


def of(event: str, dimension: str, value: str, when: str = "2021-02-14T04:00", metric: str = "revenue") -> Alert:
    return alert(event, when, metric=metric, series=[({dimension: value}, "1")], shares=[(dimension, value, 100)])


def add(folder: Path, *alerts: Alert) -> LakeHandle:
    return write(folder, alerts)


def values(lake: LakeHandle, *columns: str) -> set[tuple[str, ...]]:
    """Values of columns in each relation of the detector that has dimensions."""
    selected = ", ".join(f'"{column}"' for column in columns)
    answers = [
        {tuple(row) for row in lake.query_rows(f"SELECT {selected} FROM {relation}_orders")[1]}
        for relation in ("anomalies", "metricvalue_anomalyscore", "with_dimensioncontributions")
    ]
    assert answers[0] == answers[1] == answers[2]
    return answers[0]


def column_of(store: ObjectStore, dimension: str) -> str:
    detector = DetectorSchemas(store).find("orders")
    assert detector is not None
    return columns_of(detector)[1][dimension]


def statements(store: ObjectStore) -> list[str]:
    return [item.statement for item in catalog_relations(Relations(store)) if isinstance(item, CatalogRelation)]


def test_a_column_keeps_its_meaning_when_another_name_comes(tmp_path: Path) -> None:
    lake = add(tmp_path, of("e1", "Region", "old"))
    assert values(lake, "region") == {("old",)}
    lake = add(tmp_path, of("e2", "region", "new", "2021-02-14T05:00"))
    assert values(lake, "region", "region__") == {("old", None), (None, "new")}
    # The same in another process, and after a rebuild of the tables.
    assert values(open_lake(tmp_path), "region", "region__") == {("old", None), (None, "new")}


def test_a_measure_that_comes_later_does_not_rename_a_dimension(tmp_path: Path) -> None:
    lake = add(tmp_path, of("e1", "views", "x"))
    assert values(lake, "views") == {("x",)}
    lake = add(tmp_path, of("e2", "views", "y", "2021-02-14T05:00", metric="views"))
    columns = "views, views__anomalymetricvalue"
    _, answer = lake.query_rows(f"SELECT {columns} FROM metricvalue_anomalyscore_orders ORDER BY views")
    assert [(value, number and int(number)) for value, number in answer] == [("x", None), ("y", 1)]


def test_names_that_no_query_has_shown_have_the_columns_of_their_set(tmp_path: Path) -> None:
    lake = add(tmp_path, of("e1", "Region", "old"), of("e2", "region", "new", "2021-02-14T05:00"))
    assert values(lake, "region__0", "region") == {("old", None), (None, "new")}


def test_the_columns_of_an_older_lake_are_recorded_before_it_is_written_to(tmp_path: Path) -> None:
    add(tmp_path, of("e1", "Region", "old"))
    open_writer(str(tmp_path))
    lake = add(tmp_path, of("e2", "region", "new", "2021-02-14T05:00"))
    assert values(lake, "region", "region__") == {("old", None), (None, "new")}


def test_a_shape_that_cannot_be_read_does_not_prevent_writing(tmp_path: Path) -> None:
    add(tmp_path, of("e1", "Region", "old"))
    open_store(str(tmp_path)).put("shapes/detector=orders/x.json", b"[]")
    assert isinstance(open_writer(str(tmp_path)), Lake)


def test_a_rebuild_keeps_the_columns(tmp_path: Path) -> None:
    lake = add(tmp_path, of("e1", "Region", "old"))
    lake.relations()
    key = column_key(ORDERS, 1)
    before = open_store(str(tmp_path)).get(key)
    assert json.loads(before) == {
        "detector_arn": ORDERS,
        "measures": {"revenue": "revenue"},
        "dimensions": {"Region": "region"},
    }
    rebuild(str(tmp_path))
    assert open_store(str(tmp_path)).get(key) == before


def test_both_engines_and_the_views_have_the_same_columns(tmp_path: Path) -> None:
    add(tmp_path, of("e1", "Region", "old"))
    store = open_store(str(tmp_path))
    views = statements(store)
    assert any("ELEMENT_AT(a.dimensions, 'Region') AS \"region\"" in view for view in views)
    add(tmp_path, of("e2", "region", "new", "2021-02-14T05:00"))
    sql = AthenaEngine(store).to_athena("SELECT region, region__ FROM anomalies_orders")
    assert isinstance(sql, str)
    views = statements(store)
    for text in (sql, next(view for view in views if 'VIEW "anomalies_orders_by_day"' in view)):
        assert "ELEMENT_AT(a.dimensions, 'Region') AS \"region\"" in text
        assert "ELEMENT_AT(a.dimensions, 'region') AS \"region__\"" in text
    local = DuckDBEngine(store, tmp_path).query("SELECT region, region__ FROM anomalies_orders")
    assert {tuple(row.values()) for row in local.to_pylist()} == {("old", None), (None, "new")}


NAMES = ("Region", "region", "REGION", "region__0", "views", "Views", "timestamp", "source_region", "a b", "")


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.just("query"),
            st.tuples(st.sampled_from(["dimension", "measure"]), st.sampled_from(NAMES)),
        ),
        max_size=14,
    )
)
def test_in_any_order_of_queries_and_alerts_a_column_keeps_its_name(steps: list[str | tuple[str, str]]) -> None:
    store = memory_store()
    seen: dict[tuple[str, str], object] = {}
    for number, step in enumerate(["query", *steps, "query"]):
        if isinstance(step, tuple):
            kind, name = step
            shape = {
                "detector_arn": ORDERS,
                "metric_name": name if kind == "measure" else "revenue",
                "dimensions": [name] if kind == "dimension" else [],
            }
            store.put(f"shapes/detector=orders/{number}.json", json.dumps(shape).encode())
            continue
        detector = DetectorSchemas(store).find("orders")
        if detector is None:
            continue
        measures, dimensions = columns_of(detector)
        now: dict[tuple[str, str], object] = {("measure", name): columns for name, columns in measures.items()}
        now |= {("dimension", name): (column,) for name, column in dimensions.items()}
        assert set(measures) == set(detector.measures)
        assert set(dimensions) == set(detector.dimensions)
        assert now.items() >= seen.items()
        all_columns = [column for columns in now.values() for column in columns]  # type: ignore[attr-defined]
        assert len(set(all_columns)) == len(all_columns)
        seen = now


class ReadOnly(Objects):
    """A store that cannot be written."""

    def put_new(self, key: str, body: bytes) -> bool:
        raise StoreError(f"{key}: access denied")


def test_a_lake_that_cannot_be_written_is_queried_all_the_same(tmp_path: Path) -> None:
    add(tmp_path, of("e1", "Region", "old"), of("e2", "region", "new", "2021-02-14T05:00"))
    engine = DuckDBEngine(ReadOnly(LocalStore(tmp_path), str(tmp_path)), tmp_path)
    answer = engine.query("SELECT region__0, region FROM anomalies_orders").to_pylist()
    assert {tuple(row.values()) for row in answer} == {("old", None), (None, "new")}
    assert not (tmp_path / "columns").exists()


def test_a_shape_made_by_hand_cannot_leave_the_folder_of_the_records(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "lake"))
    body = {"detector_arn": "arn:a:b:c:1:AnomalyDetector:../../../x", "metric_name": "m", "dimensions": ["d"]}
    store.put("shapes/detector=x/1.json", json.dumps(body).encode())
    assert len(DetectorSchemas(store).all()) == 1
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == {"1.json"}


class Racing(Objects):
    """A store in which another process records columns just before each record of this one."""

    def __init__(self, others: Iterator[Callable[[ObjectStore], object]]) -> None:
        super().__init__(MemoryStore(), "memory://")
        self._others = others

    def put_new(self, key: str, body: bytes) -> bool:
        if key.startswith("columns/"):
            next(self._others, lambda _: None)(self.direct())
        return super().put_new(key, body)

    def direct(self) -> ObjectStore:
        return Objects(self._store, self.uri)


def shape(store: ObjectStore, *dimensions: str) -> None:
    body = json.dumps({"detector_arn": ORDERS, "metric_name": "revenue", "dimensions": dimensions})
    store.put(f"shapes/detector=orders/{'-'.join(dimensions)}.json", body.encode())


def test_of_two_processes_at_once_the_first_gives_the_column() -> None:
    store = Racing(iter([lambda other: create_column_record(other, 1, ColumnRecord(ORDERS, {}, {"Region": "region"}))]))
    shape(store, "Region", "region")
    assert column_of(store, "region") == "region__"
    assert column_of(store.direct(), "Region") == "region"
    # Whoever reads later, agrees.
    assert column_of(store.direct(), "region") == "region__"


class Delayed(Objects):
    """A store whose listings lack the first record."""

    def list(self, folder: str) -> Iterator[StoredObject]:
        return (entry for entry in super().list(folder) if not entry.key.endswith("/0001.json"))


def test_a_record_that_a_listing_lacks_is_read() -> None:
    memory = MemoryStore()
    store = Objects(memory, "memory://")
    shape(store, "Region")
    assert column_of(store, "Region") == "region"
    shape(store, "region")
    assert column_of(store, "region") == "region__"
    shape(store, "REGION")
    assert column_of(Delayed(memory, "memory://"), "Region") == "region"


def test_detectors_of_one_name_have_columns_of_their_own(tmp_path: Path) -> None:
    other = ORDERS.replace("us-east-1", "eu-west-1")
    add(tmp_path, replace(of("e1", "region", "x"), detector_arn=other))
    store = open_store(str(tmp_path))
    Relations(store).names()
    add(tmp_path, of("e2", "Region", "y", "2021-02-14T05:00"))
    detectors = {detector.arn: columns_of(detector)[1] for detector in DetectorSchemas(store).all()}
    assert detectors == {other: {"region": "region"}, ORDERS: {"Region": "region"}}


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"detector_arn": "x", "measures": {}, "dimensions": {"a": "b\\"; --"}}', b'{"measures": 1}']
)
def test_an_invalid_record_is_reported_with_its_key(body: bytes) -> None:
    store = memory_store()
    shape(store, "Region")
    store.put(column_key(ORDERS, 1), body)
    with pytest.raises(QueryError, match=r"memory:///columns/detector=orders/[0-9a-f]{16}/0001\.json: .*expected"):
        Relations(store).names()


def test_a_recorded_column_that_became_a_fixed_one_is_given_up() -> None:
    store = memory_store()
    shape(store, "score")
    create_column_record(store, 1, ColumnRecord(ORDERS, {}, {"score": "score"}))
    assert column_of(store, "score") == "score__"
    assert column_of(store, "score") == "score__"


# ---- names that are declared equal ----


def source(folder: Path, **changes: object) -> MetricSet:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "input.csv").write_text("timestamp,region,Views\n2021-02-14 05:00:00,new,7\n")
    fields: dict[str, object] = {
        "detector_arn": ORDERS,
        "timestamp_column": "timestamp",
        "metric_list": (Measure("Views"),),
        "dimension_list": ("region",),
        "historical_data_path_list": (str(folder / "data"),),
        "alias_list": (NameAliases("region", ("Region",)), NameAliases("Views", ("views", "VIEWS"))),
    }
    return MetricSet(**{**fields, **changes})  # type: ignore[arg-type]


ALERTS = (
    of("e1", "Region", "old", metric="views"),
    of("e2", "region", "new", "2021-02-14T05:00", metric="Views"),
    of("e3", "region", "third", "2021-02-14T06:00", metric="VIEWS"),
)


@pytest.mark.parametrize("shown_before", [False, True])
def test_equal_names_share_a_column(tmp_path: Path, shown_before: bool) -> None:
    lake = add(tmp_path, ALERTS[0])
    if shown_before:
        lake.relations()
    lake = add(tmp_path, *ALERTS)
    if shown_before:
        lake.relations()
    lake.register_source(source(tmp_path / "source"))
    assert values(lake, "region") == {("old",), ("new",), ("third",)}
    columns, _ = lake.query_rows("SELECT * FROM metricvalue_anomalyscore_orders")
    assert columns == [
        "key", "timestamp", "region", "viewsanomalymetricvalue", "viewsgroupscore", "timezone", "local_timestamp",
    ]  # fmt: skip
    for relation in ("metricvalue_anomalyscore", "with_dimensioncontributions"):
        (row,) = rows(lake, f"SELECT count(viewsanomalymetricvalue) n, sum(viewsgroupscore) s FROM {relation}_orders")
        assert row["n"] == 3
        assert row["s"] >= 3 * 80.5
    (row,) = rows(lake, "SELECT * FROM with_livedata_orders")
    assert (row["region"], int(row["views"]), int(row["viewsanomalymetricvalue"])) == ("new", 7, 1)


def test_equal_names_in_athena(tmp_path: Path) -> None:
    lake = add(tmp_path, *ALERTS)
    lake.register_source(source(tmp_path / "source"))
    sql = AthenaEngine(open_store(str(tmp_path))).to_athena("SELECT * FROM metricvalue_anomalyscore_orders")
    assert isinstance(sql, str)
    equal = "COALESCE(ELEMENT_AT(m.dimensions, 'Region'), ELEMENT_AT(m.dimensions, 'region')) AS \"region\""
    assert equal in sql
    assert "v.metric_name IN ('VIEWS', 'Views', 'views') THEN v.metric_value" in sql


def test_aliases_of_a_dimension_are_no_aliases_of_a_measure(tmp_path: Path) -> None:
    detector = DetectorSchema(
        ORDERS, "orders", ("Region", "Views", "region"), ("Region", "region"), source(tmp_path / "source")
    )
    measures, dimensions = columns_of(detector)
    assert dimensions["Region"] == dimensions["region"]
    assert measures["Region"] != measures["region"]


@pytest.mark.parametrize(
    "aliases",
    [
        (NameAliases("nothing", ("x",)),),
        (NameAliases("region", ("Views",)),),
        (NameAliases("region", ("timestamp",)),),
        (NameAliases("region", ("x",)), NameAliases("Views", ("x",))),
        (NameAliases("region", ("x",)), NameAliases("region", ("y",))),
    ],
)
def test_invalid_aliases_are_refused(tmp_path: Path, aliases: tuple[NameAliases, ...]) -> None:
    with pytest.raises(SourceError, match="AliasList"):
        source(tmp_path, alias_list=aliases)


def test_a_quicksight_template_has_the_columns_of_the_lake(tmp_path: Path) -> None:
    lake = add(tmp_path, of("e1", "Region", "old"))
    lake.relations()
    lake = add(tmp_path, of("e2", "region", "new", "2021-02-14T05:00", metric="Views"))
    metric_set = source(tmp_path / "source", alias_list=())
    schema = DetectorSchemas(open_store(str(tmp_path))).of_arn(ORDERS)
    for found, column in ((None, "region"), (schema, "region__")):
        template = resolved(quicksight_template(metric_set, found))
        tables = [
            table
            for resource in template.values()
            if resource["Type"] == "AWS::QuickSight::DataSet"
            for table in resource["Properties"]["PhysicalTableMap"].values()
        ]
        assert len(tables) == 3
        for table in tables:
            names = {one["Name"] for one in table["CustomSql"]["Columns"]}
            assert {"region", "region__"} & names == {column}
    assert DetectorSchemas(open_store(str(tmp_path))).of_arn("arn:a:b:c:d:AnomalyDetector:nothing") is None
