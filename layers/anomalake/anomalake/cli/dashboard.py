"""``anomalake dashboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def dashboard(
    lake: Annotated[
        str,
        typer.Option(
            "--lake", envvar="ANOMALAKE_LAKE", metavar="URI", help="The lake: a folder or s3://BUCKET/PREFIX."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="The file to write; its folder is made.")],
) -> None:
    """Write the page: live values, anomalies, what contributed, all in one HTML file that needs no network.

    Open it in a browser, send it to somebody, or put it where `--page` of detect says that it lies.
    """
    from anomalake.services.dashboard import made, summary_of, write_page

    errors, said = Console(stderr=True, highlight=False), Console(highlight=False)
    if "://" not in lake and not Path(lake).exists():
        errors.print(f"anomalake: note: there is nothing at {lake} yet", soft_wrap=True, markup=False)
    document, _ = made(lake)
    written = write_page(document, out)
    said.print(f"{out}: {written.size / 1e6:.1f} MB, {summary_of(document)}", soft_wrap=True, markup=False)
    for note in document.notes:
        errors.print(f"  {note}", soft_wrap=True, markup=False)
