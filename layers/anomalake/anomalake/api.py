"""The way in from Python: open a lake, ask it, export it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import pyarrow as pa

from anomalake.adapters.objects import open_store
from anomalake.catalog import output
from anomalake.catalog.errors import LakeChanged, QueryError, SourceError
from anomalake.catalog.relations import Relations
from anomalake.catalog.sources import Source, header_of, write_source
from anomalake.lake.store import ObjectStore
from anomalake.sources.metric_set import CsvFormat

if TYPE_CHECKING:
    import pandas as pd

    from anomalake.lake.bulk import Summary
    from anomalake.lake.compaction import Compaction

#: How often a file is exported anew when compaction changed the lake meanwhile.
TRIES = 10


class Engine(Protocol):
    """What answers queries."""

    relations: Relations

    def query(self, sql: str) -> pa.Table:
        """Answer a query whole."""
        ...

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """Answer a query batch by batch."""
        ...

    def slices(self, name: str) -> list[str]:
        """Queries that together give a whole relation, each small enough for the engine."""
        ...


def open_lake(uri: str | os.PathLike[str], *, database: str | None = None, workgroup: str | None = None) -> LakeHandle:
    """Open a lake to ask it.

    Parameters
    ----------
    uri
        A folder or ``s3://bucket/prefix``.
    database, workgroup
        For a lake in S3: Glue database and Athena workgroup. Default: ``ANOMALAKE_DATABASE``, ``ANOMALAKE_WORKGROUP``.

    Examples
    --------
    >>> open_lake("./lake").query("SELECT * FROM metric_values")  # doctest: +SKIP
    """
    place = os.fspath(uri)

    def connect() -> tuple[ObjectStore, Engine]:
        store = open_store(place, create=False)
        if place.startswith("s3://"):
            from anomalake.adapters.athena_engine import AthenaEngine

            return store, AthenaEngine(store, database, workgroup)
        from anomalake.adapters.duckdb_engine import DuckDBEngine

        return store, DuckDBEngine(store, store_folder(place))

    connect()
    return LakeHandle(place, connect)


def store_folder(uri: str) -> Path:
    """The folder that a local lake's URI names."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(uri)
    return Path(unquote(parts.path) if parts.scheme == "file" else uri).expanduser()


