"""The Python API: detection, and lakes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from warnings import warn
from zoneinfo import ZoneInfo

import pyarrow as pa

from anomalake.errors import require
from anomalake.files import path_of
from anomalake.query import output
from anomalake.query.errors import QueryError
from anomalake.services.lakes import LakeConnection

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession

    from anomalake.definitions.metric_set import MetricSet
    from anomalake.detection.backtest import Progress
    from anomalake.lake.bulk import Summary
    from anomalake.lake.compaction import Compaction
    from anomalake.records.executions import Execution
    from anomalake.records.feedback import Feedback
    from anomalake.services.backtests.backtest import BacktestOutcome
    from anomalake.services.engines import EngineName


def open_lake(uri: str | os.PathLike[str], *, database: str | None = None, workgroup: str | None = None) -> LakeHandle:
    """Open a lake for queries.

    Parameters
    ----------
    uri
        A folder or ``s3://bucket/prefix``.
    database, workgroup
        Of a lake in S3: Glue database and Athena workgroup. Default: ``ANOMALAKE_DATABASE``, ``ANOMALAKE_WORKGROUP``.

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
    engine: EngineName = "process",
    spark: SparkSession | None = None,
) -> BacktestOutcome:
    """Train a detector on the oldest 70 % of its history, and test it on the rest.

    Parameters
    ----------
    detector
        The detector file, YAML or JSON (docs/detector-file.md).
    lake
        Lake for the alerts; the source data are registered there. Repeating a backtest changes nothing.
    data
        Base of the file's relative paths, a folder or URI. Default: the folder of the file.
    labels
        CSV file with labels: timestamp, is_anomaly, measure, and one column for each dimension.
    scores
        Parquet file to write, with every tested point and its expected range.
    page
        URL of the page that alerts link to (``consoleUrl``), ``https://…``.
    progress
        Called with the name of the step, the number of units done, and of all units.
    engine
        ``process``: this machine. ``spark``: files are read and blocks of series judged by a Spark session, with the
        same results, but that no judged points are left in memory; on a cluster the lake must be in S3.
    spark
        The Spark session. Default: the active one, or a new one.

    Returns
    -------
    BacktestOutcome
        ``backtest.groups`` are the anomaly groups, ``backtest.near_misses()`` the most unusual points where there is no
        anomaly, ``evaluated`` the figures against labels, ``sent`` the alerts in the lake.

    Raises
    ------
    DetectorFileError, ReadingError, LabelsError, BacktestError, SettingsError, StoreError, OSError
    PageUrlError
        The page's URL is invalid.
    EngineError, TaskError
        There is no such engine, or its tasks failed.

    Examples
    --------
    >>> backtest("shop/detector.yaml", lake="./lake").backtest.groups  # doctest: +SKIP
    """
    from anomalake.services.backtests import backtest as backtesting
    from anomalake.services.engines import engine_of

    return backtesting.backtest(
        path_of("detector", detector),
        data=os.fspath(data) if data is not None else None,
        lake=_uri(lake) if lake is not None else None,
        labels=path_of("labels", labels) if labels is not None else None,
        scores=path_of("scores", scores) if scores is not None else None,
        page=_page(page),
        progress=progress,
        engine=engine_of(engine, spark),
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
    engine: EngineName = "process",
    spark: SparkSession | None = None,
) -> list[Execution]:
    """Detect anomalies in one interval, or in each interval of a span, and write the alerts to a lake.

    The actions of the detector's alerts are not called. Repeating a call changes nothing.

    Parameters
    ----------
    detector
        The detector file, YAML or JSON.
    at
        A time in the interval; missed intervals before it come first. Default: the latest complete interval.
    first, last
        Instead of `at`: times in the first and the last interval. Default of `last`: the latest complete interval.
        Times without a zone are in the metric set's zone.
    data
        Base of the file's relative paths, a folder or URI. Default: the folder of the file.
    page
        URL of the page that alerts link to (``consoleUrl``), ``https://…``.
    engine, spark
        As for `backtest`.

    Returns
    -------
    list
        One `Execution` for each interval: ``timestamp``, ``status``, ``reason``, ``anomalies``, ``groups``,
        ``delivered``, … There is a warning if the source data could not be registered for queries.

    Raises
    ------
    DetectorFileError, SettingsError, StoreError
    UsageError
        Arguments that contradict each other, or an invalid time.
    PageUrlError
        The page's URL is invalid.
    EngineError, TaskError
        There is no such engine, or its tasks failed.
    """
    from anomalake.definitions.detector_file import read_detector
    from anomalake.services import detect as detection
    from anomalake.services.engines import engine_of
    from anomalake.services.times import span_of

    page = _page(page)
    read = read_detector(path_of("detector", detector), data=os.fspath(data) if data is not None else None)
    span = span_of(at, first, last, ZoneInfo(read.timezone))
    intervals = list(detection.detect(read, _uri(lake), span, page=page, engine=engine_of(engine, spark)))
    for interval in intervals:
        if interval.unregistered is not None:
            warn(f"live_{read.name} has no rows: {interval.unregistered}", stacklevel=2)
    return [interval.execution for interval in intervals]


