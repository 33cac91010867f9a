"""``anomalake client``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from anomalake.cli.console import line, stdout
from anomalake.cli.options import DEFAULT_PORT

client = typer.Typer(
    name="client",
    no_args_is_help=True,
    help="""Let boto3 and the AWS CLI go to anomalake for Amazon Lookout for Metrics.

`anomalake client install` writes a service model and endpoint rules where they look for such files. Scripts with
`boto3.client("lookoutmetrics")` and `aws lookoutmetrics` then run without a change.""",
)


class SigningName(str, Enum):
    """Services that signatures are for."""

    LOOKOUTMETRICS = "lookoutmetrics"
    LAMBDA = "lambda"


Folder = Annotated[
    Path,
    typer.Option(
        "--dir", metavar="DIR", help="Folder of models: botocore's default, or one that `AWS_DATA_PATH` names."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace or delete files that other programs have written.")]
_DEFAULT = Path("~/.aws/models")


@client.command()
def install(
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Where the API is answered: `anomalake serve`, a function URL.")
    ] = f"http://127.0.0.1:{DEFAULT_PORT}",
    region: Annotated[
        str | None,
        typer.Option(
            "--region", metavar="REGION", help="Region of signatures. Default: the function URL's, else the client's."
        ),
    ] = None,
    signing_name: Annotated[
        SigningName | None,
        typer.Option(
            "--signing-name", help="Service of signatures. Default: lambda for a function URL, else lookoutmetrics."
        ),
    ] = None,
    folder: Folder = _DEFAULT,
    force: Force = False,
) -> None:
    """Write the service model and the endpoint rules of `lookoutmetrics` for boto3 and the AWS CLI.

    An `endpoint_url` of a script and `AWS_ENDPOINT_URL` go before the URL. For a Lambda layer, `--dir` names a folder
    in it, and `AWS_DATA_PATH` of the function the same folder below `/opt`.
    """
    from anomalake.server.lookoutmetrics.clients import install as write

    name = None if signing_name is None else signing_name.value
    for path in write(folder, url, region=region, signing_name=name, force=force):
        line(stdout(), str(path))


@client.command()
def uninstall(folder: Folder = _DEFAULT, force: Force = False) -> None:
    """Delete what `anomalake client install` has written."""
    from anomalake.server.lookoutmetrics.clients import uninstall as delete

    deleted = delete(folder, force=force)
    for path in deleted:
        line(stdout(), f"{path}: deleted")
    if not deleted:
        line(stdout(), f"{folder}: nothing is installed")
