"""``anomalake quicksight``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def quicksight(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="The detector file, YAML or JSON.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Template to write, YAML; - for standard output.")],
) -> None:
    """Write a CloudFormation template of what QuickSight shows of a detector.

    Data source, data sets, analysis, dashboard, theme, permissions, refresh. The template says how to deploy it.
    """
    from anomalake.definitions.detector_file import read_detector
    from anomalake.quicksight import QuickSightError, quicksight_template, to_yaml
    from anomalake.services.files import FileWriteError, write_whole

    if out.exists() and detector.exists() and out.samefile(detector):
        raise QuickSightError(f"--out {out}: is the detector file; expected another one, which it may write over")
    text = to_yaml(quicksight_template(read_detector(detector).metric_set))
    if str(out) == "-":
        sys.stdout.write(text)
        return
    try:
        write_whole(out, text.encode("utf-8"))
    except FileWriteError as error:
        raise QuickSightError(str(error)) from error
    Console(highlight=False).print(str(out), soft_wrap=True, markup=False)