def _uri(lake: str | os.PathLike[str] | LakeHandle) -> str:
    return lake.uri if isinstance(lake, LakeHandle) else os.fspath(lake)


def _page(url: str) -> str:
    from anomalake.notify.page_url import page_url

    return page_url("page", url)


def root_causes(
    frame: Any,
    *,
    dimensions: str | Sequence[str],
    actual: str = "actual",
    expected: str = "expected",
    lower: str | None = None,
    upper: str | None = None,
) -> Any:
    """Find the root causes of deviations in a data frame: the dimension values below which rows are off together.

    Parameters
    ----------
    frame
        A data frame of pandas or Polars, a PyArrow table, a DuckDB relation, or anything else with Arrow's C stream
        interface: a row for each combination of dimension values in one interval, and for one measure.
    dimensions
        Columns, at most 20. A row without a value in one of them has none of its causes there.
    actual, expected
        Columns with the observed and the expected value. Rows without one of them are left out.
    lower, upper
        Columns with the range in which a value is no anomaly. Without them, the noise is estimated by the rows; with
        them, small frames give better results.

    Returns
    -------
    frame
        Of the same library, a row for each cause: ``rank``, the dimensions (null: any value), ``share_off`` (-0.62 is
        62 % less than expected; infinite where nothing was expected), ``explained`` (its share in all deviations in the
        same direction that are not noise, 0 to 1), ``gain`` (evidence in nats, less the cost of naming it). No row
        where the deviations are noise.

    Raises
    ------
    FrameError
        The frame or an argument cannot be used.

    Examples
    --------
    >>> root_causes(frame, dimensions=["carrier", "origin"], lower="lower", upper="upper")  # doctest: +SKIP
    """
    from anomalake.services import root_causes as service

    return service.root_causes(frame, dimensions, actual, expected, lower, upper)


