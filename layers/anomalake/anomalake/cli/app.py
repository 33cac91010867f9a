"""The command ``anomalake``."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from anomalake.cli.backtest import backtest
from anomalake.cli.dashboard import dashboard
from anomalake.cli.detect import detect
from anomalake.cli.feedback import feedback, snooze
from anomalake.cli.quicksight import quicksight
from anomalake.cli.serve import serve
from anomalake.cli.synth import synth

app = typer.Typer(
    name="anomalake",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Turns anomaly alerts (Amazon Lookout for Metrics' JSON) into tables for Athena, QuickSight and DuckDB.

Begin with `anomalake demo`, or load what you have: `anomalake replay alerts/ --lake ./lake`, then
`anomalake query "SELECT * FROM metric_values" --lake ./lake`.

Exit codes: 0 all went well; 1 records were refused or something failed; 2 the call itself was wrong.
`--debug` anywhere shows tracebacks.""",
)

LakeUri = Annotated[
    str,
    typer.Option("--lake", envvar="ANOMALAKE_LAKE", metavar="URI", help="The lake: a folder or s3://BUCKET/PREFIX."),
]
Formats = Annotated[
    str | None,
    typer.Option("--formats", metavar="LIST", help="Table formats: parquet, csv or parquet,csv."),
]
Workers = Annotated[
    int, typer.Option("--workers", min=1, max=64, help="Processes to work in; one a core unless said otherwise.")
]
CORES = min(8, os.cpu_count() or 1)

errors = Console(stderr=True, highlight=False)
out = Console(highlight=False)


class QueryFormat(str, Enum):
    """Forms of a query's answer."""

    table = "table"
    csv = "csv"
    json = "json"


class FileFormat(str, Enum):
    """Forms of an exported file."""

    csv = "csv"
    parquet = "parquet"


@app.command()
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
) -> None:
    """Load stored alerts, bare or in any envelope (SQS, SNS, EventBridge, S3 events), any number of times.

    What was loaded before is passed over. What is no alert is set aside in the lake with its reason, and makes the exit
    code 1.
    """
    from anomalake.services import maintenance

    with _bar() as bar:
        task = bar.add_task("replay", total=None, unit="alerts", done=0)
        summary = maintenance.replay(
            lake,
            sources,
            formats=formats,
            workers=workers,
            started=lambda size: bar.update(task, total=size or None),
            progress=lambda report, so_far: bar.update(task, advance=report.size, done=so_far.loaded + so_far.repeated),
        )
    line = f"{summary.loaded:,} loaded, {summary.repeated:,} repeated, {summary.refused:,} refused"
    if summary.clashes:
        line += f", {summary.clashes:,} clashing (SELECT * FROM clashes)"
    if summary.failed:
        line += f", {summary.failed:,} failed (run it again)"
    out.print(line, soft_wrap=True)
    _tell(summary.reasons, f"set aside in {lake}/set-aside" if summary.refused else None)
    if summary.refused or summary.failed:
        raise typer.Exit(1)


@app.command()
def query(
    sql: Annotated[
        str, typer.Argument(metavar="SQL", help="A query in Athena's dialect, or a file that ends in .sql.")
    ],
    lake: LakeUri,
    format: Annotated[QueryFormat, typer.Option("--format", help="How to print the rows.")] = QueryFormat.table,
) -> None:
    """Ask the lake's relations: DuckDB answers for a folder, Athena for s3://.

    Relations: metric_values, dimension_contributions, alerts, clashes, and for each detector
    metricvalue_anomalyscore_NAME, with_dimensioncontributions_NAME, live_NAME, with_livedata_NAME, anomalies_NAME
    (SHOW TABLES lists them).
    """
    from anomalake.api import open_lake

    if sql.endswith(".sql") and Path(sql).is_file():
        sql = Path(sql).read_text(encoding="utf-8")
    if "://" not in lake and not Path(lake).exists():
        errors.print(f"anomalake: note: there is nothing at {lake} yet", soft_wrap=True, markup=False)
    open_lake(lake).write(sql, format.value, sys.stdout)


@app.command()
def export(
    lake: LakeUri,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to; it is made.")],
    format: Annotated[FileFormat, typer.Option("--format", help="Form of the files.")] = FileFormat.csv,
) -> None:
    """Write every relation to a file; anomalies_NAME is what the samples of Lookout for Metrics exported."""
    from anomalake.api import open_lake

    for path in open_lake(lake).export(out_folder, format.value):
        out.print(str(path), soft_wrap=True, markup=False)


@app.command()
def rebuild(lake: LakeUri, formats: Formats = None, workers: Workers = CORES) -> None:
    """Write the tables anew from the originals; ingestion and queries may go on meanwhile."""
    from anomalake.services import maintenance

    with _bar() as bar:
        task = bar.add_task("rebuild", total=None, unit="alerts", done=0)
        summary = maintenance.rebuild(
            lake,
            formats=formats,
            workers=workers,
            progress=lambda report, so_far: bar.update(task, advance=report.size, done=so_far.loaded),
        )
    out.print(f"{summary.loaded:,} alerts in {len(summary.partitions):,} partitions written anew", soft_wrap=True)
    _tell(summary.reasons, None)
    if summary.refused or summary.failed:
        raise typer.Exit(1)


@app.command()
def compact(
    lake: LakeUri,
    grace: Annotated[
        int | None,
        typer.Option(
            "--grace",
            min=0,
            metavar="SECONDS",
            help="How long merged files stay for running queries. Default: 3600 in S3, 0 in a folder.",
        ),
    ] = None,
) -> None:
    """Merge small files into large ones; queries answer the same before, during and after."""
    from anomalake.services import maintenance

    with _bar() as bar:
        task = bar.add_task("compact", total=None, unit="partitions", done=0)
        done = maintenance.compact(
            lake,
            grace=None if grace is None else timedelta(seconds=grace),
            progress=lambda number, total: bar.update(task, completed=number, total=total, done=number),
        )
    out.print(f"{done.partitions:,} partitions: {done.merged:,} files merged, {done.deleted:,} deleted", soft_wrap=True)
    _tell(done.unreadable, None)
    if done.unreadable:
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to work in; it is made.")] = Path(
        "anomalake-demo"
    ),
) -> None:
    """The main job from nothing: a year of real flights, alerts, a lake, queries, and where it all lies."""
    from anomalake.cli.demo import run_demo

    run_demo(folder, out)


app.command()(backtest)
app.command()(dashboard)
app.command()(detect)
app.command()(feedback)
app.command()(quicksight)
app.command()(serve)
app.command()(snooze)
app.command()(synth)


def main() -> NoReturn:
    """Run the command; an error is one line, with ``--debug`` a traceback too."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app(standalone_mode=True)
    except BrokenPipeError:
        # The reader has seen enough; Python would complain again when it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        errors.print(f"anomalake: {_one_line(error)}", soft_wrap=True, markup=False)
        sys.exit(2 if isinstance(error, ValueError) else 1)
    sys.exit(0)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if type(error).__module__.startswith("anomalake"):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _tell(reasons: list[str], where: str | None, most: int = 10) -> None:
    for reason in reasons[:most]:
        errors.print("  " + reason, soft_wrap=True, markup=False)
    if len(reasons) > most:
        errors.print(f"  … and {len(reasons) - most:,} more", soft_wrap=True)
    if where is not None:
        errors.print("  " + where, soft_wrap=True, markup=False)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[done]:,} {task.fields[unit]}"),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )


if __name__ == "__main__":
    main()
