"""The option ``--page``."""

from __future__ import annotations

from typing import Annotated

import typer

PageAddress = Annotated[
    str,
    typer.Option(
        "--page", envvar="ANOMALAKE_PAGE", metavar="URL", help="Where the page lies, that its alerts link to."
    ),
]


def checked(page: str) -> str:
    """The address of a page; raises `EnvironmentVariableError`."""
    from anomalake.aws.environment import page_address

    return page_address("--page", page)
