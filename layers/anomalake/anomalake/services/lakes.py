"""Lakes by URI: opened for queries, or to write alerts to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from anomalake.definitions.errors import SourceError
from anomalake.lake import layout
from anomalake.lake.lake import Lake
from anomalake.lake.ports import Catalog, NoCatalog
from anomalake.lake.settings import DEFAULT_FORMATS, SettingsError, parse_formats, read_formats, write_formats
from anomalake.query.errors import QueryError
from anomalake.records import columns as column_records
from anomalake.storage.objects import open_store, store_folder
from anomalake.storage.store import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

    from anomalake.query.relations import Relations


class QueryEngine(Protocol):
    """Answers queries on a lake."""

    relations: Relations

    def query(self, sql: str) -> pa.Table:
        """Answer a query as one table."""
        ...

    def prepared(self, queries: Iterable[str]) -> AbstractContextManager[Callable[[str], pa.Table]]:
        """Yield what answers queries; several threads may call it. It takes less for the given ones than `query`."""
        ...

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """Answer a query batch by batch."""
        ...

    def slices(self, name: str) -> AbstractContextManager[list[str]]:
        """Queries that together return a whole relation, each small enough for the engine."""
        ...


class LakeConnection:
    """A lake's object store and query engine, each opened once.

    Parameters
    ----------
    uri
        A folder or ``s3://bucket/prefix``.
    database, workgroup
        Of a lake in S3: Glue database and Athena workgroup. Default: ``ANOMALAKE_DATABASE``, ``ANOMALAKE_WORKGROUP``.

    Raises
    ------
    LakeUriError
        The URI does not name a folder or bucket.
    StoreError
        There are no AWS credentials.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        database: str | None = None,
        workgroup: str | None = None,
    ) -> None:
        self.uri = os.fspath(uri)
        self._database = database
        self._workgroup = workgroup
        self._store = open_store(self.uri, create=False)
        self._exists = self._folder_exists()
        self._engine: QueryEngine | None = None

    @property
    def is_in_s3(self) -> bool:
        """Whether the lake is in S3."""
        return self.uri.startswith("s3://")

    @property
    def store(self) -> ObjectStore:
        """The lake's object store."""
        if not self._exists and self._folder_exists():
            # The folder was made after the connection was opened.
            self._store, self._engine, self._exists = open_store(self.uri, create=False), None, True
        return self._store

    @property
    def engine(self) -> QueryEngine:
        """The lake's query engine: Athena for S3, DuckDB for a folder."""
        store = self.store
        if self._engine is None:
            self._engine = self._open_engine(store)
        return self._engine

    def create(self) -> None:
        """Make the folder of a lake that is not in S3."""
        if not self.is_in_s3:
            store_folder(self.uri).mkdir(parents=True, exist_ok=True)

    def _folder_exists(self) -> bool:
        return self.is_in_s3 or store_folder(self.uri).exists()

    def _open_engine(self, store: ObjectStore) -> QueryEngine:
        if self.is_in_s3:
            from anomalake.aws.athena_engine import AthenaEngine

            return AthenaEngine(store, self._database, self._workgroup)
        from anomalake.local.duckdb_engine import DuckDBEngine

        database = self._database or os.environ.get("ANOMALAKE_DATABASE") or "anomalake"
        return DuckDBEngine(store, store_folder(self.uri), database)


def open_writer(uri: str, formats: str | None = None) -> Lake:
    """Open a lake for writing, in the formats that it was created with.

    Parameters
    ----------
    uri
        A folder or ``s3://bucket/prefix``; a folder is created.
    formats
        Of a new lake: ``parquet``, ``csv`` or ``parquet,csv``. Default: ``ANOMALAKE_FORMATS``, else parquet.

    Raises
    ------
    SettingsError
        The lake has other formats.
    """
    store = open_store(uri)
    wanted = formats or os.environ.get("ANOMALAKE_FORMATS")
    stored = read_formats(store)
    if stored is None:
        stored = parse_formats(wanted) if wanted else DEFAULT_FORMATS
        write_formats(store, stored)
    elif wanted and set(parse_formats(wanted)) != set(stored):
        raise SettingsError(
            f"{uri}: its tables are {','.join(stored)}, not {wanted}; a rebuild with formats {wanted} changes them"
        )
    _record_columns(store)
    return Lake(store, _catalog(uri, store), stored)


def _record_columns(store: ObjectStore) -> None:
    """Record the columns that the relations of a lake have, before new names arrive.

    Relations record them when they are made; those that an earlier version of anomalake made did not.
    """
    if _is_empty(store, layout.SHAPES) or not _is_empty(store, column_records.FOLDER):
        return
    from anomalake.query.detectors import DetectorSchemas

    # A record that cannot be read is an error of queries, not of this lake's writer.
    with suppress(QueryError, SourceError):
        DetectorSchemas(store).all()


def _is_empty(store: ObjectStore, folder: str) -> bool:
    return next(iter(store.list(folder)), None) is None


def open_existing(uri: str) -> Lake:
    """Open an existing lake for writing.

    Raises
    ------
    SettingsError
        There is no lake at the URI.
    """
    store = open_store(uri, create=False)
    formats = read_formats(store)
    if formats is None and _is_empty(store, layout.ORIGINALS):
        raise SettingsError(f"lake {uri!r}: there is no lake; expected one that alerts were loaded into")
    return Lake(store, _catalog(uri, store), formats or DEFAULT_FORMATS)


def reopen(uri: str, formats: Sequence[str]) -> partial[Lake]:
    """A picklable function that opens the lake again, in another process."""
    return partial(_plain_lake, uri, tuple(formats))


def _plain_lake(uri: str, formats: tuple[str, ...]) -> Lake:
    return Lake(open_store(uri), None, formats)


def _catalog(uri: str, store: ObjectStore) -> Catalog:
    database = os.environ.get("ANOMALAKE_DATABASE")
    if not uri.startswith("s3://") or not database:
        return NoCatalog()
    from anomalake.aws.glue import GlueCatalog

    return GlueCatalog(store, database)