class LakeHandle:
    """An open lake.

    Methods that run a query raise `QueryError` if it cannot be answered.
    """

    def __init__(self, connection: LakeConnection) -> None:
        self._connection = connection

    @property
    def uri(self) -> str:
        """The lake's URI."""
        return self._connection.uri

    def query(self, sql: str) -> pd.DataFrame:
        """Run a query in Athena's dialect.

        Returns
        -------
        pandas.DataFrame
            Decimals are exact, maps are dicts, integers are nullable.

        Raises
        ------
        QueryError
            The query cannot be answered.
        MissingExtraError
            pandas is not installed.
        """
        require("pandas", extra="pandas")
        import pandas as pd

        types = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = self._connection.engine.query(sql).to_pandas(
            types_mapper=types.get, maps_as_pydicts="strict"
        )
        return frame

    def query_table(self, sql: str) -> pa.Table:
        """Run a query; return an Arrow table."""
        return self._connection.engine.query(sql)

    def query_rows(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a query; return column names and rows, without pandas."""
        table = self._connection.engine.query(sql)
        return table.schema.names, list(output.rows_of(table.to_batches()))

    def write(self, sql: str, format_: str, out: TextIO) -> None:
        """Run a query, and write the answer as ``table``, ``csv`` or ``json``."""
        if format_ not in output.WRITERS:
            raise QueryError(f"format {format_!r}: expected {', '.join(output.WRITERS)}")
        columns, rows = self.query_rows(sql)
        output.WRITERS[format_](columns, rows, out)

    def relations(self) -> list[str]:
        """Names of all relations."""
        return self._connection.engine.relations.names()

    def export(
        self,
        out_dir: str | os.PathLike[str],
        format_: str = "csv",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Path]:
        """Write every relation into a folder as ``<relation>.csv`` or ``<relation>.parquet``.

        Rows are written batch by batch, so memory use does not grow with the lake. A file appears when it is complete.

        Parameters
        ----------
        progress
            Called with the number of relations that are done, and of all.

        Returns
        -------
        list
            The files.

        Raises
        ------
        QueryError
            The folder is a file, or the format is unknown.
        IncompleteExportError
            Relations cannot be read. The others are written.
        OSError
        """
        from anomalake.services.export import export

        return export(self._connection, path_of("out_dir", out_dir), format_, progress)

    def dashboard(self, out: str | os.PathLike[str]) -> Path:
        """Write the page: live values, anomalies and contributions in one HTML file that needs no network.

        Returns
        -------
        Path
            The file; its folder is created.

        Raises
        ------
        PageFileError
            There is a folder with that name.
        StoreError
            The lake cannot be read.
        IncompletePageError
            A part of the lake cannot be read. The page is written, and shows the rest.
        OSError
        """
        from anomalake.services.dashboard import check_complete, make_document, write_page

        path = path_of("out", out)
        document, _ = make_document(self._connection)
        written = write_page(document, path)
        check_complete(written)
        return written.path

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
            Start of the interval, UTC unless it has a zone; required for a metric without a group.
        detector
            Name of the detector; required if several have the metric.

        Returns
        -------
        list
            The recorded feedback, one item for each metric and interval.

        Raises
        ------
        UnknownAnomalyError
            There is no such group, or no judgement of the metric in that interval.
        """
        from anomalake.services.feedback import give_feedback
        from anomalake.services.times import instant_of

        return give_feedback(
            self._connection.store, detector=detector, group_id=group, series_id=series,
            at=instant_of(at) if at is not None else None, is_anomaly=is_anomaly, now=datetime.now(UTC),
        )  # fmt: skip

    def replay(
        self,
        *sources: str | os.PathLike[str],
        formats: str | None = None,
        workers: int = 1,
        engine: EngineName = "process",
        spark: SparkSession | None = None,
    ) -> Summary:
        """Load stored alerts from files, folders or ``s3://`` prefixes; alerts that are in the lake are skipped.

        Parameters
        ----------
        formats
            Table formats of a new lake: ``parquet``, ``csv`` or ``parquet,csv``.
        workers
            Number of processes. Several need a ``__main__`` that can be imported, as in multiprocessing.
        engine, spark
            As for `backtest`; with ``spark``, sources of a cluster must be in S3.

        Raises
        ------
        ReplaySourceError
            A source does not exist.
        EngineError, TaskError
            There is no such engine, or its tasks failed.
        """
        from anomalake.services import maintenance
        from anomalake.services.engines import engine_of

        names = [os.fspath(source) for source in sources]
        return maintenance.replay(self.uri, names, formats=formats, workers=workers, engine=engine_of(engine, spark))

    def compact(self) -> Compaction:
        """Merge small files. In S3 the merged files are kept for an hour, in a folder they are deleted at once."""
        from anomalake.services import maintenance

        return maintenance.compact(self.uri)

    def rebuild(
        self,
        *,
        formats: str | None = None,
        workers: int = 1,
        engine: EngineName = "process",
        spark: SparkSession | None = None,
    ) -> Summary:
        """Write the tables again from the originals, in the lake's formats or in others.

        `engine` and `spark` are as for `backtest`.
        """
        from anomalake.services import maintenance
        from anomalake.services.engines import engine_of

        return maintenance.rebuild(self.uri, formats=formats, workers=workers, engine=engine_of(engine, spark))

    def register_source(self, metric_set: MetricSet | Mapping[str, Any]) -> MetricSet:
        """Register a detector's source data, so that its ``live_`` relation has rows.

        If CSV files in S3 have a header and the metric set lists no columns, the columns are read from the first file,
        and the types of Parquet's columns likewise. A line break in a quoted cell there is a warning, because Athena
        reads such a row wrongly.

        Parameters
        ----------
        metric_set
            A metric set, or the fields of a CreateMetricSet request with the detector's ``AnomalyDetectorArn``.

        Returns
        -------
        MetricSet
            The metric set as it is registered.

        Raises
        ------
        SourceError
            A field is missing or invalid, there is no file, a column is missing, or queries cannot read the source.
        """
        from anomalake.definitions.metric_set import MetricSet
        from anomalake.definitions.metric_set_fields import metric_set_from_fields
        from anomalake.services.sources import register_source

        if not isinstance(metric_set, MetricSet):
            metric_set = metric_set_from_fields(metric_set)
        self._connection.create()
        return register_source(self._connection.store, metric_set, warn=lambda line: warn(line, stacklevel=4))
