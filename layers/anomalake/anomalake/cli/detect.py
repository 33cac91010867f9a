"""``anomalake detect``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from anomalake.cli.console import aside, count_bar, line, note, stderr, stdout
from anomalake.cli.options import (
    DataUri,
    DetectorFile,
    EngineName,
    EngineOption,
    Format,
    LakeUri,
    PageUrl,
    ReportFormat,
    checked_page,
)
from anomalake.cli.without_pandas import use_pyarrow_without_pandas

if TYPE_CHECKING:
    from anomalake.records.executions import Execution


def detect(
    detector: DetectorFile,
    lake: LakeUri,
    data: DataUri = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="T", help="A time in the interval. Default: the latest complete interval."),
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="T", help="Each interval from T on, in turn.")] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="T", help="… to that of T. Default: the latest complete interval.")
    ] = None,
    send: Annotated[
        bool,
        typer.Option("--send", help="Send alerts to their functions and topics; else all go to the lake only."),
    ] = False,
    page: PageUrl = "",
    engine: EngineOption = EngineName.process,
    format: Format = ReportFormat.text,
) -> None:
    """Detect anomalies in an interval: read its files, find anomalies, keep them in the lake, send alerts.

    Intervals that were missed since the last run come first. Repeating a run changes nothing, sends nothing twice, and
    reads late files. T is a time such as 2021-02-17T11:00, in the metric set's zone unless it has its own. An interval
    that fails makes the exit code 1.
    """
    from anomalake.cli.reports import detection_report, print_report
    from anomalake.definitions.detector_file import read_detector
    from anomalake.records.executions import EARLY, FAILED
    from anomalake.services import detect as service
    from anomalake.services.engines import engine_of
    from anomalake.services.times import span_of

    if engine is EngineName.process:
        use_pyarrow_without_pandas()
    page = checked_page(page)
    read = read_detector(detector, data=data)
    zone = ZoneInfo(read.timezone)
    span = span_of(at, first, last, zone, names=("--at", "--from", "--to"))
    with_action = [rule.name for rule in read.alerts if rule.action is not None]
    if with_action and not send:
        note(f"alerts of {', '.join(with_action)} go to the lake only; --send calls their actions")
    console, errors = stdout(), stderr()
    detected = []
    with count_bar() as bar:
        task = bar.add_task("detect", total=service.count_intervals(read, span, datetime.now(UTC)))
        for interval in service.detect(read, lake, span, page=page, send=send, engine=engine_of(engine.value)):
            detected.append(interval)
            execution = interval.execution
            with aside(bar):
                if format == ReportFormat.text:
                    line(console, _line(execution, zone))
                for warning in execution.warnings:
                    line(errors, f"  {warning}")
                if interval.unregistered is not None:
                    note(f"live_{read.name} has no rows: {interval.unregistered}")
            bar.update(task, advance=1)
    if format == ReportFormat.json:
        print_report(detection_report(read, lake, detected))
    executions = [interval.execution for interval in detected]
    if any(execution.status in (EARLY, FAILED) or execution.undelivered > 0 for execution in executions):
        raise typer.Exit(1)


def _line(execution: Execution, zone: ZoneInfo) -> str:
    start = execution.timestamp.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    counts = [f"{execution.rows:,} rows", f"{execution.metrics:,} metrics"] if execution.rows else []
    if execution.bad_rows:
        counts.append(f"{execution.bad_rows:,} bad rows")
    if execution.status == "SUCCEEDED":
        counts += [
            f"{execution.anomalies:,} anomalous",
            f"{execution.groups:,} groups",
            f"{execution.delivered:,} alerts",
        ]
        if execution.undelivered:
            counts.append(f"{execution.undelivered:,} not delivered")
    parts = [", ".join(counts), execution.reason or ""]
    return f"{start} {execution.status.lower()}: " + "; ".join(part for part in parts if part)
