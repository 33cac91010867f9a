"""``anomalake quicksight``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anomalake.cli.console import line, note_missing_lake, stdout
from anomalake.cli.options import DetectorFile


def quicksight(
    detector: DetectorFile,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Template to write, YAML; - for standard output.")],
    lake: Annotated[
        str | None,
        typer.Option("--lake", envvar="ANOMALAKE_LAKE", metavar="URI", help="A lake with the detector: its columns."),
    ] = None,
) -> None:
    """Write a CloudFormation template with the QuickSight resources of a detector.

    These are a data source, data sets, an analysis, a dashboard, a theme, permissions and a refresh schedule. The
    template's description says how to deploy it.
    """
    from anomalake.definitions.detector_file import read_detector
    from anomalake.files import FileWriteError, write_whole
    from anomalake.query.detectors import DetectorSchemas
    from anomalake.quicksight import QuickSightError, quicksight_template, to_yaml
    from anomalake.storage.objects import open_store

    if out.exists() and detector.exists() and out.samefile(detector):
        raise QuickSightError(f"--out {out}: is the detector file; expected another file")
    metric_set = read_detector(detector).metric_set
    if lake:
        note_missing_lake(lake)
    schema = DetectorSchemas(open_store(lake, create=False)).of_arn(metric_set.detector_arn) if lake else None
    text = to_yaml(quicksight_template(metric_set, schema))
    if str(out) == "-":
        sys.stdout.write(text)
        return
    try:
        write_whole(out, text.encode("utf-8"))
    except FileWriteError as error:
        raise QuickSightError(str(error)) from error
    line(stdout(), str(out))
