"""``anomalake detect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from anomalake.cli.page_address import PageAddress, checked
from anomalake.services.times import UsageError, instant_of

if TYPE_CHECKING:
    from anomalake.records.executions import Execution


def detect(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="The detector file, YAML or JSON.")],
    lake: Annotated[
        str,
        typer.Option(
            "--lake", envvar="ANOMALAKE_LAKE", metavar="URI", help="The lake: a folder or s3://BUCKET/PREFIX."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="URI", help="Where its relative paths begin. Default: the file's own folder."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="T", help="The interval that T lies in. Default: the latest complete one."),
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="T", help="Each interval from T on, in turn.")] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="T", help="… to T's. Default: the latest complete one.")
    ] = None,
    send: Annotated[
        bool,
        typer.Option("--send", help="Call the functions and topics that alerts name; else all go into the lake."),
    ] = False,
    page: PageAddress = "",
) -> None:
    """Judge an interval of a detector: read its files, find anomalies, keep them in the lake, alert.

    What was missed since the last run is made up for first. A run again changes nothing, sends nothing twice, and takes
    in late files. T is a time such as 2021-02-17T11:00, in the metric set's zone unless it has one of its own. An
    interval that fails makes the exit code 1.
    """
    from anomalake.definitions.detector_file import read_detector
    from anomalake.definitions.errors import SourceError
    from anomalake.records.executions import EARLY, FAILED, SUCCEEDED
    from anomalake.services.detect import live_detector, local_rules
    from anomalake.services.lakes import open_writer
    from anomalake.services.source_registration import register_source

    errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
    page = checked(page)
    read = read_detector(detector, data=data)
    zone = ZoneInfo(read.timezone)
    instant, begin, end = (instant_of(text, zone) if text is not None else None for text in (at, first, last))
    if instant is not None and (begin is not None or end is not None):
        raise UsageError("--at is given beside --from or --to: expected one or the other")
    if end is not None and begin is None:
        raise UsageError("--to is given without --from: expected both")
    writer = open_writer(lake)
    elsewhere = [rule.name for rule in read.alerts if rule.action is not None]
    if elsewhere and not send:
        errors.print(
            f"anomalake: note: alerts of {', '.join(elsewhere)} go into the lake only; --send calls their actions",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    live = live_detector(read, writer, local_rules(read, writer, send=send), page=page)
    failed = noted = False
    runs = live.run(instant, at_once=_ALL) if begin is None else live.run_span(begin, end)
    for execution, _ in runs:
        out.print(_line(execution, zone), soft_wrap=True, markup=False)
        for warning in execution.warnings:
            errors.print("  " + warning, soft_wrap=True, markup=False)
        failed = failed or execution.status in (EARLY, FAILED) or execution.undelivered > 0
        if execution.status == SUCCEEDED and not noted:
            noted = True
            try:
                register_source(writer.store, read.metric_set, execution.timestamp)
            except SourceError as error:
                errors.print(f"anomalake: note: live_{read.name} has no rows: {error}", soft_wrap=True, markup=False)
    if failed:
        raise typer.Exit(1)


#: A command has no time limit.
_ALL = 1_000_000


def _line(execution: Execution, zone: ZoneInfo) -> str:
    start = execution.timestamp.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    told = [f"{execution.rows:,} rows", f"{execution.metrics:,} metrics"] if execution.rows else []
    if execution.bad_rows:
        told.append(f"{execution.bad_rows:,} bad rows")
    if execution.status == "SUCCEEDED":
        told += [
            f"{execution.anomalies:,} anomalous",
            f"{execution.groups:,} groups",
            f"{execution.delivered:,} alerts",
        ]
        if execution.undelivered:
            told.append(f"{execution.undelivered:,} not delivered")
    return f"{start} {execution.status.lower()}: " + "; ".join(
        [*([", ".join(told)] if told else []), *_reason(execution)]
    )


def _reason(execution: Execution) -> list[str]:
    return [execution.reason] if execution.reason else []
