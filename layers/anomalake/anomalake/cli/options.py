"""Options that several commands have."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from anomalake.notify.page_url import page_url

LakeUri = Annotated[
    str,
    typer.Option("--lake", envvar="ANOMALAKE_LAKE", metavar="URI", help="The lake: a folder or s3://BUCKET/PREFIX."),
]
DetectorFile = Annotated[Path, typer.Argument(metavar="DETECTOR", help="The detector file, YAML or JSON.")]
DataUri = Annotated[
    str | None,
    typer.Option("--data", metavar="URI", help="Base of the file's relative paths. Default: the folder of the file."),
]
PageUrl = Annotated[
    str, typer.Option("--page", envvar="ANOMALAKE_PAGE", metavar="URL", help="URL of the page that alerts link to.")
]
Formats = Annotated[
    str | None,
    typer.Option("--formats", metavar="LIST", help="Table formats: parquet, csv or parquet,csv."),
]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Number of processes. Default: one a core.")]


class EngineName(str, Enum):
    """Where the work of a command is done."""

    process = "process"
    spark = "spark"


EngineOption = Annotated[
    EngineName,
    typer.Option("--engine", help="Where the work is done: on this machine, or by the active or a new Spark session."),
]


class ReportFormat(str, Enum):
    """Formats of a command's result."""

    text = "text"
    json = "json"


Format = Annotated[
    ReportFormat,
    typer.Option("--format", help="Format of the result; json: one object, described in docs/commands.md."),
]
#: Port of `anomalake serve`.
DEFAULT_PORT = 8765
CORES = min(8, os.cpu_count() or 1)


def checked_page(url: str) -> str:
    """Check the value of ``--page``; raises `PageUrlError`."""
    return page_url("--page", url)
