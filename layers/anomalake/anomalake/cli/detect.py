"""``anomalake detect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from anomalake.cli.console import line, note, stderr, stdout
from anomalake.cli.options import DataUri, DetectorFile, LakeUri, PageUrl, checked_page

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
) -> None:
    """Detect anomalies in an interval: read its files, find anomalies, keep them in the lake, send alerts.

    Intervals that were missed since the last run come first. Repeating a run changes nothing, sends nothing twice, and
    reads late files. T is a time such as 2021-02-17T11:00, in the metric set's zone unless it has its own. An interval
    that fails makes the exit code 1.
    """
    from anomalake.definitions.detector_file import read_detector
    from anomalake.records.executions import EARLY, FAILED
    from anomalake.services import detect as service
    from anomalake.services.times import span_of

    page = checked_page(page)
    read = read_detector(detector, data=data)
    zone = ZoneInfo(read.timezone)
    span = span_of(at, first, last, zone, names=("--at", "--from", "--to"))
    with_action = [rule.name for rule in read.alerts if rule.action is not None]
    if with_action and not send:
        note(f"alerts of {', '.join(with_action)} go to the lake only; --send calls their actions")
    console, errors = stdout(), stderr()
    failed = False
    for interval in service.detect(read, lake, span, page=page, send=send):
        execution = interval.execution
        line(console, _line(execution, zone))
        for warning in execution.warnings:
            line(errors, f"  {warning}")
        if interval.unregistered is not None:
            note(f"live_{read.name} has no rows: {interval.unregistered}")
        failed = failed or execution.status in (EARLY, FAILED) or execution.undelivered > 0
    if failed:
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
