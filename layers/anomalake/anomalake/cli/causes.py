"""``anomalake causes``."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated

import typer

from anomalake.cli.console import line, stdout
from anomalake.cli.options import LakeUri


class CausesFormat(str, Enum):
    """Format of the causes."""

    text = "text"
    json = "json"


def causes(
    lake: LakeUri,
    group: Annotated[str, typer.Option("--group", metavar="ID", help="An anomaly group (anomaly_group_id).")],
    detector: Annotated[
        str | None, typer.Option("--detector", metavar="NAME", help="Default: the one with the group.")
    ] = None,
    format_: Annotated[CausesFormat, typer.Option("--format", help="Format of the causes.")] = CausesFormat.text,
) -> None:
    """Show why an anomaly group happened: the combinations of dimension values that explain it, interval by interval.

    They were looked for when the group was found, among all metrics of its measure.
    """
    from anomalake.services.causes import fields_of, lines_of
    from anomalake.services.feedback import find_group
    from anomalake.storage.objects import open_store

    found = find_group(open_store(lake, create=False), detector, group)
    if format_ is CausesFormat.json:
        typer.echo(json.dumps(fields_of(found), ensure_ascii=False, indent=2, allow_nan=False))
        return
    console = stdout()
    for text in lines_of(found):
        line(console, text)
