"""Commands on a lake: ``replay``, ``query``, ``export``, ``rebuild``, ``compact``."""

from __future__ import annotations

import sys
from datetime import timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from anomalake.cli.console import count_bar, line, note, note_missing_lake, percent_bar, print_reasons, stdout, steps_of
from anomalake.cli.options import CORES, EngineName, EngineOption, Formats, LakeUri, Workers
from anomalake.cli.without_pandas import use_pyarrow_without_pandas
from anomalake.services.times import UsageError

#: Most bytes of a query, as in Athena.
MOST_SQL_BYTES = 262_144


class QueryFormat(str, Enum):
    """Formats of a query's answer."""

    table = "table"
    csv = "csv"
    json = "json"


class FileFormat(str, Enum):
    """Formats of an exported file."""

    csv = "csv"
    parquet = "parquet"


def replay(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Files, folders, s3:// prefixes, or - for standard input; .json, .jsonl, each also .gz.",
        ),
    ],
    lake: LakeUri,
    formats: Formats = None,
    workers: Workers = CORES,
    engine: EngineOption = EngineName.process,
) -> None:
    """Load stored alerts, bare or in any envelope (SQS, SNS, EventBridge, S3 events), any number of times.

    Alerts that are in the lake already are skipped. A record that is not an alert is set aside in the lake with the
    reason, and makes the exit code 1.
    """
    from anomalake.services import maintenance
    from anomalake.services.engines import engine_of

    with percent_bar() as bar:
        task = bar.add_task("replay", total=None, unit="alerts", done=0)
        summary = maintenance.replay(
            lake,
            sources,
            formats=formats,
            workers=workers,
            started=lambda size: bar.update(task, total=size or None),
            progress=lambda report, so_far: bar.update(task, advance=report.size, done=so_far.loaded + so_far.repeated),
            engine=engine_of(engine.value),
        )
    result = f"{summary.loaded:,} loaded, {summary.repeated:,} repeated, {summary.refused:,} refused"
    if summary.clashes:
        result += f", {summary.clashes:,} clashing (SELECT * FROM clashes)"
    if summary.failed:
        result += f", {summary.failed:,} failed (run it again)"
    line(stdout(), result)
    for text in summary.notes:
        note(text)
    print_reasons(summary.reasons, *([f"set aside in {lake}/set-aside"] if summary.refused else []))
    if summary.refused or summary.failed:
        raise typer.Exit(1)


def query(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL", help="A query in Athena's dialect, a file that ends in .sql, or - for standard input."
        ),
    ],
    lake: LakeUri,
    format: Annotated[QueryFormat, typer.Option("--format", help="Format of the answer.")] = QueryFormat.table,
) -> None:
    """Query the lake's relations. DuckDB answers for a folder, Athena for s3://.

    Relations: metric_values, dimension_contributions, alerts, clashes, and for each detector
    metricvalue_anomalyscore_NAME, with_dimensioncontributions_NAME, live_NAME, with_livedata_NAME, anomalies_NAME
    (SHOW TABLES lists them).
    """
    from anomalake.api import open_lake

    if sql == "-":
        sql = _sql_of("standard input", sys.stdin.buffer)
    elif sql.endswith(".sql") and Path(sql).is_file():
        with Path(sql).open("rb") as file:
            sql = _sql_of(sql, file)
    note_missing_lake(lake)
    use_pyarrow_without_pandas()
    open_lake(lake).write(sql, format.value, sys.stdout)


def _sql_of(place: str, stream: BinaryIO) -> str:
    """Read a query; raises `UsageError`."""
    body = stream.read(MOST_SQL_BYTES + 1)
    if len(body) > MOST_SQL_BYTES:
        raise UsageError(f"{place}: expected a query of at most {MOST_SQL_BYTES:,} bytes, as Athena does")
    try:
        sql = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{place}: byte {error.start + 1:,}: expected a query in UTF-8") from error
    if not sql.strip():
        raise UsageError(f"{place}: is empty; expected a query")
    return sql


def export(
    lake: LakeUri,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to; it is created.")],
    format: Annotated[FileFormat, typer.Option("--format", help="Format of the files.")] = FileFormat.csv,
) -> None:
    """Write every relation to a file; anomalies_NAME is what the samples of Lookout for Metrics exported."""
    from anomalake.api import open_lake

    use_pyarrow_without_pandas()
    console = stdout()
    with count_bar() as bar:
        written = open_lake(lake).export(out_folder, format.value, progress=partial(steps_of(bar), "export"))
    for path in written:
        line(console, str(path))


def rebuild(
    lake: LakeUri,
    formats: Formats = None,
    workers: Workers = CORES,
    engine: EngineOption = EngineName.process,
) -> None:
    """Write the tables again from the originals. Ingestion and queries may continue meanwhile."""
    from anomalake.services import maintenance
    from anomalake.services.engines import engine_of

    with percent_bar() as bar:
        task = bar.add_task("rebuild", total=None, unit="alerts", done=0)
        summary = maintenance.rebuild(
            lake,
            formats=formats,
            workers=workers,
            progress=lambda report, so_far: bar.update(task, advance=report.size, done=so_far.loaded),
            engine=engine_of(engine.value),
        )
    result = f"{summary.loaded:,} alerts in {len(summary.partitions):,} partitions written"
    if summary.refused:
        result += f", {summary.refused:,} refused"
    line(stdout(), result)
    print_reasons(summary.reasons, *([f"set aside in {lake}/set-aside"] if summary.refused else []))
    if summary.refused or summary.failed:
        raise typer.Exit(1)


def compact(
    lake: LakeUri,
    grace: Annotated[
        int | None,
        typer.Option(
            "--grace",
            min=0,
            metavar="SECONDS",
            help="How long merged files are kept for running queries. Default: 3600 in S3, 0 in a folder.",
        ),
    ] = None,
) -> None:
    """Merge small files into large ones. Queries return the same before, during and after."""
    from anomalake.services import maintenance

    use_pyarrow_without_pandas()
    with percent_bar() as bar:
        task = bar.add_task("compact", total=None, unit="partitions", done=0)
        compaction = maintenance.compact(
            lake,
            grace=None if grace is None else timedelta(seconds=grace),
            progress=lambda number, total: bar.update(task, completed=number, total=total, done=number),
        )
    line(
        stdout(),
        f"{compaction.partitions:,} partitions: {compaction.merged:,} files merged, {compaction.deleted:,} deleted",
    )
    print_reasons(compaction.unreadable)
    if compaction.unreadable:
        raise typer.Exit(1)
