"""The Glue catalog. A marker in the lake records each registered partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from anomalake.errors import require
from anomalake.lake.ports import CatalogError, Partition
from anomalake.storage.store import ObjectStore, StoreError

TABLES = ("alert_rows", "alert_rows_csv", "cause_rows")

#: Name of the partition index of a table.
PARTITION_INDEX = "detector_day"
#: Limit of partitions for BatchCreatePartition.
BATCH = 100


def glue_client() -> Any:
    """A Glue client with short time-outs: a failed registration is repeated later by another function."""
    # Imported here because most invocations do not need Glue, and boto3 is slow to import.
    require("boto3", extra="aws")
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 3}
    return boto3.client("glue", config=Config(connect_timeout=3, read_timeout=10, retries=retries))


class GlueCatalog:
    """`Catalog` over a Glue database whose tables are declared.

    A marker in the lake, ``partitions/detector=…/day=…``, records a registered partition. It is written after Glue has
    confirmed the registration.

    Parameters
    ----------
    store
        The lake.
    database, tables
        Each partition is registered in those tables that the database declares: one for each format, and that of
        causes.
    client
        Creates the Glue client on first use.
    """

    def __init__(
        self,
        store: ObjectStore,
        database: str,
        tables: Iterable[str] = TABLES,
        client: Callable[[], Any] = glue_client,
    ) -> None:
        self._store = store
        self._database = database
        self._tables = tuple(tables)
        self._make_client = client
        self._client: Any = None
        self._declared: dict[str, dict[str, Any]] = {}
        self._known: set[Partition] = set()

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        """Register the partitions that have no marker; raises `CatalogError`."""
        self.register(partition for partition in set(partitions) if not self._is_known(partition))

    def register(self, partitions: Iterable[Partition]) -> None:
        """Register partitions regardless of their markers; raises `CatalogError` if some were not registered."""
        wanted = iter(sorted(set(partitions)))
        refused: dict[Partition, str] = {}
        while batch := list(islice(wanted, BATCH)):
            errors: dict[Partition, str] = {}
            for table, descriptor in self._descriptors().items():
                errors.update(self._create(table, descriptor, batch))
            for partition in batch:
                if partition not in errors:
                    self._remember(partition)
            refused.update(errors)
        if refused:
            first, error = next(iter(refused.items()))
            raise CatalogError(
                f"Glue database {self._database!r}: {len(refused)} partitions not registered, "
                f"first detector={first.detector}/day={first.day}: {error}"
            )

    def index_partitions(self) -> None:
        """Create the partition index of each declared table that has none, which Glue needs to find few of many.

        Raises `CatalogError`. Glue fills an index by itself.
        """
        for table in self._descriptors():
            indexes = self._call("get_partition_indexes", DatabaseName=self._database, TableName=table)
            if any(index["IndexName"] == PARTITION_INDEX for index in indexes["PartitionIndexDescriptorList"]):
                continue
            # A table may be written by two deployments.
            self._call(
                "create_partition_index",
                ignored="AlreadyExistsException",
                DatabaseName=self._database,
                TableName=table,
                PartitionIndex={"IndexName": PARTITION_INDEX, "Keys": ["detector", "day"]},
            )

    def _create(
        self, table: str, descriptor: dict[str, Any], batch: list[Partition]
    ) -> Iterator[tuple[Partition, str]]:
        """Create partitions in one table; yield those that failed, each with the reason."""
        inputs = [
            {
                "Values": [partition.detector, partition.day],
                "StorageDescriptor": {**descriptor, "Location": self._location(table, partition)},
            }
            for partition in batch
        ]
        answer = self._call(
            "batch_create_partition", DatabaseName=self._database, TableName=table, PartitionInputList=inputs
        )
        for error in answer.get("Errors", []):
            detail = error.get("ErrorDetail", {})
            if detail.get("ErrorCode") == "AlreadyExistsException":
                continue
            values = error.get("PartitionValues") or []
            reason = f"{table}: {detail.get('ErrorCode', 'unknown error')}: {detail.get('ErrorMessage', '')}".rstrip(
                ": "
            )
            if len(values) == 2:
                yield Partition(values[0], values[1]), reason
            else:
                yield from ((partition, reason) for partition in batch)

    def _location(self, table: str, partition: Partition) -> str:
        return f"{self._store.uri}/tables/{table}/detector={partition.detector}/day={partition.day}/"

    def _descriptors(self) -> dict[str, dict[str, Any]]:
        if not self._declared:
            for name in self._tables:
                found = self._call("get_table", DatabaseName=self._database, Name=name)
                # An object without partition keys is a view, not a declared table.
                if found is not None and found["Table"].get("PartitionKeys"):
                    self._declared[name] = found["Table"]["StorageDescriptor"]
            if not self._declared:
                raise CatalogError(
                    f"Glue database {self._database!r}: has none of the tables {', '.join(self._tables)}"
                )
        return self._declared

    def _call(self, operation: str, *, ignored: str = "", **arguments: Any) -> Any:
        """Call Glue; None if the table does not exist, or for an error with the code `ignored`."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = self._make_client()
            return getattr(self._client, operation)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code in ("EntityNotFoundException" if operation == "get_table" else "", ignored) and code:
                return None
            raise CatalogError(f"Glue database {self._database!r}: {operation}: {error}") from error
        except BotoCoreError as error:
            raise CatalogError(f"Glue database {self._database!r}: {operation}: {error}") from error

    def _is_known(self, partition: Partition) -> bool:
        if partition in self._known:
            return True
        try:
            known = self._store.exists(_marker(partition))
        except StoreError:
            # Glue is called instead.
            return False
        if known:
            self._known.add(partition)
        return known

    def _remember(self, partition: Partition) -> None:
        self._known.add(partition)
        try:
            self._store.put(_marker(partition), b"")
        except StoreError:
            # The next process calls Glue again.
            return


def _marker(partition: Partition) -> str:
    return f"partitions/detector={partition.detector}/day={partition.day}"
