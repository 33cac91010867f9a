"""The Glue catalog: exact requests, partial failures read, and Glue asked once a partition."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from anomalake.aws.glue import GlueCatalog
from anomalake.lake.ports import CatalogError, Partition
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError

ONE = Partition("shop", "2021-02-17")
TWO = Partition("shop", "2021-02-18")
DESCRIPTOR = {"Columns": [{"Name": "alert_id", "Type": "string"}], "Location": "memory://tables/alert_rows/"}


class FakeGlue:
    """Answers from tables of partitions; notes each request."""

    def __init__(self, *tables: str) -> None:
        self.tables: dict[str, set[tuple[str, ...]]] = {name: set() for name in tables or ("alert_rows",)}
        self.requests: list[dict[str, Any]] = []
        self.refuse: dict[tuple[str, ...], str] = {}
        self.error: Exception | None = None
        self.indexes: dict[str, dict[str, list[str]]] = {}
        self.index_error = ""

    def get_table(self, DatabaseName: str, Name: str) -> dict[str, Any]:
        if self.error:
            raise self.error
        if Name not in self.tables:
            raise ClientError({"Error": {"Code": "EntityNotFoundException", "Message": "no"}}, "GetTable")
        keys = [{"Name": "detector"}, {"Name": "day"}]
        return {"Table": {"Name": Name, "StorageDescriptor": DESCRIPTOR, "PartitionKeys": keys}}

    def get_partition_indexes(self, DatabaseName: str, TableName: str) -> dict[str, Any]:
        if self.error:
            raise self.error
        names = self.indexes.get(TableName, {})
        return {"PartitionIndexDescriptorList": [{"IndexName": name, "IndexStatus": "ACTIVE"} for name in names]}

    def create_partition_index(self, DatabaseName: str, TableName: str, PartitionIndex: dict[str, Any]) -> None:
        if self.index_error:
            raise ClientError({"Error": {"Code": self.index_error, "Message": "no"}}, "CreatePartitionIndex")
        self.indexes.setdefault(TableName, {})[PartitionIndex["IndexName"]] = PartitionIndex["Keys"]

    def batch_create_partition(self, **request: Any) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.requests.append(request)
        errors = []
        for item in request["PartitionInputList"]:
            values = tuple(item["Values"])
            code = self.refuse.get(values)
            if values in self.tables[request["TableName"]]:
                code = "AlreadyExistsException"
            if code:
                detail = {"ErrorCode": code, "ErrorMessage": "because"}
                errors.append({"PartitionValues": list(values), "ErrorDetail": detail})
            else:
                self.tables[request["TableName"]].add(values)
        return {"Errors": errors} if errors else {}


def never() -> Any:
    raise AssertionError("Glue was asked")


def test_a_partition_is_registered_once_with_the_tables_own_descriptor() -> None:
    store, glue = memory_store(), FakeGlue()
    catalog = GlueCatalog(store, "db", client=lambda: glue)
    catalog.add_partitions([ONE, ONE])
    catalog.add_partitions([ONE])
    assert glue.requests == [
        {
            "DatabaseName": "db",
            "TableName": "alert_rows",
            "PartitionInputList": [
                {
                    "Values": ["shop", "2021-02-17"],
                    "StorageDescriptor": {
                        **DESCRIPTOR,
                        "Location": "memory:///tables/alert_rows/detector=shop/day=2021-02-17/",
                    },
                }
            ],
        }
    ]
    assert store.exists("partitions/detector=shop/day=2021-02-17")


def test_another_process_asks_the_lake_and_not_glue() -> None:
    store, glue = memory_store(), FakeGlue()
    GlueCatalog(store, "db", client=lambda: glue).add_partitions([ONE])
    GlueCatalog(store, "db", client=never).add_partitions([ONE])


def test_no_client_is_made_where_nothing_is_to_register() -> None:
    GlueCatalog(memory_store(), "db", client=never).add_partitions([])


def test_a_partition_that_exists_already_is_fine() -> None:
    store, glue = memory_store(), FakeGlue()
    glue.tables["alert_rows"].add(("shop", "2021-02-17"))
    GlueCatalog(store, "db", client=lambda: glue).add_partitions([ONE])
    assert store.exists("partitions/detector=shop/day=2021-02-17")


def test_each_declared_table_gets_it() -> None:
    glue = FakeGlue("alert_rows", "alert_rows_csv")
    GlueCatalog(memory_store(), "db", client=lambda: glue).add_partitions([ONE, TWO])
    assert {request["TableName"]: len(request["PartitionInputList"]) for request in glue.requests} == {
        "alert_rows": 2,
        "alert_rows_csv": 2,
    }


def test_a_partial_failure_is_read_and_the_rest_remembered() -> None:
    store, glue = memory_store(), FakeGlue()
    glue.refuse = {("shop", "2021-02-18"): "InternalServiceException"}
    catalog = GlueCatalog(store, "db", client=lambda: glue)
    with pytest.raises(CatalogError) as error:
        catalog.add_partitions([ONE, TWO])
    assert str(error.value) == (
        "Glue database 'db': 1 partitions not registered, first detector=shop/day=2021-02-18: "
        "alert_rows: InternalServiceException: because"
    )
    assert [item.key for item in store.list("partitions")] == ["partitions/detector=shop/day=2021-02-17"]
    glue.refuse = {}
    catalog.add_partitions([ONE, TWO])
    assert len(glue.requests[-1]["PartitionInputList"]) == 1
    assert store.exists("partitions/detector=shop/day=2021-02-18")


def test_many_partitions_go_in_requests_of_a_hundred() -> None:
    glue = FakeGlue()
    many = [Partition("shop", f"2021-{month:02d}-{day:02d}") for month in range(1, 13) for day in range(1, 22)]
    GlueCatalog(memory_store(), "db", client=lambda: glue).add_partitions(many)
    assert [len(request["PartitionInputList"]) for request in glue.requests] == [100, 100, 52]
    assert len(glue.tables["alert_rows"]) == 252


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "GetTable"),
        ConnectTimeoutError(endpoint_url="https://glue"),
    ],
    ids=["throttled", "down"],
)
def test_a_glue_that_is_down_is_a_catalog_error_and_nothing_is_remembered(error: Exception) -> None:
    store, glue = memory_store(), FakeGlue()
    glue.error = error
    catalog = GlueCatalog(store, "db", client=lambda: glue)
    with pytest.raises(CatalogError, match="Glue database 'db': get_table: "):
        catalog.add_partitions([ONE])
    assert not list(store.list("partitions"))
    glue.error = None
    catalog.add_partitions([ONE])
    assert glue.tables["alert_rows"] == {("shop", "2021-02-17")}


def test_a_database_without_the_tables_is_an_error() -> None:
    glue = FakeGlue("something_else")
    with pytest.raises(CatalogError, match="has none of the tables alert_rows, alert_rows_csv"):
        GlueCatalog(memory_store(), "db", client=lambda: glue).add_partitions([ONE])


class MarkerlessStore:
    """A store that neither finds nor takes markers."""

    uri = "memory://"

    def exists(self, key: str) -> bool:
        raise StoreError("503")

    def put(self, key: str, body: bytes) -> None:
        raise StoreError("503")


def test_a_store_that_fails_only_costs_another_question() -> None:
    store: ObjectStore = MarkerlessStore()  # type: ignore[assignment]
    glue = FakeGlue()
    for _ in range(2):
        GlueCatalog(store, "db", client=lambda: glue).add_partitions([ONE])
    assert len(glue.requests) == 2


def test_register_asks_glue_whatever_the_markers_say() -> None:
    store, glue = memory_store(), FakeGlue()
    catalog = GlueCatalog(store, "db", client=lambda: glue)
    catalog.add_partitions([ONE])
    glue.tables["alert_rows"].clear()
    catalog.register([ONE])
    assert glue.tables["alert_rows"] == {("shop", "2021-02-17")}


def test_each_declared_table_gets_one_partition_index() -> None:
    glue = FakeGlue("alert_rows", "cause_rows")
    glue.indexes["alert_rows"] = {"by_hand": ["day"]}
    catalog = GlueCatalog(memory_store(), "lake", client=lambda: glue)
    catalog.index_partitions()
    own = {"detector_day": ["detector", "day"]}
    assert glue.indexes == {"alert_rows": {"by_hand": ["day"], **own}, "cause_rows": own}
    glue.index_error = "ResourceNumberLimitExceededException"
    catalog.index_partitions()


def test_an_index_that_another_deployment_makes_is_no_error_and_another_failure_is() -> None:
    glue = FakeGlue("alert_rows")
    glue.index_error = "AlreadyExistsException"
    GlueCatalog(memory_store(), "lake", client=lambda: glue).index_partitions()
    glue.index_error = "ResourceNumberLimitExceededException"
    with pytest.raises(CatalogError, match=r"create_partition_index: .*ResourceNumberLimitExceededException"):
        GlueCatalog(memory_store(), "lake", client=lambda: glue).index_partitions()
