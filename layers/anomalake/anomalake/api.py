"""The way in from Python: find anomalies, open a lake, ask it, export it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO
from warnings import warn
from zoneinfo import ZoneInfo

import pyarrow as pa

from anomalake.definitions.metric_set import CsvFormat
from anomalake.query import output
from anomalake.query.errors import LakeChanged, QueryError, SourceError
from anomalake.query.relations import Relations
from anomalake.records.metric_sets import Source, header_of, write_source
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectStore

if TYPE_CHECKING:
    import pandas as pd

    from anomalake.detection.backtest import Progress
    from anomalake.detection.feedback import Feedback
    from anomalake.lake.bulk import Summary
    from anomalake.lake.compaction import Compaction
    from anomalake.records.executions import Execution
    from anomalake.services.backtest import Outcome

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
            from anomalake.aws.athena_engine import AthenaEngine

            return store, AthenaEngine(store, database, workgroup)
        from anomalake.local.duckdb_engine import DuckDBEngine

        return store, DuckDBEngine(store, store_folder(place))

    connect()
    return LakeHandle(place, connect)


def backtest(
    detector: str | os.PathLike[str],
    *,
    lake: str | os.PathLike[str] | LakeHandle | None = None,
    data: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    scores: str | os.PathLike[str] | None = None,
    page: str = "",
    progress: Progress | None = None,
) -> Outcome:
    """Train a detector on the oldest 70 % of its history, and test it on the rest.

    Parameters
    ----------
    detector
        The detector file, YAML or JSON (docs/detector-file.md).
    lake
        Where its alerts go, and its source data are registered; a second time nothing changes.
    data
        Folder or URI below which the file's relative paths lie; its own folder unless given.
    labels
        CSV file to compare with: timestamp, is_anomaly, measure, and a column a dimension.
    scores
        Parquet file to write every tested point to, with what was expected of it.
    page
        Address of the page that its alerts link to (``consoleUrl``), ``https://…``.
    progress
        Called with what is done, how much of it, and of how much.

    Returns
    -------
    backtesting.Outcome
        ``backtest.groups`` are the anomaly groups that were found, ``evaluated`` how they agree with the labels,
        ``sent`` what became of the alerts.

    Raises
    ------
    DetectorFileError, ReadingError, LabelsError, BacktestError, SettingsError, StoreError, OSError
    EnvironmentFault
        That is no address.

    Examples
    --------
    >>> backtest("shop/detector.yaml", lake="./lake").backtest.groups  # doctest: +SKIP
    """
    from anomalake.services import backtest as backtesting

    return backtesting.backtest(
        Path(detector),
        data=os.fspath(data) if data is not None else None,
        lake=_uri(lake) if lake is not None else None,
        labels=Path(labels) if labels is not None else None,
        scores=Path(scores) if scores is not None else None,
        page=_page(page),
        progress=progress,
    )


def detect(
    detector: str | os.PathLike[str],
    *,
    lake: str | os.PathLike[str] | LakeHandle,
    at: datetime | str | None = None,
    first: datetime | str | None = None,
    last: datetime | str | None = None,
    data: str | os.PathLike[str] | None = None,
    page: str = "",
) -> list[Execution]:
    """Judge one interval of a detector, or each of a span in turn, and take the alerts into a lake.

    Nothing else is called, whatever actions the detector's alerts name. A second time nothing changes.

    Parameters
    ----------
    detector
        The detector file, YAML or JSON.
    at
        The interval that this time lies in, after those that were missed before it. Default: the latest complete one.
    first, last
        Instead: each interval from that of `first` to that of `last` (default: the latest complete one).
        Times without a zone are in the metric set's.
    data
        Folder or URI below which the file's relative paths lie; its own folder unless given.
    page
        Address of the page that its alerts link to (``consoleUrl``), ``https://…``.

    Returns
    -------
    list
        What became of each interval: ``timestamp``, ``status``, ``reason``, ``anomalies``, ``groups``, ``delivered``, …
        A warning tells where the source data could not be registered for queries.

    Raises
    ------
    DetectorFileError, SettingsError, StoreError
    CallError
        Times that contradict each other, or a text that is none.
    EnvironmentFault
        That is no address of a page.
    """
    from anomalake.definitions.detector import read_detector
    from anomalake.local.source_files import open_source_files
    from anomalake.records.executions import SUCCEEDED
    from anomalake.services.detect import live_detector, local_rules, register
    from anomalake.services.lakes import open_writer
    from anomalake.services.times import CallError

    if at is not None and (first is not None or last is not None):
        raise CallError("at is given beside first or last: expected one or the other")
    if last is not None and first is None:
        raise CallError("last is given without first: expected both")
    page = _page(page)
    read = read_detector(Path(detector), data=os.fspath(data) if data is not None else None)
    zone = ZoneInfo(read.timezone)
    wanted, begin, end = (_instant(one, zone) if one is not None else None for one in (at, first, last))
    writer = open_writer(_uri(lake))
    live = live_detector(read, writer, local_rules(read, writer, send=False), page=page)
    runs = live.run(wanted, at_once=_ALL) if begin is None else live.run_span(begin, end)
    executions = [execution for execution, _ in runs]
    judged = next((one for one in executions if one.status == SUCCEEDED), None)
    if judged is not None:
        files = open_source_files(read.metric_set)
        reason = register(writer.store, read.metric_set, files, judged.timestamp)
        if reason is not None:
            warn(f"live_{read.name} has no rows: {reason}", stacklevel=2)
    return executions


#: Nobody limits the time of a call.
_ALL = 1_000_000


def _uri(lake: str | os.PathLike[str] | LakeHandle) -> str:
    return lake.uri if isinstance(lake, LakeHandle) else os.fspath(lake)


def _page(address: str) -> str:
    from anomalake.aws.environment import page_address

    return page_address("page", address)


def _instant(time: datetime | str, zone: tzinfo) -> datetime:
    from anomalake.services.times import instant_of

    return instant_of(time.isoformat() if isinstance(time, datetime) else time, zone)


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

    def query_table(self, sql: str) -> pa.Table:
        """Answer a query as an Arrow table."""
        return self._engine.query(sql)

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

        Raises
        ------
        QueryError
            A file lies where the folder should, or the format is another one.
        OSError
        """
        if format_ not in ("csv", "parquet"):
            raise QueryError(f"format {format_!r}: expected csv or parquet")
        folder = Path(out_dir)
        if folder.exists() and not folder.is_dir():
            raise QueryError(f"{str(folder)!r}: is a file; expected a folder to write to")
        folder.mkdir(parents=True, exist_ok=True)
        return [self._export(name, folder / f"{name}.{format_}", format_) for name in self.relations()]

    def dashboard(self, out: str | os.PathLike[str]) -> Path:
        """Write the page: live values, anomalies, what contributed, in one HTML file that needs no network.

        Returns
        -------
        Path
            The file; its folder is made.

        Raises
        ------
        PageFileError
            A folder lies there.
        StoreError
            The lake does not answer.
        OSError
        """
        from anomalake.services.dashboard import made, write_page

        document, _ = made(self)
        return write_page(document, Path(out)).path

    def feedback(
        self,
        *,
        is_anomaly: bool,
        group: str | None = None,
        series: str | None = None,
        at: datetime | str | None = None,
        detector: str | None = None,
    ) -> list[Feedback]:
        """Say of an affected metric, or of all of a group, whether it truly was an anomaly; later scores heed it.

        Parameters
        ----------
        group, series
            An ``anomaly_group_id``, a ``time_series_id``, or both: that metric of that group.
        at
            Start of the interval, UTC unless it names a zone; needed for a metric without a group.
        detector
            Its name; needed where several have the metric.

        Returns
        -------
        list
            What was noted, one a metric and interval.

        Raises
        ------
        UnknownAnomaly
            The lake knows no such group, or the metric was not judged in that interval.
        """
        from anomalake.services.feedback import give_feedback

        return give_feedback(
            self._store, detector=detector, group_id=group, series_id=series,
            at=_instant(at, UTC) if at is not None else None, is_anomaly=is_anomaly, now=datetime.now(UTC),
        )  # fmt: skip

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
        from anomalake.services import maintenance

        return maintenance.replay(self.uri, [os.fspath(one) for one in sources], formats=formats, workers=workers)

    def compact(self) -> Compaction:
        """Merge small files; in S3 the old ones stay for an hour, in a folder they go at once."""
        from anomalake.services import maintenance

        return maintenance.compact(self.uri)

    def rebuild(self, *, formats: str | None = None, workers: int = 1) -> Summary:
        """Write the tables anew from the originals, in the lake's formats or in others."""
        from anomalake.services import maintenance

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
                    self._write_slices(name, unfinished, format_)
                    unfinished.replace(path)
                    return path
                except LakeChanged:
                    continue
            raise QueryError(f"{self.uri}: its files keep changing; ask again")
        finally:
            unfinished.unlink(missing_ok=True)

    def _write_slices(self, name: str, path: Path, format_: str) -> None:
        # One engine for all: it may keep what each slice needs.
        engine = self._engine
        queries = engine.slices(name)
        with ExitStack() as stack:
            first = stack.enter_context(engine.stream(queries[0]))

            def batches() -> Iterator[pa.RecordBatch]:
                yield from first
                for query in queries[1:]:
                    with engine.stream(query) as more:
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
