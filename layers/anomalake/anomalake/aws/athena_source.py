"""Source data in Athena tables."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyarrow import csv
from sqlglot import exp

from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import AthenaTable, MetricSet
from anomalake.errors import first_line, one_line, require
from anomalake.query.templates import DIALECT
from anomalake.query.time_formats import to_strptime
from anomalake.storage.store import StoreError

BLOCK_BYTES = 8_000_000

# No time zone sets its clocks back by more than this, so bounds on wall-clock times with this margin exclude no row.
_CLOCK_MARGIN = timedelta(hours=3)


_DENIED = re.compile(r"access ?denied|not authorized|insufficient permission", re.IGNORECASE)
_DENIED_HINT = (
    "expected permission: a stack reads the databases of its parameters DatabaseName and SourceDatabases, with data in "
    "its bucket or in SourceBucket"
)


class RunQuery(Protocol):
    """Runs a query and downloads its result, a CSV file."""

    def __call__(self, sql: str, table: AthenaTable, file: Path) -> None:
        """Run a query; raises `StoreError`."""
        ...


class AthenaTables:
    """`SourceTables` that Athena queries.

    Parameters
    ----------
    run
        Runs a query; default: awswrangler.
    """

    def __init__(self, run: RunQuery | None = None) -> None:
        self._run = run or run_query

    def rows(self, metric_set: MetricSet, low: datetime | None, high: datetime | None) -> Iterator[pa.RecordBatch]:
        assert metric_set.athena is not None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "answer.csv"
            self._run(statement(metric_set, low, high), metric_set.athena, file)
            yield from _read_answer(file, metric_set)


def statement(metric_set: MetricSet, low: datetime | None, high: datetime | None) -> str:
    """Return the query for the rows of a table, in Athena's dialect.

    Rows with an invalid timestamp are included, so that the reader counts them as invalid.
    """
    table = metric_set.athena
    assert table is not None
    timestamp = exp.column(metric_set.timestamp_column, quoted=True)
    typed = not table.timestamp_is_text
    selected: exp.Expr = timestamp.copy()
    if typed:
        # The cast to a timestamp turns a date into its midnight.
        selected = exp.cast(exp.cast(timestamp.copy(), "TIMESTAMP(0)"), "VARCHAR")
    columns = [exp.alias_(selected, metric_set.timestamp_column, quoted=True)]
    columns += [_cast(name, "VARCHAR") for name in metric_set.dimension_list]
    columns += [_cast(name, "DOUBLE") for name in metric_set.measures]
    source = exp.table_(table.table_name, db=table.database_name, catalog=table.data_catalog, quoted=True)
    query = exp.select(*columns).from_(source)
    clock = timestamp if typed else _parsed(metric_set, timestamp)
    bounds = _bounds(metric_set, clock, low, high) if clock is not None else []
    if bounds and not typed and clock is not None:
        query = query.where(exp.or_(exp.and_(*bounds), clock.copy().is_(exp.null())))
    elif bounds:
        query = query.where(*bounds)
    return query.sql(DIALECT)


def _cast(name: str, type_: str) -> exp.Expr:
    return exp.alias_(exp.cast(exp.column(name, quoted=True), type_), name, quoted=True)


def _parsed(metric_set: MetricSet, timestamp: exp.Expr) -> exp.Expr | None:
    """Return a text as a wall-clock time, null if it is invalid; None if SQL has no format for the pattern."""
    try:
        format_ = to_strptime(metric_set.timestamp_format)
    except SourceError:
        return None
    return exp.Try(this=exp.StrToTime(this=timestamp.copy(), format=exp.Literal.string(format_)))


def _bounds(metric_set: MetricSet, clock: exp.Expr, low: datetime | None, high: datetime | None) -> list[exp.Expr]:
    bounds: list[exp.Expr] = []
    if low is not None:
        bounds.append(exp.GTE(this=clock.copy(), expression=_wall_clock(low - _CLOCK_MARGIN, metric_set)))
    if high is not None:
        bounds.append(exp.LT(this=clock.copy(), expression=_wall_clock(high + _CLOCK_MARGIN, metric_set)))
    return bounds


def _wall_clock(instant: datetime, metric_set: MetricSet) -> exp.Expr:
    local = instant.astimezone(ZoneInfo(metric_set.timezone)).replace(tzinfo=None, microsecond=0)
    return exp.cast(exp.Literal.string(local.isoformat(" ")), "TIMESTAMP")


def _read_answer(file: Path, metric_set: MetricSet) -> Iterator[pa.RecordBatch]:
    """Read a CSV result in batches. Athena quotes an empty text; null is an empty cell without quotes."""
    names = list(metric_set.columns)
    types = {name: pa.string() for name in names} | {name: pa.float64() for name in metric_set.measures}
    try:
        yield from csv.open_csv(
            file,
            csv.ReadOptions(block_size=BLOCK_BYTES, column_names=names, skip_rows_after_names=1, use_threads=False),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise StoreError(f"Athena's answer cannot be read: {first_line(error)}") from error


def run_query(sql: str, table: AthenaTable, file: Path) -> None:
    """Run a query with awswrangler; raises `StoreError`."""
    require("awswrangler", extra="aws")
    import awswrangler as wr
    from botocore.exceptions import BotoCoreError, ClientError

    where = f"Athena, workgroup {table.work_group_name}, database {table.database_name}"
    try:
        execution = wr.athena.start_query_execution(
            sql=sql,
            database=table.database_name,
            workgroup=table.work_group_name,
            data_source=table.data_catalog,
            s3_output=table.s3_results_path or None,
        )
        answer = wr.athena.wait_query(query_execution_id=execution)
        location = answer.get("ResultConfiguration", {}).get("OutputLocation")
        if not location:
            raise StoreError(f"{where}: no OutputLocation; expected S3ResultsPath, or a workgroup that has one")
        wr.s3.download(path=location, local_file=str(file))
    except (wr.exceptions.QueryFailed, wr.exceptions.QueryCancelled, ClientError, BotoCoreError) as error:
        text = one_line(error)
        hint = f"; {_DENIED_HINT}" if _DENIED.search(text) else ""
        raise StoreError(f"{where}: {text}{hint}") from error
