"""The way in from Python: find anomalies, open a lake, ask it, export it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from warnings import warn
from zoneinfo import ZoneInfo

import pyarrow as pa

from anomalake.query import output
from anomalake.query.errors import QueryError
from anomalake.services.lakes import LakeConnection

if TYPE_CHECKING:
    import pandas as pd

    from anomalake.definitions.metric_set import MetricSet
    from anomalake.detection.backtest import Progress
    from anomalake.lake.bulk import Summary
    from anomalake.lake.compaction import Compaction
    from anomalake.records.executions import Execution
    from anomalake.records.feedback import Feedback
    from anomalake.services.backtest import BacktestOutcome


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
    return LakeHandle(LakeConnection(uri, database=database, workgroup=workgroup))


def backtest(
    detector: str | os.PathLike[str],
    *,
    lake: str | os.PathLike[str] | LakeHandle | None = None,
    data: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    scores: str | os.PathLike[str] | None = None,
    page: str = "",
    progress: Progress | None = None,
) -> BacktestOutcome:
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
    PageUrlError
        The page's URL is invalid.

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
    UsageError
        Times that contradict each other, or a text that is none.
    PageUrlError
        The page's URL is invalid.
    """
    from anomalake.definitions.detector_file import read_detector
    from anomalake.services import detect as detection
    from anomalake.services.times import span_of

    page = _page(page)
    read = read_detector(Path(detector), data=os.fspath(data) if data is not None else None)
    span = span_of(at, first, last, ZoneInfo(read.timezone))
    intervals = list(detection.detect(read, _uri(lake), span, page=page))
    for interval in intervals:
        if interval.unregistered is not None:
            warn(f"live_{read.name} has no rows: {interval.unregistered}", stacklevel=2)
    return [interval.execution for interval in intervals]


def _uri(lake: str | os.PathLike[str] | LakeHandle) -> str:
    return lake.uri if isinstance(lake, LakeHandle) else os.fspath(lake)


def _page(url: str) -> str:
    from anomalake.notify.page_url import page_url

    return page_url("page", url)


class LakeHandle:
    """An open lake.

    Every method that asks raises `QueryError` for a query that cannot be answered.
    """

    def __init__(self, connection: LakeConnection) -> None:
        self._connection = connection

    @property
    def uri(self) -> str:
        """The lake's URI."""
        return self._connection.uri

    def query(self, sql: str) -> pd.DataFrame:
        """Answer a query in Athena's dialect as a DataFrame: exact decimals, maps as dicts, nullable whole numbers."""
        import pandas as pd

        types = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = self._connection.engine.query(sql).to_pandas(
            types_mapper=types.get, maps_as_pydicts="strict"
        )
        return frame

    def query_table(self, sql: str) -> pa.Table:
        """Answer a query as an Arrow table."""
        return self._connection.engine.query(sql)

    def query_rows(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Answer a query as column names and rows, without pandas."""
        table = self._connection.engine.query(sql)
        return table.schema.names, list(output.rows_of(table.to_batches()))

    def write(self, sql: str, format_: str, out: TextIO) -> None:
        """Write a query's answer as ``table``, ``csv`` or ``json``."""
        if format_ not in output.WRITERS:
            raise QueryError(f"format {format_!r}: expected {', '.join(output.WRITERS)}")
        columns, rows = self.query_rows(sql)
        output.WRITERS[format_](columns, rows, out)

    def relations(self) -> list[str]:
        """Names of all relations that can be asked for."""
        return self._connection.engine.relations.names()

    def export(self, out_dir: str | os.PathLike[str], format_: str = "csv") -> list[Path]:
        """Write every relation into a folder as ``<relation>.csv`` or ``<relation>.parquet``.

        Rows are written batch by batch, so memory use does not grow with the lake. A file appears when it is complete.

        Returns
        -------
        list
            The files.

        Raises
        ------
        QueryError
            The folder is a file, or the format is unknown.
        OSError
        """
        from anomalake.services.export import export

        return export(self._connection, Path(out_dir), format_)

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
        from anomalake.services.dashboard import make_document, write_page

        document, _ = make_document(self._connection)
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
        """Record whether an affected metric, or each of a group, was an anomaly; later scores take it into account.

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
        UnknownAnomalyError
            The lake knows no such group, or the metric was not judged in that interval.
        """
        from anomalake.services.feedback import give_feedback
        from anomalake.services.times import instant_of

        return give_feedback(
            self._connection.store, detector=detector, group_id=group, series_id=series,
            at=instant_of(at) if at is not None else None, is_anomaly=is_anomaly, now=datetime.now(UTC),
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

    def register_source(self, metric_set: MetricSet) -> MetricSet:
        """Register a detector's source data, so that its ``live_`` relation has rows.

        Where CSV files in S3 have a header and the metric set lists no columns, they are read from the first file.

        Raises
        ------
        SourceError
            There is no file, it lacks a column, or queries cannot read the source.
        """
        from anomalake.services.source_registration import register_source

        self._connection.create()
        return register_source(self._connection.store, metric_set)
