"""The command ``anomalake``.

A new command is a function in a module of this package, with its options in the signature; it calls one service, and it
is registered here.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

import anomalake
from anomalake.cli.backtest import backtest
from anomalake.cli.causes import causes
from anomalake.cli.client import client
from anomalake.cli.console import line, stderr
from anomalake.cli.demo import demo
from anomalake.cli.detect import detect
from anomalake.cli.feedback import feedback, snooze
from anomalake.cli.init import init
from anomalake.cli.interruption import interrupted
from anomalake.cli.lakes import compact, export, query, rebuild, replay
from anomalake.cli.page import dashboard, serve
from anomalake.cli.quicksight import quicksight
from anomalake.cli.synth import synth
from anomalake.cli.translate import translate
from anomalake.cli.try_ import try_
from anomalake.errors import problems_of
from anomalake.services.times import UsageError

app = typer.Typer(
    name="anomalake",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Find anomalies in KPIs, and turn alerts (Amazon Lookout for Metrics' JSON) into tables for Athena,
QuickSight and DuckDB.

Begin with `anomalake try DATA` on a table of your own, or with `anomalake demo`. Or load the alerts that you have:
`anomalake replay alerts/ --lake ./lake`, then `anomalake query "SELECT * FROM metric_values" --lake ./lake`.

Exit codes: 0 success; 1 records were refused or something failed; 2 the call itself was wrong.
`--debug` anywhere shows tracebacks.""",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anomalake {anomalake.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself; the help text is that of `app`."""


for command in (
    replay, query, export, rebuild, compact, demo, init, backtest, causes, dashboard, detect, feedback, quicksight,
    serve, snooze, synth, translate,
):  # fmt: skip
    app.command()(command)
app.command("try")(try_)
app.add_typer(client)


def main() -> NoReturn:
    """Run the command. Each problem of an error is one line; with ``--debug`` the error has a traceback."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        _refuse_empty(sys.argv[1:])
        app(standalone_mode=True)
    except BrokenPipeError:
        # The reader has closed the pipe; Python would fail again when it flushes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug or interrupted():
            raise
        for problem in problems_of(error):
            line(stderr(), f"anomalake: {problem}")
        sys.exit(2 if isinstance(error, ValueError) else 1)
    sys.exit(0)


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse an empty path, URI or other value: it is that of an unset variable, and would name the current folder."""
    before = ""
    for number, argument in enumerate(arguments, 1):
        option, equals, value = argument.partition("=")
        if not argument.strip():
            name = before if before.startswith("--") else f"argument {number}"
        elif option.startswith("--") and equals and not value.strip():
            name = option
        else:
            before = argument
            continue
        raise UsageError(f"{name}: is empty; expected a value")
