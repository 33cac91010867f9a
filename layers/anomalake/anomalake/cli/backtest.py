"""``anomalake backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from anomalake.cli.page_address import PageAddress, checked


def backtest(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="The detector file, YAML or JSON.")],
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="URI", help="Where its relative paths begin. Default: the file's own folder."),
    ] = None,
    lake: Annotated[
        str | None,
        typer.Option("--lake", metavar="URI", help="Lake to take the alerts in: a folder or s3://BUCKET/PREFIX."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="CSV to compare with: timestamp, is_anomaly, measure, …"),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option("--scores", metavar="FILE.parquet", help="Write every tested point with what was expected of it."),
    ] = None,
    page: PageAddress = "",
) -> None:
    """Train a detector on the oldest 70 % of its history, test it on the rest, and say what it found.

    With --lake its alerts go into a lake, where each counts once however often this is run. Rows that cannot be read
    are told, and make the exit code 1.
    """
    from anomalake.cli.backtest_summary import reason_lines, summary_lines, went_well
    from anomalake.services import backtest as backtesting

    errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
    page = checked(page)
    with _bar(errors) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        outcome = backtesting.backtest(
            detector, data=data, lake=lake, labels=labels, scores=scores, page=page, progress=progress
        )
    for line in summary_lines(outcome, lake, scores):
        out.print(line, soft_wrap=True, markup=False)
    for line in reason_lines(outcome):
        errors.print(line, soft_wrap=True, markup=False)
    if not went_well(outcome):
        raise typer.Exit(1)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
