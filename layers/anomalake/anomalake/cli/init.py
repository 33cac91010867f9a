"""``anomalake init``."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from anomalake.cli.console import line, stdout
from anomalake.cli.table_options import (
    Charset,
    Data,
    Decimal,
    Delimiter,
    Dimensions,
    FrequencyName,
    Header,
    Ignored,
    Measures,
    NoDimensions,
    Time,
    TimeFormat,
    Zone,
    choices_of,
)


class Format(str, Enum):
    """Formats of the reading."""

    text = "text"
    json = "json"


def init(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.yaml", help="Detector file to write. Default: NAME.yaml, of DATA."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the detector. Default: of DATA.")] = "",
    time: Time = None,
    time_format: TimeFormat = None,
    zone: Zone = None,
    frequency: FrequencyName = None,
    measure: Measures = None,
    dimension: Dimensions = None,
    no_dimensions: NoDimensions = False,
    ignore: Ignored = None,
    delimiter: Delimiter = None,
    charset: Charset = None,
    decimal: Decimal = None,
    header: Header = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a detector file that is there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take what is most likely.")] = False,
    format_: Annotated[
        Format, typer.Option("--format", help="json: print the reading as one object, and write nothing.")
    ] = Format.text,
) -> None:
    """Look at data, say what they are taken for, and write the detector file.

    Asks where it is unsure, unless --yes is given or there is no terminal. Every guess has an option.
    """
    from anomalake.cli.init_questions import ask
    from anomalake.cli.reading_summary import reading_lines
    from anomalake.files import write_whole
    from anomalake.services import detector_guess
    from anomalake.services.times import UsageError

    choices, text = choices_of(
        time,
        time_format,
        zone,
        frequency,
        measure,
        dimension,
        no_dimensions,
        ignore,
        delimiter,
        charset,
        decimal,
        header,
    )
    if format_ is Format.json:
        with tempfile.TemporaryDirectory(prefix="anomalake-") as folder:
            place = _stored(data, Path(folder), force=False)
            fields = detector_guess.reading_fields(detector_guess.guess_detector(place, choices, text))
        typer.echo(json.dumps(fields | {"data": data}, ensure_ascii=False, indent=1))
        return
    _check_name(name)
    place = _stored(data, Path() if out is None else out.parent, force=force)
    seen = detector_guess.guess_detector(place, choices, text)
    console = stdout()
    if not yes and is_person_there():
        for report_line in reading_lines(seen):
            line(console, report_line)
        answered = ask(seen.reading, choices)
        if answered != choices:
            seen = detector_guess.guess_detector(place, answered, text)
    for report_line in reading_lines(seen):
        line(console, report_line)
    path = out or Path(f"{name or seen.name}.yaml")
    body = seen.text(path.parent, name)
    is_there = path.exists()
    if is_there and not force:
        raise UsageError(f"{path}: is there already; --force replaces it, --out names another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, body.encode())
    line(console, f"{'Replaced' if is_there else 'Wrote'} {path}. Next:")
    line(console, f"  anomalake backtest {shlex.quote(str(path))} --lake ./lake")
    line(console, "  anomalake dashboard --lake ./lake --out page.html")


def is_person_there() -> bool:
    """Whether questions can be asked: standard input and output are terminals."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _stored(data: str, folder: Path, *, force: bool) -> str:
    """The data's path; standard input is written to a file of the folder first."""
    if data != "-":
        return data
    from anomalake.services.detector_guess import store_input
    from anomalake.services.times import UsageError

    path = folder / "stdin.data"
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already, and standard input would be stored in it; --force replaces it")
    folder.mkdir(parents=True, exist_ok=True)
    store_input(sys.stdin.buffer, path)
    return str(path)


def _check_name(name: str) -> None:
    from anomalake.definitions.metric_set import NAME
    from anomalake.services.times import UsageError

    if name and not NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: expected 1 to 63 of a-z A-Z 0-9 - _")
