"""``anomalake translate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anomalake.cli.console import line, note, stdout


def translate(
    template: Annotated[
        str, typer.Argument(metavar="TEMPLATE", help="CloudFormation template, YAML or JSON; - for standard input.")
    ],
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Template to write; - for standard output, the default.")
    ] = "-",
    stack: Annotated[
        str, typer.Option("--stack", metavar="NAME", help="Default of the parameter that names anomalake's stack.")
    ] = "anomalake",
) -> None:
    """Translate the detectors and alerts of a CloudFormation template.

    Resources of the types AWS::LookoutMetrics::AnomalyDetector and AWS::LookoutMetrics::Alert become custom resources
    that anomalake's stack makes. Everything else stays as it is, with its comments.
    """
    from anomalake.cloudformation.references import imports
    from anomalake.cloudformation.templates import MOST_BYTES, read_template, translate_template
    from anomalake.files import write_whole

    place = "standard input" if template == "-" else template
    body = sys.stdin.buffer.read(MOST_BYTES + 1) if template == "-" else read_template(Path(template))
    translated = translate_template(body, place, imports(stack))
    if translated == body:
        note(f"{place}: has nothing of Lookout for Metrics to translate")
    if out == "-":
        sys.stdout.buffer.write(translated)
        return
    write_whole(Path(out), translated)
    line(stdout(), out)