class LakeHandle:
    """An open lake.

    Every method that asks raises `QueryError` for a query that cannot be answered.
    """

    def __init__(self, uri: str, connect: Callable[[], tuple[ObjectStore, Engine]]) -> None:
        self.uri = uri
        # Anew for each call: it is cheap, and a lake that was not there may be there now.
        self._connect = connect

    @property
    def _store(self) -> ObjectStore:
        return self._connect()[0]

    @property
    def _engine(self) -> Engine:
        return self._connect()[1]

    def query(self, sql: str) -> pd.DataFrame:
        """Answer a query in Athena's dialect as a DataFrame: exact decimals, maps as dicts, nullable whole numbers."""
        import pandas as pd

        types = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = self._engine.query(sql).to_pandas(types_mapper=types.get, maps_as_pydicts="strict")
        return frame

    def query_rows(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Answer a query as column names and rows, without pandas."""
        table = self._engine.query(sql)
        return table.schema.names, list(output.rows_of(table.to_batches()))

    def write(self, sql: str, format_: str, out: TextIO) -> None:
        """Write a query's answer as ``table``, ``csv`` or ``json``."""
        if format_ not in output.WRITERS:
            raise QueryError(f"format {format_!r}: expected {', '.join(output.WRITERS)}")
        columns, rows = self.query_rows(sql)
        output.WRITERS[format_](columns, rows, out)

    def relations(self) -> list[str]:
        """Names of all relations that can be asked for."""
        return self._engine.relations.names()

    def export(self, out_dir: str | os.PathLike[str], format_: str = "csv") -> list[Path]:
        """Write every relation into a folder as ``<relation>.csv`` or ``<relation>.parquet``.

        Rows are written as they come, so memory stays flat; a file appears when it is complete.

        Returns
        -------
        list
            The files.
        """
        if format_ not in ("csv", "parquet"):
            raise QueryError(f"format {format_!r}: expected csv or parquet")
        folder = Path(out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        return [self._export(name, folder / f"{name}.{format_}", format_) for name in self.relations()]

    def replay(self, *sources: str | os.PathLike[str], formats: str | None = None, workers: int = 1) -> Summary:
        """Load stored alerts: files, folders, ``s3://`` prefixes; what was loaded before is passed over.

        Parameters
        ----------
        formats
            Table formats of a new lake: ``parquet``, ``csv`` or ``parquet,csv``.
        workers
            Processes; more than one wants a ``__main__`` that can be imported, as multiprocessing does.

        Raises
        ------
        SourceError
            A source is not there.
        """
        from anomalake import maintenance

        return maintenance.replay(self.uri, [os.fspath(one) for one in sources], formats=formats, workers=workers)

    def compact(self) -> Compaction:
        """Merge small files; in S3 the old ones stay for an hour, in a folder they go at once."""
        from anomalake import maintenance

        return maintenance.compact(self.uri)

    def rebuild(self, *, formats: str | None = None, workers: int = 1) -> Summary:
        """Write the tables anew from the originals, in the lake's formats or in others."""
        from anomalake import maintenance

        return maintenance.rebuild(self.uri, formats=formats, workers=workers)

    def register_source(self, source: Source) -> Source:
        """Note where a detector's source data lies, so that its ``live_`` relation has rows.

        Where CSV files have a header and the source lists no columns, they are read off the first file.

        Raises
        ------
        SourceError
            There is no file, or it lacks a column.
        """
        if isinstance(source.file_format, CsvFormat) and not source.file_format.header_list and source_is_in_s3(source):
            header = _header_in_s3(source, source.file_format)
            source = replace(source, file_format=replace(source.file_format, header_list=header))
        if "://" not in self.uri or self.uri.startswith("file://"):
            store_folder(self.uri).mkdir(parents=True, exist_ok=True)
        write_source(self._store, source)
        return source

    def _export(self, name: str, path: Path, format_: str) -> Path:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            for _ in range(TRIES):
                try:
                    self._write_slices(self._engine.slices(name), unfinished, format_)
                    unfinished.replace(path)
                    return path
                except LakeChanged:
                    continue
            raise QueryError(f"{self.uri}: its files keep changing; ask again")
        finally:
            unfinished.unlink(missing_ok=True)

    def _write_slices(self, queries: list[str], path: Path, format_: str) -> None:
        with ExitStack() as stack:
            first = stack.enter_context(self._engine.stream(queries[0]))

            def batches() -> Iterator[pa.RecordBatch]:
                yield from first
                for query in queries[1:]:
                    with self._engine.stream(query) as more:
                        yield from more

            if format_ == "parquet":
                output.write_parquet(pa.RecordBatchReader.from_batches(first.schema, batches()), str(path))
            else:
                with path.open("w", encoding="utf-8", newline="") as out:
                    output.write_csv(first.schema.names, output.rows_of(batches()), out)


def source_is_in_s3(source: Source) -> bool:
    """Whether a source's files lie in S3."""
    return any(path.startswith("s3://") for path in (*source.historical_data_path_list, *source.templated_path_list))


def _header_in_s3(source: Source, csv: CsvFormat) -> tuple[str, ...]:
    for path in (*source.historical_data_path_list, *source.templated_path_list):
        for store, key in _files_in_s3(path):
            header = header_of(store.get(key), csv)
            missing = [name for name in source.columns if name not in header]
            if missing:
                raise SourceError(
                    f"{store.uri}/{key}: line 1: no column {missing[0]!r}; it has {', '.join(header)[:200]}"
                )
            return header
    raise SourceError(f"source of {source.detector_arn}: no file under its paths; expected one with a header")


def _files_in_s3(path: str) -> Iterator[tuple[ObjectStore, str]]:
    bucket, _, prefix = path.partition("{{")[0].removeprefix("s3://").partition("/")
    folder = prefix if not prefix or prefix.endswith("/") or "{{" not in path else prefix[: prefix.rfind("/") + 1]
    store = open_store(f"s3://{bucket}")
    for found in store.list(folder.rstrip("/")):
        yield store, found.key
