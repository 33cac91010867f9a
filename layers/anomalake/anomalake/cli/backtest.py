"""``anomalake backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomalake.cli.console import count_bar, line, stderr, stdout, steps_of
from anomalake.cli.options import (
    DataUri,
    DetectorFile,
    EngineName,
    EngineOption,
    Format,
    PageUrl,
    ReportFormat,
    checked_page,
)
from anomalake.cli.without_pandas import use_pyarrow_without_pandas


def backtest(
    detector: DetectorFile,
    data: DataUri = None,
    lake: Annotated[
        str | None,
        typer.Option("--lake", metavar="URI", help="Lake for the alerts: a folder or s3://BUCKET/PREFIX."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="CSV with labels: timestamp, is_anomaly, measure, …"),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option("--scores", metavar="FILE.parquet", help="File for every tested point and its expected range."),
    ] = None,
    page: PageUrl = "",
    engine: EngineOption = EngineName.process,
    format: Format = ReportFormat.text,
) -> None:
    """Train a detector on the oldest 70 % of its history, test it on the rest, and report what it found.

    With --lake its alerts are written to a lake, where each counts once however often this is run. Rows that cannot be
    read are reported, and make the exit code 1.
    """
    from anomalake.cli.backtest_summary import reason_lines, summary_lines, went_well
    from anomalake.cli.reports import backtest_report, print_report
    from anomalake.services.backtests import backtest as service
    from anomalake.services.engines import engine_of

    if engine is EngineName.process:
        use_pyarrow_without_pandas()
    page = checked_page(page)
    with count_bar() as bar:
        outcome = service.backtest(
            detector, data=data, lake=lake, labels=labels, scores=scores, page=page, progress=steps_of(bar),
            engine=engine_of(engine.value),
        )  # fmt: skip
    console, errors = stdout(), stderr()
    if format == ReportFormat.json:
        print_report(backtest_report(outcome, lake, scores))
    else:
        for text in summary_lines(outcome, lake, scores):
            line(console, text)
    for text in reason_lines(outcome):
        line(errors, text)
    if not went_well(outcome):
        raise typer.Exit(1)
